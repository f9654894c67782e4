"""The contests: who meets whom, at what, and what must be equal."""
