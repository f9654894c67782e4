"""Verbs that read a store, or change what lies in it."""
