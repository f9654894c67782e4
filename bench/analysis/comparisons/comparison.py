"""From paired outcomes to numbers: what only one of two defenses gets right, and whether that is more than chance."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.comparisons.contrasts import Contrast, contrast
from bench.analysis.comparisons.pairing import Match, Side, matches
from bench.analysis.results.entries import Entry
from bench.analysis.specs import Column, identity
from bench.stats import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.evidence.assurance import Assurance
    from bench.protocols import Protocol
    from bench.store.store import Store


@dataclass(frozen=True)
class Duel:
    """Two sides under every measure that both have; `left_out` says which attacks are missing and why."""

    first: Side
    second: Side
    contrasts: tuple[Contrast, ...]
    left_out: tuple[str, ...]

    @property
    def unequal(self) -> dict[tuple[str | None, str | None], tuple[str, ...]]:
        """By the assurance of the first and of the second side where these differ: the attacks of which that is so."""
        pairs = [(each.label, (_text(each.evidence[0]), _text(each.evidence[1]))) for each in self.contrasts]
        kinds = dict.fromkeys(kind for _, kind in pairs if kind[0] != kind[1])
        return {kind: tuple(label for label, found in pairs if found == kind) for kind in kinds}

    def verdict(self, contrast: Contrast) -> str:
        """What one of the contrasts shows, in words."""
        if contrast.better:
            winner = self.first if contrast.better > 0 else self.second
            low, high = sorted(abs(end) for end in (contrast.interval.low, contrast.interval.high))
            points = f"{100 * abs(contrast.difference):.1f} points [{100 * low:.1f}, {100 * high:.1f}]"
            return f"{winner.label} is better by {points}"
        least = contrast.detectable
        power = f"would show {100 * least:.1f} points" if least is not None else "can show no difference"
        return f"cannot be told apart; n={contrast.n} {power}"

    def document(self) -> dict[str, Any]:
        """The duel as plain JSON data."""
        return {
            "first": self.first.label,
            "second": self.second.label,
            "left_out": list(self.left_out),
            "evidence": [
                {"attacks": list(labels), "first": kind[0], "second": kind[1]} for kind, labels in self.unequal.items()
            ],
            "contrasts": [{**each.document(), "verdict": self.verdict(each)} for each in self.contrasts],
        }


@dataclass(frozen=True)
class Comparison:
    """Every pair of a match under every measure; `tests` p-values were corrected together, `seed` the bootstrap's."""

    match: Match
    duels: tuple[Duel, ...]
    tests: int
    seed: int

    def document(self) -> dict[str, Any]:
        """The comparison as plain JSON data."""
        board, plan = self.match.board, self.match.example
        return {
            "protocol": board.protocol.name if board and board.protocol else None,
            "dataset": plan.dataset.name,
            "images": plan.images,
            "samples": plan.samples,
            "tests": self.tests,
            "bootstrap_seed": self.seed,
            "defenses": [{"label": side.label, "name": side.defense.name} for side in self.match.sides],
            "pairs": [duel.document() for duel in self.duels],
        }


def compare(
    store: Store,
    references: Sequence[str],
    *,
    protocols: Iterable[Protocol] | None = None,
    attacks: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """One comparison for every place at which the references can be compared (see `pairing.matches`)."""
    return tuple(contrasted(match, seed) for match in matches(store, references, protocols, attacks))


def contrasted(match: Match, seed: int = 0) -> Comparison:
    """The numbers of a match."""
    duels = [_duel(match, first, second, seed) for first, second in itertools.combinations(match.sides, 2)]
    adjusted = holm([contrast.p for duel in duels for contrast in duel.contrasts])
    remaining = iter(adjusted)
    corrected = tuple(
        replace(
            duel,
            contrasts=tuple(
                replace(contrast, adjusted=next(remaining), tests=len(adjusted)) for contrast in duel.contrasts
            ),
        )
        for duel in duels
    )
    return Comparison(match, corrected, len(adjusted), seed)


def _text(assurance: Assurance | None) -> str | None:
    return None if assurance is None else assurance.text


def _duel(match: Match, first: Side, second: Side, seed: int) -> Duel:
    labelled = list(zip(match.labels, match.columns, strict=True))
    shared = [(label, column) for label, column in labelled if all(identity(column) in s.runs for s in (first, second))]
    left_out = tuple(
        f"{label}: {side.label} {side.gaps[identity(column)]}"
        for label, column in labelled
        for side, other in ((first, second), (second, first))
        if identity(column) in side.gaps and not (side.missed(column) and other.missed(column))
    )
    if not shared:
        return Duel(first, second, (), left_out)
    columns = [column for _, column in shared]
    indices = first.runs[identity(columns[0])][0].outcomes.index
    clean = (_clean(first, columns), _clean(second, columns))
    contrasts = [contrast("clean", "clean", indices, clean, seed=seed)]
    for label, column in shared:
        runs = (first.runs[identity(column)], second.runs[identity(column)])
        shares = (robust_shares(runs[0]), robust_shares(runs[1]))
        evidence = (runs[0][0].result.assurance, runs[1][0].result.assurance)
        contrasts.append(contrast("attack", label, indices, shares, column=column, evidence=evidence, seed=seed))
    if len(columns) > 1:
        worst = (_worst(first, columns), _worst(second, columns))
        contrasts.append(contrast("worst case", "worst case", indices, worst, seed=seed))
    return Duel(first, second, tuple(contrasts), left_out)


def _clean(side: Side, columns: Sequence[Column]) -> NDArray[np.float64]:
    """Shares (N, seeds) of right draws on the clean images, of the column with most seeds: all columns agree."""
    runs = max((side.runs[identity(column)] for column in columns), key=len)
    return np.stack([entry.outcomes.clean_rate for entry in runs], 1)


def robust_shares(entries: Iterable[Entry]) -> NDArray[np.float64]:
    """Shares (N, seeds) of right draws on the perturbed images, one entry a seed."""
    return np.stack([entry.outcomes.robust_rate for entry in entries], 1)


def _worst(side: Side, columns: Sequence[Column]) -> NDArray[np.float64]:
    """The lowest share (N, seeds) over the clean image and the columns, seed by seed, of the seeds that all have."""
    runs = [{entry.plan.seed: entry.outcomes.lowest for entry in side.runs[identity(c)]} for c in columns]
    seeds = sorted(set.intersection(*(set(found) for found in runs)))
    return np.stack([np.minimum.reduce([found[seed] for found in runs]) for seed in seeds], 1)
