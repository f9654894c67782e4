"""The tables: plans, what is written on them, environments, shards, outcomes, conflicts, and who is at work."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, MetaData, Text, UniqueConstraint, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """Common metadata: stable names for constraints, so that migrations can speak of them, and a column's type by the
    kind of its values."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {str: Text, float: Double, dict[str, Any]: JSON, list[str]: JSON}


class PlanRow(Table):
    """A plan under its digest; the columns beside the document are for people who query by hand.

    `places` says where its plugins and files lay when it was last run into this store.
    """

    __tablename__ = "plans"

    digest: Mapped[str] = mapped_column(primary_key=True)
    defense: Mapped[str]
    attack: Mapped[str]
    source: Mapped[str | None]
    dataset: Mapped[str]
    document: Mapped[dict[str, Any]]
    created: Mapped[datetime]
    places: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class EnvironmentRow(Table):
    """What describes a run and changes no plan: device, versions, commit."""

    __tablename__ = "environments"

    digest: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]


class ShardRow(Table):
    """One finished shard. `origin` names the store that it was merged from, `claimed` is what could not be checked."""

    __tablename__ = "shards"
    __table_args__ = (UniqueConstraint("plan", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"))
    number: Mapped[int]
    environment: Mapped[str] = mapped_column(ForeignKey("environments.digest"))
    perturbed_sha256: Mapped[str]
    invalid: Mapped[str | None]
    remarks: Mapped[list[str]]
    forwards: Mapped[int] = mapped_column(BigInteger)
    backwards: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    peak_memory: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[datetime]
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    origin: Mapped[str | None]
    claimed: Mapped[bool] = mapped_column(default=False, server_default=false())


class OutcomesRow(Table):
    """The outcomes of one shard, a packed column each; `rows.columns` says how, `bench export` writes rows."""

    __tablename__ = "shard_outcomes"

    shard: Mapped[int] = mapped_column(ForeignKey("shards.id", ondelete="CASCADE"), primary_key=True)
    samples: Mapped[int]
    sample: Mapped[bytes]
    label: Mapped[bytes]
    clean: Mapped[bytes]
    perturbed: Mapped[bytes]
    distance: Mapped[bytes]
    radius: Mapped[bytes | None]
    minimal: Mapped[bytes | None]
    broken_at: Mapped[bytes | None]
    fell_to: Mapped[bytes | None]
    parts: Mapped[str | None]


class ConflictRow(Table):
    """A shard that came out otherwise elsewhere than the one that is kept here."""

    __tablename__ = "conflicts"

    id: Mapped[int] = mapped_column(primary_key=True)
    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"))
    number: Mapped[int]
    origin: Mapped[str]
    samples: Mapped[int]
    compared: Mapped[int]
    sentence: Mapped[str]
    environment: Mapped[dict[str, Any]]
    found: Mapped[datetime]


class LabelRow(Table):
    """A tag or a note (`kind`) that somebody has written on a plan; `sha256` is of kind and text."""

    __tablename__ = "labels"

    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"), primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    text: Mapped[str]
    added: Mapped[datetime]


class ClaimRow(Table):
    """A shard that a worker is at work on until `expires`; times are seconds since 1970 by the database's clock."""

    __tablename__ = "claims"

    plan: Mapped[str] = mapped_column(ForeignKey("plans.digest"), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    taken: Mapped[float]
    expires: Mapped[float]


class WorkerRow(Table):
    """What a worker last said of itself, and when, by the database's clock."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    started: Mapped[float]
    seen: Mapped[float]
    doing: Mapped[str]
    done: Mapped[int]
