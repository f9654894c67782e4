"""Published figures as reference tables, apart from everything that bench measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from bench.domain.defense import Published
from bench.domain.threat import format_epsilon


@dataclass(frozen=True)
class Reference:
    """What one source publishes for one data set and budget, the most robust model first."""

    source: str
    dataset: str
    norm: str
    epsilon: Fraction | None
    models: tuple[Published, ...]

    @property
    def budget(self) -> str:
        """The exact budget as text; nothing where the norm has none."""
        return "" if self.epsilon is None else format_epsilon(self.epsilon)


def references(models: Iterable[Published], datasets: Iterable[str]) -> tuple[Reference, ...]:
    """The published models of these data sets, one table a source, data set and budget, in the order they came in."""
    wanted, tables = set(datasets), dict[tuple[str, str, str, Fraction | None], list[Published]]()
    for model in models:
        if model.dataset in wanted:
            tables.setdefault((model.source, model.dataset, model.norm, model.epsilon), []).append(model)
    return tuple(
        Reference(*key, tuple(sorted(found, key=lambda model: -model.robust))) for key, found in tables.items()
    )
