"""Outcomes to rows to pages; everything is computed when it is read."""
