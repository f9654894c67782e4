"""Attacks of other libraries, as they are."""
