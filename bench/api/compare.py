"""`bench.compare`: defenses side by side on the same samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.analysis.comparisons.comparison import Comparison
from bench.analysis.comparisons.comparison import compare as compared
from bench.analysis.comparisons.contrasts import Contrast
from bench.analysis.notation import likelihood, percent, signed
from bench.api.checked import of_type
from bench.api.opening import warn_skipped
from bench.api.result import Result
from bench.api.tables import table
from bench.api.work import DATABASE
from bench.protocols import find_protocol
from bench.store.store import Store


class Compared:
    """Comparisons, one for each choice of samples that the defenses share."""

    def __init__(self, found: Sequence[Comparison], page: Path | None) -> None:
        self.comparisons, self.page = tuple(found), page

    def verdicts(self) -> Iterator[str]:
        """What each test says, as a sentence."""
        for comparison in self.comparisons:
            for duel in comparison.duels:
                for contrast in duel.contrasts:
                    yield f"{contrast.label}: {duel.verdict(contrast)}"

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON data, as `bench compare --json` has it."""
        return {"comparisons": [each.document() for each in self.comparisons], "page": self.page and str(self.page)}

    def __repr__(self) -> str:
        return "\n".join(self.verdicts()) or "They share no finished and valid result here."

    def _repr_html_(self) -> str:
        """A table a pair: both accuracies, their difference and the test. Whatever comes from plugins is escaped."""
        heads = ("", "A %", "B %", "A \N{MINUS SIGN} B", "p (Holm)", "")
        parts = []
        for duel in (duel for comparison in self.comparisons for duel in comparison.duels):
            pair = f"A <b>{escape(duel.first.label)}</b> against B <b>{escape(duel.second.label)}</b>"
            rows = (_cells(contrast, duel.verdict(contrast)) for contrast in duel.contrasts)
            parts.append(f"<p>{pair}</p>{table(rows, heads)}")
        return f"<div>{''.join(parts) or '<p>They share no finished and valid result here.</p>'}</div>"


def _cells(contrast: Contrast, verdict: str) -> tuple[str, ...]:
    low, high = signed(contrast.interval.low), signed(contrast.interval.high)
    return (
        escape(contrast.label),
        percent(contrast.first.rate),
        percent(contrast.second.rate),
        f"{signed(contrast.difference)} [{low}, {high}]",
        likelihood(contrast.adjusted),
        escape(verdict),
    )


def compare(
    *references: Result | str,
    protocols: Sequence[str] | None = None,
    attacks: Sequence[str] = (),
    output: str | Path | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    db: str | Path = DATABASE,
    artifacts: str | Path | None = None,
) -> Compared:
    """Compare results, or defenses by name, on the samples that they share: what only one of them gets right, and
    whether that is more than chance. `output` is a page to write as well. Raises `UsageError` for fewer than two."""
    store = Store(db, create=False, artifacts=artifacts)
    folder, page = (None if each is None else Path(each) for each in (data_dir, output))
    found = compared_in(store, references, protocols, attacks, page, seed, folder)
    warn_skipped(store)
    return found


def compared_in(
    store: Store,
    references: Sequence[Result | str],
    protocols: Sequence[str] | None = None,
    attacks: Sequence[str] = (),
    page: Path | None = None,
    seed: int = 0,
    data_dir: Path | None = None,
) -> Compared:
    """As `compare`, in a store that is open."""
    for each in references:
        of_type("What is compared", each, Result, str)
    named = [each.plan.digest if isinstance(each, Result) else each for each in references]
    chosen = None if protocols is None else [find_protocol(name) for name in protocols]
    found = compared(store, named, protocols=chosen, attacks=attacks, seed=seed)
    if page is not None:
        from bench.pages.comparison_page import render
        from bench.pages.exhibits import Gallery

        render(found, Gallery(store, data_dir), page)
    return Compared(found, page)
