"""What a notebook calls, and the command line too: evaluate, sweep, compare and report."""
