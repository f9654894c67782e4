"""Denoisers, and classifiers made of them."""
