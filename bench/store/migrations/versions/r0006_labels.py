"""Tags and notes that people write on plans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "labels",
        sa.Column("plan", sa.Text(), sa.ForeignKey("plans.digest"), primary_key=True),
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added", sa.DateTime(), nullable=False),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("labels")
