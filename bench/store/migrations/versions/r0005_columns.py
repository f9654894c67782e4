"""A shard's outcomes as one row of packed columns, where there was a row a sample."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa
from alembic import op

from bench.store.rows.outcomes import Packed, pack, unpack
from bench.store.rows.rowwise import columns_of_shard

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Pack what there is, a shard at a time, and drop the rows."""
    packed = op.create_table(
        "shard_outcomes",
        sa.Column("shard", sa.Integer(), sa.ForeignKey("shards.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("samples", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.LargeBinary(), nullable=False)
            for name in ("sample", "label", "clean", "perturbed", "distance")
        ),
        *(sa.Column(name, sa.LargeBinary(), nullable=True) for name in ("radius", "minimal", "broken_at", "fell_to")),
        sa.Column("parts", sa.Text(), nullable=True),
    )
    connection = op.get_bind()
    for (shard,) in connection.execute(sa.text("SELECT id FROM shards ORDER BY id")).all():
        row = pack(columns_of_shard(connection, shard))._asdict()
        connection.execute(packed.insert(), {"shard": shard, **row})
    op.drop_table("outcomes")


def downgrade() -> None:
    """A row a sample again."""
    rows = op.create_table(
        "outcomes",
        sa.Column("shard", sa.Integer(), sa.ForeignKey("shards.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("sample", "label")),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("clean", "perturbed")),
        sa.Column("distance", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("radius", "minimal")),
        sa.Column("broken_at", sa.Integer(), nullable=True),
        sa.Column("fell_to", sa.Text(), nullable=True),
    )
    connection = op.get_bind()
    names = ", ".join(Packed._fields)
    for shard, *packed in connection.execute(sa.text(f"SELECT shard, {names} FROM shard_outcomes")).all():
        found = enumerate(unpack([Packed(*packed)]))
        named = [{**asdict(outcome), "shard": shard, "position": position} for position, outcome in found]
        connection.execute(rows.insert(), [{**row, "sample": row.pop("index")} for row in named])
    op.drop_table("shard_outcomes")
