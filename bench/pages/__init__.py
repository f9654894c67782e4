"""From rows to pages, pictures and files: ink, and no arithmetic on outcomes."""
