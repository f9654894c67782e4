"""One plan's outcomes as figures."""
