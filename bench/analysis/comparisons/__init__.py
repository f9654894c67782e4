"""Two defenses or attacks on the same samples."""
