"""What a person sees while work goes on: bars on stderr, nothing where nobody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bench.domain.text import visible

if TYPE_CHECKING:
    from bench.domain.defense import Watch
    from bench.domain.outcome import ShardResult
    from bench.domain.plan import Plan
    from bench.store.rows.records import ShardRecord


SECONDS_BETWEEN_QUESTIONS = 1.0
"""How often the time that is left is worked out anew at most."""


class _Amount(ProgressColumn):
    """Shards as '3/8'; the way through one shard, whose passes say little to a reader, as '38 %'."""

    def render(self, task: Task) -> Text:
        if task.fields["whole"]:
            return Text(f"{task.completed:.0f}/{task.total or 0:.0f}", style="progress.download", justify="right")
        return Text(f"{task.percentage:.0f} %", style="progress.percentage", justify="right")


class _Left(ProgressColumn):
    """The time left as it was last told, counted down since; where nobody tells it, as the bar's own speed has it."""

    def __init__(self) -> None:
        super().__init__()
        self._usual = TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        if "until" not in task.fields:
            return self._usual.render(task)
        until = task.fields["until"]
        shown = "-:--:--" if until is None else _clock(until - time.monotonic())
        return Text(shown, style="progress.remaining")


class EvaluationProgress:
    """One bar for the shards of each plan that is under way, and one inside every shard that is running."""

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        console = console or Console(stderr=True, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            _Amount(),
            TimeElapsedColumn(),
            _Left(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            disable=quiet or not _is_seen(console),
            transient=True,
        )
        self._quiet = quiet
        self._plans: dict[str, tuple[TaskID, str]] = {}
        self._left: dict[str, int] = {}
        self._shards: dict[tuple[str, int], TaskID] = {}
        self._finished: set[tuple[str, int]] = set()
        self._cells: TaskID | None = None
        self._until: float | None = None
        self._trainings, self._trained = 0, 0.0
        self._asked = -SECONDS_BETWEEN_QUESTIONS

    def __enter__(self) -> EvaluationProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def cells(self, total: int, what: str = "cells") -> None:
        """Announce a sweep: a bar for its cells above those of its plans, with the time left for all of them."""
        self._cells = self._progress.add_task(f"[bold]{what}[/]", total=total, note="", whole=True, until=None)

    @contextmanager
    def training(self, name: str, later: int) -> Iterator[Watch]:
        """A training as one of the announced cells, with a bar of its own below them; `later` trainings are to follow.

        The time left of all trainings is told from how fast this one is and how long those before it took.
        """
        task = self._progress.add_task(f"[bold]training {escape(name)}[/]", total=None, note="", whole=False)
        began, since = time.monotonic(), [(0.0, 0.0, time.monotonic())]

        def watch(done: float, total: float, note: str = "") -> None:
            self._progress.update(task, completed=done, total=total, note=note)
            now, (before, whole, first) = time.monotonic(), since[0]
            if total != whole or done < before:  # another stage, such as the crafting of images
                since[0] = (done, total, now)
            elif done > before and self._cells is not None:
                left = (now - first) * (total - done) / (done - before)
                each = (now - began + left + self._trained) / (self._trainings + 1)
                self._until = now + left + later * each
                self._progress.update(self._cells, until=self._until, note="for the trainings")

        yield watch
        self._trainings, self._trained = self._trainings + 1, self._trained + time.monotonic() - began
        self._until = None
        self._progress.remove_task(task)
        if self._cells is not None:
            self._progress.update(self._cells, until=None, note="")
        self.cell_done(f"trained [bold]{escape(name)}[/]")

    def cell_done(self, line: str) -> None:
        """One cell of the sweep ended: say so."""
        if self._cells is not None:
            self._progress.advance(self._cells)
        if not self._quiet:
            left = "" if self._until is None else f"  [dim]{_clock(self._until - time.monotonic())} left[/]"
            self._progress.console.print(f"{line}{left}", highlight=False)

    def cell_ended(self, name: str, failed: bool) -> None:
        """As `cell_done`, of a name that is anybody's."""
        self.cell_done(f"{'[red]failed[/]' if failed else 'done'} [bold]{escape(visible(name))}[/]")

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None:
        what = f"{plan.attack.name} on" if role == "crafting" or plan.source is None else "judging"
        title = f"[bold]{escape(visible(f'{what} {plan.defense.name}'))}[/]"
        task = self._progress.add_task(title, total=total, completed=total - pending, note="shards", whole=True)
        self._plans[plan.digest], self._left[plan.digest] = (task, plan.defense.name), pending

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None:
        key = (digest, shard)
        if key in self._finished or digest not in self._plans:
            return  # a worker's last report may arrive after its result
        if key not in self._shards:
            name = self._plans[digest][1]
            self._shards[key] = self._progress.add_task(
                f"  {escape(visible(name))}, shard {shard}", total=None, note="", whole=False
            )
        self._progress.update(self._shards[key], completed=done, total=total, note=note)

    def finished(self, plan: Plan, shard: int, result: ShardResult | ShardRecord | None) -> None:
        self._finished.add((plan.digest, shard))
        task = self._shards.pop((plan.digest, shard), None)
        if task is not None:
            self._progress.remove_task(task)
        self._one_less(plan.digest, result is not None)
        if result is not None and result.invalid and not self._quiet:
            self._progress.console.print(f"[red bold]invalid[/] {result.invalid}", highlight=False)

    def ahead(self, left: Callable[[], tuple[float | None, int]]) -> None:
        now = time.monotonic()
        if self._quiet or self._cells is None or now - self._asked < SECONDS_BETWEEN_QUESTIONS:
            return
        self._asked = now
        seconds, workers = left()
        self._until = None if seconds is None else now + seconds
        note = "" if seconds is None else f"with {workers} worker{'s' if workers > 1 else ''}"
        self._progress.update(self._cells, until=self._until, note=note)

    def _one_less(self, digest: str, is_stored: bool) -> None:
        """Move the bar of a plan, and take it away with the plan's last shard."""
        if digest not in self._plans:
            return
        task = self._plans[digest][0]
        self._progress.advance(task, 1 if is_stored else 0)
        self._left[digest] -= 1
        if self._left[digest] <= 0 and self._cells is not None:
            self._progress.remove_task(task)
            del self._plans[digest]


def _clock(seconds: float) -> str:
    """Seconds as '1:02:05'; no fewer than none."""
    return str(timedelta(seconds=max(0, round(seconds))))


def _is_seen(console: Console) -> bool:
    """Whether anybody looks at bars there."""
    return console.is_terminal or console.is_jupyter


@contextmanager
def training_progress(console: Console, title: str, quiet: bool = False) -> Iterator[Watch]:
    """A bar for a training run; the note (loss, accuracy) stands beside it."""
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(bar_width=36), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("[dim]{task.fields[note]}")]
    with Progress(*columns, console=console, disable=quiet or not _is_seen(console), transient=True) as progress:
        task = progress.add_task(title, total=None, note="")

        def watch(done: float, total: float, note: str = "") -> None:
            progress.update(task, completed=done, total=total, note=note)

        yield watch
