"""The store as people use it from Python and notebooks: its results as pandas frames, and a look at what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, final

from bench.analysis.boards.choice import choose_boards, distinct
from bench.analysis.boards.leaderboards import Leaderboard
from bench.analysis.boards.tables import tabulate, title
from bench.analysis.notation import budget, percent, span
from bench.analysis.results.summary import Result, read
from bench.api.opening import warn_skipped
from bench.api.tables import table
from bench.domain.errors import UsageError
from bench.domain.plan import Plan
from bench.pages.export.columns import RESULT_COLUMNS, board_columns, result_row
from bench.store.others.lend import lend
from bench.store.others.merge import merge
from bench.store.others.merged import Merged
from bench.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas

SHOWN = 20
"""Plans that a notebook shows of a store: the newest."""
NAMED = ("defense", "setting")
"""The columns that name a row."""
HEADINGS = ("data set", "defense", "attack", "budget", "images from", "n", "clean %", "robust %", "evidence", "plan")


@final
class NotebookStore(Store):
    """The results, `bench.Store`: `Store("results.db")`, or a PostgreSQL URL. Frames need pandas:
    `defense-bench[notebook]`.

    It adds reading to the store that the harness writes, and overrides nothing of it. A wrapper would have to repeat
    every method, and could not be handed to what takes a store; the store itself must not know the report.
    """

    def leaderboard(self, protocol: str | None = None, dataset: str | None = None) -> pandas.DataFrame:
        """The leaderboard of a protocol (a name or a .toml file) and a data set.

        `leaderboards` says what its columns are. Raises `UsageError` where there is none, or several.
        """
        boards = choose_boards(self, protocol, dataset)
        warn_skipped(self)
        if len(boards) == 1:
            return _frame(boards[0])
        names = "; ".join(distinct(map(title, boards), " "))
        raise UsageError(
            f"{len(boards)} leaderboards fit; name a protocol and a data set, or take one of leaderboards(): {names}."
        )

    def leaderboards(self) -> dict[str, pandas.DataFrame]:
        """All leaderboards by name, each a frame with a row a defense, in their order.

        Shares are in [0, 1]. 'clean', 'worst case' and each attack have 'low' and 'high' columns with the ends of their
        95 % intervals, and are NaN where nothing valid was measured; 'remarks' says what keeps a row from a rank, or
        in doubt. `frame.attrs["caption"]` says what the figures are of.
        """
        boards = choose_boards(self)
        warn_skipped(self)
        return {name: _frame(board) for name, board in zip(distinct(map(title, boards), " "), boards, strict=True)}

    def results(self) -> pandas.DataFrame:
        """A row a plan: what it fixes, its accuracies with the ends of their intervals, its evidence, its cost."""
        pandas = needs_pandas()
        rows = [result_row(read(self, plan)) for plan in self.plans()]
        warn_skipped(self)
        frame = pandas.DataFrame(rows, columns=list(RESULT_COLUMNS))
        numbers = {name: kind for name, kind in RESULT_COLUMNS.items() if kind is not str}
        return frame.astype(numbers).assign(finished=pandas.to_datetime(frame["finished"]))

    def outcomes_frame(self, plan: Plan | str) -> pandas.DataFrame:
        """A row a sample of a plan, or of the one whose digest begins so; several draws are columns 'clean 1', ..."""
        return frame_of(self, self.find(plan) if isinstance(plan, str) else plan)

    def merge(self, other: str, *, claimed: bool = False, data_dir: Path | None = None) -> Merged:
        """Judge again what another store's file holds, and copy what this one lacks; see `bench merge`.

        `claimed` takes what cannot be checked as well, marked so; `data_dir` is where data sets lie.
        """
        from bench.evaluation.rejudge import Rejudge

        with lend(other) as lent:
            return merge(self, lent, Rejudge(data_dir), claimed=claimed)

    def _repr_html_(self) -> str:
        """The newest plans as a table. Whatever comes from the store is escaped."""
        plans = self.plans()
        shown = [read(self, plan) for plan in reversed(plans[-SHOWN:])]
        rest = f", of which these are the newest {SHOWN}" if len(plans) > SHOWN else ""
        text = f"{len(plans)} plan{'' if len(plans) == 1 else 's'}{rest}" if plans else "no results yet"
        rows = table((map(escape, _cells(found)) for found in shown), HEADINGS) if plans else ""
        left_out = "".join(f"<p>Left out: {escape(sentence)}</p>" for sentence in self.skipped.values())
        return f"<div><p><b>{escape(self.location)}</b>: {text}</p>{rows}{left_out}</div>"


def frame_of(store: Store, plan: Plan) -> pandas.DataFrame:
    """A row a sample of a plan, as `NotebookStore.outcomes_frame`."""
    pandas = needs_pandas()
    outcomes = store.table(plan)
    draws = {"clean": outcomes.clean, "perturbed": outcomes.perturbed}
    return pandas.DataFrame(
        {
            "sample": outcomes.index,
            "label": outcomes.label,
            **{name: column for kind, drawn in draws.items() for name, column in _named(kind, drawn).items()},
            "distance": outcomes.distance,
            "radius": outcomes.radius,
            "minimal": outcomes.minimal,
            "broken_at": pandas.array(outcomes.broken_at, dtype="Int64"),
            "fell_to": outcomes.fell_to,
        }
    )


def needs_pandas() -> Any:
    """pandas; `UsageError` where it is not installed."""
    try:
        import pandas
    except ImportError:
        raise UsageError("Frames need pandas, which is not installed; pip install 'defense-bench[notebook]'.") from None
    return pandas


def _frame(board: Leaderboard) -> pandas.DataFrame:
    pandas = needs_pandas()
    table = tabulate(board)
    figures = [head.key for head in table.headings if head.kind == "figure"]
    columns = board_columns(table)
    names = [f"{name} ({setting})" if setting else name for name, setting in zip(*map(columns.get, NAMED), strict=True)]
    aside = {*NAMED, *(f"{figure} {part}" for figure in figures for part in ("n", "state"))}
    measured = {f"{figure}{part}" for figure in figures for part in ("", " low", " high")}
    frame = pandas.DataFrame(
        {
            _heading(name): pandas.Series(values, dtype=float if name in measured else None)
            for name, values in columns.items()
            if name not in aside
        }
    )
    frame["rank"] = frame["rank"].astype("Int64")
    frame["remarks"] = ["; ".join((*row.gaps, *map(str, row.notes))) for row in board.rows]
    frame.index = pandas.Index(names, name="defense")
    frame.attrs["caption"] = table.caption
    return frame


def _heading(name: str) -> str:
    return f"worst case{name.removeprefix('worst')}" if name in ("worst", "worst low", "worst high") else name


def _named(kind: str, drawn: Any) -> Mapping[str, Any]:
    if drawn.shape[1] == 1:
        return {kind: drawn[:, 0]}
    return {f"{kind} {number + 1}": drawn[:, number] for number in range(drawn.shape[1])}


def _cells(result: Result) -> Sequence[str]:
    plan = result.plan
    return (
        *(plan.dataset.name, plan.defense.name, plan.attack.name, budget(plan.threat)),
        plan.source.name if plan.source else "itself",
        str(result.n) if result.complete else f"{result.n} of {plan.samples}",
        f"{percent(result.clean_accuracy)} ({span(result.clean_interval)})",
        "invalid" if result.invalid else f"{percent(result.robust_accuracy)} ({span(result.interval)})",
        result.assurance.text,
        plan.digest[:12],
    )
