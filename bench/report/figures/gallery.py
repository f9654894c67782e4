"""The samples that fall to most defenses, and those on which the defenses are most divided, with their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.errors import DataError, StoreError
from bench.report.exhibits import Exhibit, Gallery, pick
from bench.report.figures.drawing import Reader, columns, named_rows, usable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.report.leaderboards import Leaderboard
    from bench.report.rows import Row

MOST = 6
"""So many samples of either kind are shown."""
LOOKED_AT = 6
"""For the attack that a sample is shown under, so many of the strongest attacks are looked at."""


@dataclass(frozen=True)
class Specimen:
    """A sample under the attack that misleads most defenses with it, as the highest ranked of these meets it.

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
    """The rooms of a board; `reason` says why nothing can be shown, if so."""

    rooms: tuple[Room, ...]
    reason: str = ""


def exhibition(board: Leaderboard, read: Reader, gallery: Gallery) -> Exhibition | None:
    """The hardest and the most disputed samples of the ranked defenses; None where no sample falls to any of them."""
    ranked = [(label, row) for label, row in named_rows(board) if row.survival is not None]
    if not ranked:
        return None
    survival = np.stack([row.survival for _, row in ranked if row.survival is not None])
    if bool((survival >= 1).all()):
        return None
    try:
        return Exhibition(tuple(_rooms(board, ranked, survival, read, gallery)))
    except DataError:
        name = board.example.dataset.name
        return Exhibition((), f"the images of {name} are not at hand; --data-dir names the folder that holds them.")
    except StoreError:
        return Exhibition((), "crafted images are missing beside the store; the same evaluations make them anew.")


def _rooms(
    board: Leaderboard,
    ranked: Sequence[tuple[str, Row]],
    survival: NDArray[np.float64],
    read: Reader,
    gallery: Gallery,
) -> Iterator[Room]:
    plan = ranked[0][1].found[0].plan
    samples, labels = plan.indices, read(plan).label.tolist()
    share = survival.mean(0)
    kinds = [
        ("The hardest samples", "Those that fewest of the defenses survive.", share < 1, 1 - share),
        (
            "The most disputed samples",
            "Those that split the defenses in halves.",
            (share > 0) & (share < 1),
            -abs(share - 0.5),
        ),
    ]
    shown: set[int] = set()
    for heading, caption, eligible, scores in kinds:
        places = [at for at in np.flatnonzero(eligible).tolist() if samples[at] not in shown]
        chosen = pick([samples[at] for at in places], [labels[at] for at in places], scores[places].tolist(), MOST)
        shown.update(chosen)
        specimens = [_specimen(board, ranked, survival, samples.index(sample), read, gallery) for sample in chosen]
        found = tuple(specimen for specimen in specimens if specimen is not None)
        if found and (len(ranked) > 1 or heading == kinds[0][0]):
            yield Room(heading, caption, found)


def _specimen(
    board: Leaderboard,
    ranked: Sequence[tuple[str, Row]],
    survival: NDArray[np.float64],
    at: int,
    read: Reader,
    gallery: Gallery,
) -> Specimen | None:
    """The sample at this place of the plans; None where it falls on the clean image alone, or to a proof."""
    fallen: dict[int, list[tuple[str, Row]]] = {}
    for column in _strongest(board):
        for label, row in ranked:
            result = row.results[column]
            if result is not None and usable(result) and not read(result.plan).robust_right[at].all():
                fallen.setdefault(column, []).append((label, row))
    if not fallen:
        return None
    column = max(fallen, key=lambda number: len(fallen[number]))
    victim, row = fallen[column][0]
    result = row.results[column]
    if result is None:
        return None
    seen = read(result.plan).perturbed[at].tolist()
    return Specimen(
        exhibit=gallery.show(result.plan, result.plan.indices[at], [(victim, seen)]),
        attack=" ".join(filter(None, columns(board)[column])),
        victim=victim,
        fallen=int((survival[:, at] < 1).sum()),
        defenses=len(ranked),
    )


def _strongest(board: Leaderboard) -> list[int]:
    """The columns of the attacks that leave the defenses the least on average, proofs aside."""
    rates: dict[int, float] = {}
    for at in range(len(board.columns)):
        found = [result for row in board.rows if (result := row.results[at]) is not None and usable(result)]
        if found and found[0].plan.knowledge != "certified":
            rates[at] = sum(result.robust_accuracy for result in found) / len(found)
    return sorted(rates, key=lambda at: (rates[at], at))[:LOOKED_AT]
