"""What was observed of a shard and where it came from, where a plan's files lie, and conflicts between stores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns, empty for what was evaluated before, and the table."""
    # Columns are added without copying a table: dropping the old copy would take the outcomes with it.
    op.add_column("plans", sa.Column("places", sa.JSON(), nullable=True))
    op.add_column("shards", sa.Column("facts", sa.JSON(), nullable=True))
    op.add_column("shards", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("shards", sa.Column("claimed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("outcomes", sa.Column("fell_to", sa.Text(), nullable=True))
    op.create_table(
        "conflicts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("plan", sa.Text(), sa.ForeignKey("plans.digest"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("compared", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("found", sa.DateTime(), nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("conflicts")
    op.drop_column("outcomes", "fell_to")
    for column in ("claimed", "origin", "facts"):
        op.drop_column("shards", column)
    op.drop_column("plans", "places")
