"""Tags and notes that people write on plans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "labels",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["plans.digest"], name="fk_labels_plan_plans"),
        sa.PrimaryKeyConstraint("plan", "sha256", name="pk_labels"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("labels")
