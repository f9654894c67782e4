"""What a run is told, works with and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.executors.choice import DEFAULT
from bench.executors.contract import Executor
from bench.store.store import Store

if TYPE_CHECKING:
    from bench.store.rows.records import Conflict, ShardRecord

REPLAYED = 8
"""How many images of a shard are judged again in another process, unless a run asks for more."""


class Means(TypedDict, total=False):
    """With what a run measures; none of it changes an outcome. `replayed` images of each shard are judged again, and a
    shard is given up after `shard_timeout` seconds."""

    data_dir: Path | None
    workers: int | None
    executor: str | Executor
    replayed: int
    shard_timeout: float | None


class Observer(Protocol):
    """Told how an evaluation goes on."""

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None:
        """The first of a plan's shards is about to run; `role` is what they are for ('crafting', 'judging')."""

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None:
        """A shard got further."""

    def finished(self, plan: Plan, shard: int, result: ShardResult | ShardRecord | None) -> None:
        """A shard was stored (its result, or what is known of it where another run was faster), or failed (None)."""

    def ahead(self, left: Callable[[], tuple[float | None, int]]) -> None:
        """Something has moved; `left` tells the seconds until everything is done, None where nobody knows yet, and by
        how many workers. It is asked only by who shows it."""


@dataclass(frozen=True)
class Failure:
    """A shard that has no result, and why."""

    shard: int
    sentence: str
    details: str = ""


@dataclass
class Evaluation:
    """What one call did for a plan: shards computed, shards crafted on its source for it before any other plan, shards
    that came out otherwise than they are stored, failures, and the seconds from its first shard to its last."""

    plan: Plan
    computed: int = 0
    crafted: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Site:
    """What a run works with: its workers, its images, its store, who watches, how much of a shard is replayed, and for
    how many seconds a shard may be worked at, if not for ever."""

    crew: Crew
    archive: Archive
    store: Store
    observer: Observer
    replayed: int = REPLAYED
    shard_timeout: float | None = None

    @classmethod
    @contextmanager
    def open(
        cls, device: Callable[[], str], store: Store, observer: Observer, **means: Unpack[Means]
    ) -> Iterator[Site]:
        """A site of its own, whose workers and images are gone afterwards; `device` is asked only if there is work, so
        that a finished plan needs no torch."""
        with (
            Crew(device, means.get("workers"), means.get("executor", DEFAULT)) as crew,
            Archive(means.get("data_dir")) as archive,
        ):
            replayed, timeout = means.get("replayed", REPLAYED), means.get("shard_timeout")
            yield cls(crew, archive, store, observer, replayed, timeout)
