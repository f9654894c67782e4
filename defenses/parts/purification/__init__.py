"""What stands before a classifier."""
