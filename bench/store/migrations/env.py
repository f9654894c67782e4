"""How Alembic reaches the connection that the store hands it."""

from __future__ import annotations

from alembic import context

from bench.store.database.schema import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table="bench_schema",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
