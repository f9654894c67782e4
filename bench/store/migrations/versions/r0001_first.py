"""Plans, environments, shards and outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "plans",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("defense", sa.Text(), nullable=False),
        sa.Column("attack", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "environments",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("document", sa.JSON(), nullable=False),
    )
    op.create_table(
        "shards",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("perturbed_sha256", sa.Text(), nullable=False),
        sa.Column("invalid", sa.Text(), nullable=True),
        sa.Column("remarks", sa.JSON(), nullable=False),
        sa.Column("forwards", sa.BigInteger(), nullable=False),
        sa.Column("backwards", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("peak_memory", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["plans.digest"]),
        sa.ForeignKeyConstraint(["environment"], ["environments.digest"]),
        sa.UniqueConstraint("plan", "number"),
    )
    op.create_table(
        "outcomes",
        sa.Column("shard", sa.Integer(), sa.ForeignKey("shards.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("clean", sa.JSON(), nullable=False),
        sa.Column("perturbed", sa.JSON(), nullable=False),
        sa.Column("distance", sa.Double(), nullable=False),
        sa.Column("radius", sa.Double(), nullable=True),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("outcomes", "shards", "environments", "plans"):
        op.drop_table(table)
