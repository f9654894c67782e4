"""Attacks ranked on one defense: whose images are nearest, measured against the nearest that any attack found.

After AttackBench (Cina et al. 2024, 2404.19460): the area under an attack's curve of accuracy against epsilon, set
between that of the per-sample best of all attacks in the store (optimality 1) and that of an attack that finds nothing
(0). An attack that was given a budget is measured too: a sample that it misled lies as near as its image, any other is
out of its reach.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.boards.grouping import defense_of
from bench.analysis.boards.plugins import about_attack
from bench.analysis.evidence.assurance import is_adversarial
from bench.analysis.results.entries import Entry, read_entries
from bench.analysis.specs import identity
from bench.domain.threat import NORMS
from bench.stats import CONFIDENCE, holm, paired_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.results.summary import Result
    from bench.domain.plan import Plan, Spec
    from bench.store.store import Store

OWN = "bench"
"""Whose implementation ran, where an attack names no library."""


@dataclass(frozen=True)
class AttackRow:
    """One attack on one defense.

    `distances` (N,) are those of the nearest misclassified images: 0 where the clean one already is, infinite where
    none was found. `optimality` is there only for attacks that look for the nearest image; `reached` is the share of
    the samples that any attack misled within this one's budget which it misled too. `library` says whose
    implementation ran.
    """

    result: Result
    distances: NDArray[np.float64]
    optimality: float | None
    reached: float
    library: str
    rank: int | None = None

    @property
    def attack(self) -> Spec:
        """The attack with its settings."""
        return self.result.plan.attack

    @property
    def median(self) -> float:
        """The median distance over all samples; infinite where fewer than half were misled."""
        return float(np.median(self.distances))

    @property
    def passes(self) -> float:
        """Forward and backward passes a sample."""
        return self.result.forwards + self.result.backwards


@dataclass(frozen=True)
class AttackBoard:
    """All attacks in one norm on one defense and the same samples, the best first.

    `best` (N,) are the distances of the envelope, `farthest` the epsilon at which its last sample falls: there the
    curves end.
    """

    defense: Spec
    example: Plan
    norm: str
    best: NDArray[np.float64]
    farthest: float
    rows: tuple[AttackRow, ...]

    def document(self) -> dict[str, Any]:
        """The board as plain JSON data."""
        return {
            "defense": self.defense.name,
            "dataset": self.example.dataset.name,
            "norm": self.norm,
            "samples": self.example.samples,
            "rows": [
                {
                    "attack": row.attack.name,
                    "settings": dict(row.attack.params),
                    "plan": row.result.plan.digest,
                    "rank": row.rank,
                    "optimality": row.optimality,
                    "reached": row.reached,
                    "median": None if np.isinf(row.median) else row.median,
                    "passes": row.passes,
                    "library": row.library,
                }
                for row in self.rows
            ],
        }


def attack_boards(store: Store, entries: Sequence[Entry] | None = None) -> tuple[AttackBoard, ...]:
    """A board for each defense, set of samples and norm under which a store's entries hold at least two attacks that
    count; certificates, corruptions and transferred images are no attacks on the defense."""
    groups: dict[Hashable, list[Entry]] = {}
    for entry in read_entries(store) if entries is None else entries:
        plan = entry.plan
        attacks = plan.source is None and is_adversarial(plan) and plan.threat.norm not in ("corruption", "flow")
        if attacks and entry.result.counts:
            groups.setdefault(_place(plan), []).append(entry)
    boards = (_board(entries) for entries in groups.values() if len({_name(each) for each in entries}) > 1)
    return tuple(sorted(boards, key=lambda each: (each.defense.name, NORMS.index(each.norm))))


def optimality(distances: NDArray[np.float64], best: NDArray[np.float64], farthest: float) -> float:
    """1 - (area - best area) / (clean accuracy x farthest - best area), for distances (N,) that are 0 where the clean
    image is misclassified; 1 where nothing can be better."""
    area, least = (float(np.minimum(each, farthest).mean()) for each in (distances, best))
    span = float((best > 0).mean()) * farthest - least
    return 1.0 if span <= 0 else 1 - (area - least) / span


def curve(distances: NDArray[np.float64], farthest: float, closed: bool) -> str:
    """The accuracy (20 units high) against epsilon (100 wide) as an SVG path, as an area where it is `closed`."""
    steps = np.linspace(0, farthest, 41)
    heights = [20 * (1 - np.count_nonzero(distances > epsilon) / len(distances)) for epsilon in steps]
    points = " ".join(f"{100 * at / 40:g} {height:.2f}" for at, height in enumerate(heights))
    return f"M0 20L{points} 100 20Z" if closed else f"M{points}"


def distances_of(entry: Entry) -> NDArray[np.float64]:
    """How near (N,) the images lie that an attack found misclassified by most draws."""
    outcomes = entry.outcomes
    if not np.isnan(outcomes.minimal).any():
        found = outcomes.minimal
    else:
        found = np.where(outcomes.robust_rate < 0.5, outcomes.distance, np.inf)
    return np.where(outcomes.clean_rate > 0.5, found, 0.0)


def _board(entries: Sequence[Entry]) -> AttackBoard:
    known = [(entry, distances_of(entry)) for entry in entries]
    best = np.minimum.reduce([distances for _, distances in known])
    reachable = best[np.isfinite(best)]
    farthest = float(reachable.max()) if len(reachable) else 0.0
    rows = [_row(entry, distances, best, farthest) for entry, distances in known]
    plan = entries[0].result.plan
    return AttackBoard(plan.defense, plan, plan.threat.norm, best, farthest, tuple(_ranked(rows, farthest)))


def _row(entry: Entry, distances: NDArray[np.float64], best: NDArray[np.float64], farthest: float) -> AttackRow:
    seeks = not np.isnan(entry.outcomes.minimal).any()
    radius = entry.plan.threat.radius * (1 + 1e-6)
    within = (best <= radius) & (best > 0)
    reached = float((distances[within] <= radius).mean()) if within.any() else 1.0
    found = optimality(distances, best, farthest) if seeks else None
    return AttackRow(entry.result, distances, found, reached, _library(entry.plan.attack))


def _ranked(rows: Iterable[AttackRow], farthest: float) -> list[AttackRow]:
    """Those that look for the nearest image by optimality, then the others by what they reached.

    A rank is 1 more than the number of attacks that are shown to be better (their areas differ beyond chance, over
    paired samples, by Holm over all pairs); attacks that the samples cannot tell apart share one, and those of a fixed
    budget have none.
    """
    ordered = sorted(rows, key=lambda row: (row.optimality is None, -(row.optimality or row.reached), row.attack.name))
    seeking = [row for row in ordered if row.optimality is not None]
    pairs = list(itertools.combinations(range(len(seeking)), 2))
    areas = [np.minimum(row.distances, farthest) for row in seeking]
    shown = holm([paired_mean(areas[b] - areas[a]) for a, b in pairs])
    beaten = [b for (_, b), p in zip(pairs, shown, strict=True) if p < 1 - CONFIDENCE]
    ranks = itertools.accumulate((1 + beaten.count(place) for place in range(len(seeking))), max)
    ranked = [replace(row, rank=rank) for row, rank in zip(seeking, ranks, strict=True)]
    return [*ranked, *(row for row in ordered if row.optimality is None)]


def _place(plan: Plan) -> Hashable:
    shared = (plan.samples, plan.sample_seed, plan.sampling, plan.fixed_noise)
    return (*defense_of(plan), identity(plan.dataset), plan.images, plan.threat.norm, *shared)


def _name(entry: Entry) -> str:
    return identity(entry.plan.attack)


def _library(attack: Spec) -> str:
    """The library whose implementation ran, with its version where the attack's own says it."""
    _, _, member = attack.name.partition(":")
    _, plus, found = attack.version.partition("+")
    if member and plus:
        return found.partition("+")[0].replace("-", " ")
    return about_attack(attack.name).library or OWN
