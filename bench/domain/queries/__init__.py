"""What is asked of a classifier, by whom, how often, and what is kept of it."""
