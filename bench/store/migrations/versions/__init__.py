"""Revisions, oldest first; each spells its columns out, for what a schema was does not change with today's tables."""
