"""What a call found, as a notebook shows it."""

from __future__ import annotations

from html import escape
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from bench.analysis.notation import budget, percent, span
from bench.analysis.results import summary
from bench.api.tables import table
from bench.domain.errors import BenchError
from bench.evaluation.running.run import Evaluation
from bench.stats import Interval
from bench.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas

WIDTH, HEIGHT = 360, 18
"""Of the picture of an accuracy, in pixels."""


def _found(path: str, told: str) -> Any:
    """A property that reads a figure of the stored result, and how people are told what it is."""
    return property(attrgetter(f"_found.{path}"), doc=told)


class Result:
    """The figures of one defense under one attack, and the samples behind them.

    `failures` are sentences about shards that have no result; the same call tries them again. Raises the first of them
    where nothing is stored.
    """

    def __init__(self, evaluation: Evaluation, store: Store, names: tuple[str, str] | None = None) -> None:
        self.plan = evaluation.plan
        self.failures = tuple(failure.sentence for failure in evaluation.failures)
        self.defense, self.attack = names or (self.plan.defense.name, self.plan.attack.name)
        if not store.shards(self.plan):
            raise BenchError(next(iter(self.failures), f"No shard of plan {self.plan.digest[:12]} is finished."))
        self._store, self._found = store, summary.read(store, self.plan)

    n: int = _found("n", "Samples judged.")
    complete: bool = _found("complete", "Whether every sample was judged.")
    valid: bool = _found("counts", "Whether it counts: complete, every image within the budget, nothing in dispute.")
    clean_accuracy: float = _found("clean_accuracy", "Share of untouched images that are classified correctly.")
    clean_interval: Interval = _found("clean_interval", "The 95 % interval of `clean_accuracy`.")
    robust_accuracy: float = _found("robust_accuracy", "Share of perturbed images that are classified correctly.")
    interval: Interval = _found("interval", "The 95 % interval of `robust_accuracy`.")
    tags: tuple[str, ...] = _found("labels.tags", "What its plan is tagged.")
    notes: tuple[str, ...] = _found("labels.notes", "What is noted on its plan.")
    assurance: str = _found("assurance.text", "How strong the evidence is: 'white-box', 'transfer from resnet', ...")

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is doubtful about it, in sentences; why it is invalid before all."""
        return (*self._found.invalid, *self._found.doubts)

    @property
    def state(self) -> str:
        """The assurance of one that is valid; of another why it is not."""
        return self.assurance if self.valid else "; ".join(self._found.invalid) or "incomplete"

    @property
    def outcomes(self) -> pandas.DataFrame:
        """A row a sample; needs pandas."""
        from bench.api.notebook import frame_of

        return frame_of(self._store, self.plan)

    def document(self) -> dict[str, Any]:
        """The result as plain JSON data, as `bench evaluate --json` has it."""
        return {**self._found.document(), "failures": list(self.failures)}

    def __repr__(self) -> str:
        low, high = 100 * self.interval.low, 100 * self.interval.high
        state = "" if self.valid else "invalid, " if self._found.invalid else "incomplete, "
        return (
            f"Result({self.defense!r} under {self.attack!r}: {state}robust {self.robust_accuracy:.2%} "
            f"[{low:.1f}, {high:.1f}], clean {self.clean_accuracy:.2%}, n {self.n}, {self.assurance})"
        )

    def _repr_html_(self) -> str:
        """The number as a picture, with what is to be known of it. Whatever comes from plugins is escaped."""
        head = f"<b>{escape(self.defense)}</b> under {escape(self.attack)}, {escape(budget(self.plan.threat))}"
        rows = (
            (name, f"<b>{percent(rate)} %</b> {span(ends)}", _picture(rate, ends))
            for name, rate, ends in (
                ("untouched", self.clean_accuracy, self.clean_interval),
                ("perturbed", self.robust_accuracy, self.interval),
            )
        )
        notes = "".join(f"<li>{escape(each)}</li>" for each in (*self.doubts, *self.failures))
        said = f"<p>{self.n} samples of {escape(self.plan.dataset.name)}; {escape(self.assurance)}</p>"
        return f"<div><p>{head}</p>{table(rows)}{said}<ul>{notes}</ul></div>"


class Results:
    """Several results, in the order in which they were asked for; `problems` says why others are missing."""

    def __init__(self, found: Sequence[Result], problems: Sequence[str] = ()) -> None:
        self._found, self.problems = tuple(found), tuple(problems)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._found)

    def __getitem__(self, place: int) -> Result:
        return self._found[place]

    @property
    def frame(self) -> pandas.DataFrame:
        """A row a result; needs pandas."""
        from bench.api.notebook import needs_pandas

        pandas = needs_pandas()
        return pandas.DataFrame(
            {
                "defense": each.defense,
                "attack": each.attack,
                "clean": each.clean_accuracy,
                "robust": each.robust_accuracy,
                "low": each.interval.low,
                "high": each.interval.high,
                "n": each.n,
                "valid": each.valid,
                "assurance": each.assurance,
                "plan": each.plan.digest,
            }
            for each in self
        )

    def __repr__(self) -> str:
        return "\n".join([*map(repr, self), *(f"Failed: {each}" for each in self.problems)]) or "Results()"

    def _repr_html_(self) -> str:
        """A row a result, with its picture."""
        rows = (
            (
                *(f"<b>{escape(each.defense)}</b>", escape(each.attack), percent(each.clean_accuracy)),
                f"<b>{percent(each.robust_accuracy)}</b> {span(each.interval)}",
                *(_picture(each.robust_accuracy, each.interval), escape(each.state)),
            )
            for each in self
        )
        failed = "".join(f"<li>{escape(each)}</li>" for each in self.problems)
        return f"<div>{table(rows, ('defense', 'attack', 'clean %', 'robust %', '', ''))}<ul>{failed}</ul></div>"


def _picture(rate: float, interval: Interval) -> str:
    """A bar from 0 to 100 % with the interval on it."""
    low, high, at = (WIDTH * each for each in (interval.low, interval.high, rate))
    middle = HEIGHT / 2
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{percent(rate)} %">'
        f'<rect x="0" y="{middle - 5}" width="{WIDTH}" height="10" fill="#8884"/>'
        f'<rect x="0" y="{middle - 5}" width="{at:.1f}" height="10" fill="#3b6fb6"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="#e8912d" stroke-width="3"/></svg>'
    )
