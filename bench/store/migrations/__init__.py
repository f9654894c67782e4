"""The schema's history, applied by Alembic; one file a revision."""
