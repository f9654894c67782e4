"""The samples that fall to most defenses, and those on which the defenses are most divided, with their images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bench.domain.errors import DataError, StoreError
from bench.pages.exhibits import Exhibit, pick
from bench.pages.figures.drawing import Reader, column_names, named_rows, usable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.analysis.boards.leaderboards import Leaderboard
    from bench.analysis.boards.rows import Row
    from bench.domain.outcomes import Outcomes
    from bench.domain.plan import Plan

MOST = 6
"""So many samples of either kind are shown."""
LARGEST, BYTES = 64, 400_000
"""Pixels a side beyond which an image is shown smaller, and letters that all images of a page may take together."""
LOOKED_AT, ROWS = 6, 12
"""For the attack that a sample is shown under, so many of the strongest attacks and first defenses are looked at."""


@dataclass(frozen=True)
class Specimen:
    """A sample under the attack that misleads most defenses with it, as the highest ranked of these meets it; as it is
    they see it rightly.

    `fallen` of `defenses` do not survive the sample, whatever the attack; `victim` sees this image wrongly.
    """

    exhibit: Exhibit
    attack: str
    victim: str
    fallen: int
    defenses: int


@dataclass(frozen=True)
class Room:
    """Specimens of one kind."""

    heading: str
    caption: str
    specimens: tuple[Specimen, ...]


@dataclass(frozen=True)
class Exhibition:
    """The rooms of a board; `reason` says why nothing, or nothing more, can be shown, if so."""

    rooms: tuple[Room, ...]
    reason: str = ""


class Shows(Protocol):
    """What a sample of a plan is shown by: a gallery, or whoever wants to know what a gallery would be asked for."""

    def show(self, plan: Plan, sample: int, predictions: Iterable[tuple[str, Sequence[int]]]) -> Exhibit:
        """The exhibit of a sample, one of the plan's indices that has an outcome."""


class Allowance:
    """What is left of the letters that a page's images may take."""

    def __init__(self, left: int = BYTES) -> None:
        self.refused = False
        self._left = left

    def grants(self, exhibit: Exhibit) -> bool:
        """Whether there is room for it, which is then taken; after the first refusal there is none for any."""
        self._left -= len(exhibit.clean) + len(exhibit.perturbed) + len(exhibit.difference)
        self.refused = self.refused or self._left < 0
        return not self.refused


def exhibition(board: Leaderboard, read: Reader, gallery: Shows, allowance: Allowance) -> Exhibition | None:
    """The hardest and the most disputed samples of the ranked defenses; None where no sample falls to any of them."""
    ranked = [(label, row) for label, row in named_rows(board) if row.survival is not None]
    if not ranked:
        return None
    survival = np.stack([row.survival for _, row in ranked if row.survival is not None])
    if bool((survival >= 1).all()):
        return None
    try:
        rooms = tuple(_rooms(board, ranked, survival, read, gallery))
    except DataError:
        name = board.example.dataset.name
        return Exhibition((), f"the images of {name} are not here and no host is asked; --data-dir names their folder.")
    except StoreError:
        return Exhibition((), "crafted images are missing; the same evaluations with --images make them anew.")
    granted = [
        replace(room, specimens=tuple(one for one in room.specimens if allowance.grants(one.exhibit))) for room in rooms
    ]
    reason = "" if not allowance.refused else "more images would make the page too large."
    return Exhibition(tuple(room for room in granted if room.specimens), reason)


def _rooms(
    board: Leaderboard,
    ranked: Sequence[tuple[str, Row]],
    survival: NDArray[np.float64],
    read: Reader,
    gallery: Shows,
) -> Iterator[Room]:
    plan = next(filter(usable, ranked[0][1].found)).plan
    labels = read(plan).label
    misled = _misled(board, ranked[:ROWS], read)
    share = survival.mean(0)
    # of samples that equally many defenses survive, the harder one misleads them under more of the attacks
    often = sum((counts.mean(0) for counts in misled.values()), np.zeros(len(share))) / max(len(misled), 1)
    kinds = [
        (
            "The hardest samples",
            "Those that fewest of the defenses survive, one of each class before a second of any.",
            share < 1,
            1 - share + often / 1000,
        ),
        (
            "The most disputed samples",
            "Those that split the defenses in halves, one of each class before a second of any.",
            (share > 0) & (share < 1),
            -abs(share - 0.5),
        ),
    ]
    shown: set[int] = set()
    for heading, caption, eligible, scores in kinds[: len(ranked)]:  # a single defense disputes nothing
        places = {plan.indices[at]: at for at in np.flatnonzero(eligible & (often > 0)).tolist()}
        left = [sample for sample in places if sample not in shown]
        at = [places[sample] for sample in left]
        chosen = pick(left, labels[at].tolist(), scores[at].tolist(), MOST)
        shown.update(chosen)
        found = [_specimen(board, ranked, survival, places[sample], misled, read, gallery) for sample in chosen]
        if found:
            yield Room(heading, caption, tuple(found))


def _misled(board: Leaderboard, ranked: Sequence[tuple[str, Row]], read: Reader) -> dict[int, NDArray[np.bool_]]:
    """By column of the strongest attacks, the strongest first: which of the rows (R, N) each sample misleads."""
    rates: dict[int, float] = {}
    counted = board.counted
    for at in (at for at, column in enumerate(board.columns) if column in counted):
        found = [result for _, row in ranked if (result := row.results[at]) is not None and usable(result)]
        if found:
            rates[at] = sum(result.robust_accuracy for result in found) / len(found)
    strongest = sorted(rates, key=lambda at: (rates[at], at))[:LOOKED_AT]
    return {
        at: np.stack([_falls(read(result.plan)) for _, row in ranked if (result := row.results[at]) is not None])
        for at in strongest
    }


def _falls(outcomes: Outcomes) -> NDArray[np.bool_]:
    """Which samples (N,) are right as they are and wrong once they are changed."""
    changed = outcomes.distance > 0
    falls: NDArray[np.bool_] = changed & outcomes.clean_right.all(1) & ~outcomes.robust_right.all(1)
    return falls


def _specimen(
    board: Leaderboard,
    ranked: Sequence[tuple[str, Row]],
    survival: NDArray[np.float64],
    at: int,
    misled: Mapping[int, NDArray[np.bool_]],
    read: Reader,
    gallery: Shows,
) -> Specimen:
    """The sample at this place of the plans, which some attack misleads some defense with."""
    # of attacks that mislead equally many the weakest says most
    counts = {number: int(rows[:, at].sum()) for number, rows in misled.items()}
    column = max(reversed(counts), key=lambda number: counts[number])
    label, row = ranked[int(np.argmax(misled[column][:, at]))]
    result = row.results[column]
    assert result is not None  # who is misled was run
    return Specimen(
        exhibit=gallery.show(result.plan, result.plan.indices[at], [(label, read(result.plan).perturbed[at].tolist())]),
        attack=column_names(board)[column],
        victim=label,
        fallen=int((survival[:, at] < 1).sum()),
        defenses=len(ranked),
    )
