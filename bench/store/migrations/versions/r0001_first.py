"""Plans, environments, shards and outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "plans",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("defense", sa.Text(), nullable=False),
        sa.Column("attack", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_plans"),
    )
    op.create_table(
        "environments",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_environments"),
    )
    op.create_table(
        "shards",
        sa.Column("id", sa.Integer(), nullable=False),
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
        sa.ForeignKeyConstraint(["plan"], ["plans.digest"], name="fk_shards_plan_plans"),
        sa.ForeignKeyConstraint(["environment"], ["environments.digest"], name="fk_shards_environment_environments"),
        sa.PrimaryKeyConstraint("id", name="pk_shards"),
        sa.UniqueConstraint("plan", "number", name="uq_shards_plan_number"),
    )
    op.create_table(
        "outcomes",
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("clean", sa.JSON(), nullable=False),
        sa.Column("perturbed", sa.JSON(), nullable=False),
        sa.Column("distance", sa.Double(), nullable=False),
        sa.Column("radius", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["shard"], ["shards.id"], name="fk_outcomes_shard_shards", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("shard", "position", name="pk_outcomes"),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("outcomes", "shards", "environments", "plans"):
        op.drop_table(table)
