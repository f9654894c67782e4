"""The distance of the nearest misclassified image, and the iteration that first misled the classifier."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add both columns, empty for what was evaluated before."""
    with op.batch_alter_table("outcomes") as table:
        table.add_column(sa.Column("minimal", sa.Double(), nullable=True))
        table.add_column(sa.Column("broken_at", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("outcomes") as table:
        table.drop_column("broken_at")
        table.drop_column("minimal")
