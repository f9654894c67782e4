"""Crafted images beside the database."""
