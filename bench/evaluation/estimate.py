"""From a few timed passes and a tried attack to what shards take: arithmetic, and nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.evaluation.controls import ROWS
from bench.evaluation.crafting import AUDITS
from bench.evaluation.judging import TOGETHER, portions
from bench.evaluation.trial import Pace, Points, Tried

if TYPE_CHECKING:
    from bench.evaluation.precedent import Precedent


@dataclass(frozen=True)
class Line:
    """Seconds of a batch: what every call takes, and what each image takes."""

    call: float
    image: float

    @classmethod
    def through(cls, points: Points) -> Line:
        """The line through the smallest and the largest batch, nowhere below 0; no time at all without any."""
        if not points:
            return cls(0.0, 0.0)
        (few, first), (many, last) = min(points), max(points)
        image = max(0.0, (last - first) / (many - few)) if many > few else 0.0
        call = first - image * few
        return cls(call, image) if many > few and call >= 0 else cls(0.0, last / many)

    def __call__(self, images: float, calls: float = 1) -> float:
        """Seconds of so many calls about so many images in all."""
        return calls * self.call + images * self.image


@dataclass(frozen=True)
class Demand:
    """What an attack asks: passes a sample, calls a shard, and how much longer these take with the attack's own work.

    `alone` are the seconds a sample of one that asks nothing. `closest`: its nearest images are judged too; `audits` of
    its queries may be put to a judge again. `basis` says how this is known; `at_least`: the attack
    was not seen to its end.
    """

    forwards: float
    backwards: float
    calls: float
    gradients: float
    basis: str
    slowness: float = 1.0
    alone: float = 0.0
    closest: bool = False
    audits: int = AUDITS
    at_least: bool = False

    @classmethod
    def tried(cls, found: Tried, pace: Pace, most: int | None = None) -> Demand:
        """What an attack that was tried asks of a whole shard; one that was stopped as much more as its `share` says,
        and never more than the `most` passes a sample that are allowed."""
        scale = 1 / found.share if found.share > 0 else 1.0
        asked = found.forwards + found.backwards
        if most is not None and asked:
            scale = min(scale, max(1.0, most * found.samples / asked))
        forward, backward = Line.through(pace.forward), Line.through(pace.backward)
        expected = forward(found.forwards, found.queries) + backward(found.backwards, found.gradients)
        is_proof = found.flop is not None
        asks = expected > 0 and not is_proof
        stopped = f"stopped after {found.share:.0%} of a run on".replace("%", " %") if found.share < 1 else "tried on"
        return cls(
            forwards=scale * found.forwards / found.samples,
            backwards=scale * found.backwards / found.samples,
            calls=scale * found.queries,
            gradients=scale * found.gradients,
            basis=f"{stopped} {found.samples} samples",
            slowness=found.seconds / expected if asks else 1.0,
            alone=0.0 if asks else scale * found.seconds / found.samples,
            closest=found.closest,
            audits=found.audits,
            at_least=found.share < 1,
        )

    @classmethod
    def known(cls, found: Precedent) -> Demand:
        """What the store says of such plans; each of their queries is taken for one about a whole shard."""
        return cls(found.forwards, found.backwards, found.forwards, found.backwards, told(found))

    def seconds(self, pace: Pace, samples: int) -> float:
        """Seconds of crafting a shard of so many samples."""
        if self.alone:
            return self.alone * samples
        forward, backward = Line.through(pace.forward), Line.through(pace.backward)
        passes = forward(self.forwards * samples, self.calls) + backward(self.backwards * samples, self.gradients)
        return self.slowness * passes


def told(found: Precedent) -> str:
    """How the store's word is quoted."""
    return f"measured on {found.samples:,} samples in the store"


def judging(pace: Pace, samples: int, draws: int, times: int, whole: bool, rows: int) -> float:
    """Seconds of judging a shard's images `times` (the perturbed, the nearest, the untouched ones) under some `draws`
    of noise, in portions or as one `whole`, and of asking again about `rows`."""
    forward = Line.through(pace.forward)
    sizes = [samples] if whole else [end - start for start, end in portions(samples)]
    asked = draws_of(pace, draws) * sum(map(forward, sizes))
    again = sum(forward(size) for size in _groups(min(rows, samples))) if not whole else forward(samples)
    return times * (asked + again)


def checking(pace: Pace, samples: int, demand: Demand) -> float:
    """Seconds of what the harness asks after an attack: controls on a few rows, the proposal's logits, and some of the
    attack's queries once more, those with a gradient with one as well."""
    if not demand.calls:
        return 0.0
    forward, backward = Line.through(pace.forward), Line.through(pace.backward)
    few = min(ROWS, samples)
    controls = 6 * forward(few) + backward(few) if demand.gradients else 4 * forward(few)
    answers = forward(samples) if pace.deterministic else 2 * forward(samples)
    put = min(demand.audits, max(1, int(demand.calls // 10)))
    each = 2 * forward(samples) + backward(samples) if demand.gradients else forward(samples)
    return controls + answers + put * each


def draws_of(pace: Pace, draws: int) -> int:
    """How often a judge is asked: a deterministic classifier once."""
    return 1 if pace.deterministic else draws


def makespan(shards: Iterable[float], workers: int) -> float:
    """Seconds until the last of some shards is finished, each begun by the first worker that is free."""
    free = [0.0] * workers
    for seconds in shards:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


@dataclass(frozen=True)
class Estimate:
    """What the missing shards of a plan take.

    Passes are a sample: the attack's, and the judge's (`judged`). `seconds` are those of one worker, a shard each;
    `loading` are those in which the processes begin and load. `flop` is of all of it, and no more than a lower bound:
    it counts matrix products, convolutions and attention of a small batch. `peak_memory` is in bytes.
    """

    samples: int
    forwards: float
    backwards: float
    judged: float
    flop: float
    peak_memory: int
    seconds: Sequence[float]
    loading: float
    basis: str
    at_least: bool = False

    @property
    def seconds_a_pass(self) -> float:
        """Seconds that a pass takes with everything that goes with it."""
        passes = self.samples * (self.forwards + self.backwards + self.judged)
        return sum(self.seconds) / passes if passes else 0.0

    def lasts(self, workers: int) -> float:
        """Seconds until all of it is done with so many workers."""
        return makespan(self.seconds, workers) + self.loading


def _groups(rows: int) -> list[int]:
    return [min(TOGETHER, rows - start) for start in range(0, rows, TOGETHER)]
