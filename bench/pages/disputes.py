"""The samples that one of two defenses keeps and the other loses, with their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.comparisons.comparison import robust_shares
from bench.analysis.specs import identity
from bench.pages.exhibits import Exhibit, Gallery, pick

if TYPE_CHECKING:
    from bench.analysis.comparisons.comparison import Comparison, Duel
    from bench.analysis.comparisons.contrasts import Contrast
    from bench.analysis.comparisons.pairing import Side

MOST_A_SIDE = 4
MOST_A_COMPARISON = 96


@dataclass(frozen=True)
class Dispute:
    """The `count` samples that break `loser` under an attack and not `keeper`, and some of them to look at.

    A specimen is what both saw where they saw the same image, else one exhibit of what either saw, the loser's first.
    """

    keeper: str
    loser: str
    count: int
    specimens: tuple[tuple[Exhibit, ...], ...]


def a_side(comparison: Comparison) -> int:
    """How many samples to show of each dispute, so that a page of many pairs stays small; 0 for none."""
    attacks = sum(contrast.kind == "attack" for duel in comparison.duels for contrast in duel.contrasts)
    return min(MOST_A_SIDE, MOST_A_COMPARISON // max(1, 2 * attacks))


def disputes(duel: Duel, contrast: Contrast, gallery: Gallery, most: int) -> tuple[Dispute, ...]:
    """What either side loses alone under an attack, with up to `most` samples each; raises what the gallery raises."""
    sides = ((duel.first, duel.second, contrast.only_first), (duel.second, duel.first, contrast.only_second))
    return tuple(
        _dispute(keeper, loser, contrast, samples, gallery, most) for keeper, loser, samples in sides if samples
    )


def _dispute(
    keeper: Side, loser: Side, contrast: Contrast, samples: Sequence[int], gallery: Gallery, most: int
) -> Dispute:
    column = identity(contrast.column)
    kept, lost = keeper.runs[column], loser.runs[column]
    rows = np.flatnonzero(np.isin(kept[0].outcomes.index, samples))
    gaps = robust_shares(kept)[rows].mean(1) - robust_shares(lost)[rows].mean(1)
    numbers, labels = (getattr(kept[0].outcomes, name)[rows].tolist() for name in ("index", "label"))
    places = dict(zip(numbers, rows.tolist(), strict=True))
    chosen = pick(numbers, labels, gaps.tolist(), most)
    specimens = tuple(_specimen(keeper, loser, column, places[sample], gallery) for sample in chosen)
    return Dispute(keeper.label, loser.label, len(samples), specimens)


def _specimen(keeper: Side, loser: Side, column: str, row: int, gallery: Gallery) -> tuple[Exhibit, ...]:
    """One sample, under the seed with which the loser fares worst, and the keeper's same seed where it has that."""
    lost = min(loser.runs[column], key=lambda entry: float(entry.outcomes.robust_right[row].mean()))
    seed = lost.plan.seed
    kept = next((entry for entry in keeper.runs[column] if entry.plan.seed == seed), keeper.runs[column][0])
    sample = int(lost.outcomes.index[row])
    seen = [(side.label, entry.outcomes.perturbed[row].tolist()) for side, entry in ((loser, lost), (keeper, kept))]
    plans = [entry.plan for entry in (lost, kept)]
    images = [gallery.perturbed(plan, sample) for plan in plans]
    if np.array_equal(images[0], images[1]):
        return (gallery.show(plans[0], sample, seen),)
    return tuple(gallery.show(plan, sample, [who]) for plan, who in zip(plans, seen, strict=True))
