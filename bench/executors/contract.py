"""What whoever runs jobs offers: places, seats at them, and what is said of the jobs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Role = Literal["plan", "read", "craft", "judge", "replay", "train"]
TRIES = 3
"""How often a job is begun whose process ends without a word."""


@dataclass(frozen=True)
class Report:
    """What is said of a job: how far it is (`done` of `total`, a note), its `data`, or the sentence why there is none.

    A seat that is `spent` can do nothing more. A job that is `lost` ended without a word, so that it may go well
    another time; a failure that is `local` may not be met at another place. `seconds` is how long the job was at work.
    """

    done: float = 0.0
    total: float = 0.0
    note: str = ""
    finished: bool = False
    data: Any = None
    failure: str | None = None
    details: str = ""
    spent: bool = False
    lost: bool = False
    local: bool = False
    seconds: float = 0.0


class Seat(Protocol):
    """Where jobs of one role run at one place, one after the other, in a process that has never known another role."""

    @property
    def role(self) -> Role:
        """What it runs."""

    @property
    def place(self) -> str:
        """Where it is."""

    def start(self, job: Any) -> None:
        """Give it a job; never waits for it, and fails for nothing that `hear` could say."""

    def close(self) -> None:
        """End it, whatever it is doing; never waits without a limit."""


class Executor(Protocol):
    """Runs jobs at places; a seat runs one at a time."""

    def places(self, jobs: int) -> Mapping[str, int]:
        """How many jobs each place runs at once, where `jobs` are at hand; places may come and go.

        Raises `BenchError` where there never will be one.
        """

    def seat(self, role: Role, place: str) -> Seat:
        """A new seat at a place."""

    def hear(self, busy: Sequence[Seat], seconds: float | None) -> Sequence[tuple[Seat, Report]]:
        """What the busy seats say; none where they say nothing for so many seconds, and now and then before.

        A seat whose process is gone says so in a last report. Each job ends in one report that is `finished`.
        """

    def close(self) -> None:
        """End every seat that is left; never waits without a limit."""
