"""The database itself: its address, schema and versions, and transactions on it."""
