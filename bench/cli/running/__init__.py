"""Verbs that compute."""
