"""Which worker is at work on which shard, and what the workers say of themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "claims",
        sa.Column("plan", sa.Text(), sa.ForeignKey("plans.digest"), primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("taken", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.Column("doing", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("workers")
    op.drop_table("claims")
