"""Trains defenses and draws images from them."""
