"""From a few timed passes and a tried attack to what shards take: arithmetic, and nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.evaluation.estimates.trial import Pace, Points, Tried
from bench.evaluation.shard.controls import ROWS
from bench.evaluation.shard.crafting import AUDITS
from bench.evaluation.shard.hearing import TOGETHER, portions

if TYPE_CHECKING:
    from bench.evaluation.running.precedent import Precedent

Certainty = Literal["measured", "extrapolated", "at least"]
"""Whether an attack was seen to its end, stopped somewhere that it told of, or stopped nobody knows where."""


@dataclass(frozen=True)
class Line:
    """Seconds of a batch: what every call takes, and what each image takes."""

    call: float
    image: float

    @classmethod
    def through(cls, points: Points) -> Line:
        """The line through the smallest and the largest batch; where it would fall, or begin below 0, that from 0 to
        the largest. No time at all without any."""
        if not points:
            return cls(0.0, 0.0)
        (few, first), (many, last) = min(points), max(points)
        image = (last - first) / (many - few) if many > few else 0.0
        call = first - image * few
        return cls(call, image) if image > 0 and call >= 0 else cls(0.0, last / many)

    def __call__(self, images: float, calls: float = 1) -> float:
        """Seconds of so many calls about so many images in all."""
        return calls * self.call + images * self.image


@dataclass(frozen=True)
class Demand:
    """What an attack asks: passes a sample, calls a shard, and the seconds of the attack's `own` work that go with a
    call. Where even its passes took less than they should, `slowness` says which share of that.

    `alone` are the seconds a sample of one that asks nothing. `closest`: its nearest images are judged too; `audits` of
    its queries may be put to a judge again. `basis` says how this is known.
    """

    forwards: float
    backwards: float
    calls: float
    gradients: float
    basis: str
    slowness: float = 1.0
    own: float = 0.0
    alone: float = 0.0
    closest: bool = False
    audits: int = AUDITS
    certainty: Certainty = "measured"

    @classmethod
    def tried(cls, found: Tried, pace: Pace, most: int | None = None) -> Demand:
        """What an attack that was tried asks of a whole shard, and never more than the `most` passes a sample that are
        allowed."""
        scale = whole(found)
        asked = found.forwards + found.backwards
        if most is not None and asked:
            scale = min(scale, max(1.0, most * found.samples / asked))
        forward, backward = Line.through(pace.forward), Line.through(pace.backward)
        expected = forward(found.forwards, found.queries) + backward(found.backwards, found.gradients)
        is_proof = found.flop is not None
        asks = expected > 0 and not is_proof
        return cls(
            forwards=scale * found.forwards / found.samples,
            backwards=scale * found.backwards / found.samples,
            calls=scale * found.queries,
            gradients=scale * found.gradients,
            basis=_basis(found),
            slowness=min(1.0, found.seconds / expected) if asks else 1.0,
            own=max(0.0, found.seconds - expected) / found.queries if asks else 0.0,
            alone=0.0 if asks else scale * found.seconds / found.samples,
            closest=found.closest,
            audits=found.audits,
            certainty="measured" if found.share == 1 else "extrapolated" if found.share else "at least",
        )

    @classmethod
    def known(cls, found: Precedent) -> Demand:
        """What the store says of such plans; each of their queries is taken for one about a whole shard."""
        basis = f"measured on {found.samples:,} samples in the store"
        return cls(found.forwards, found.backwards, found.forwards, found.backwards, basis)

    def seconds(self, pace: Pace, samples: int) -> float:
        """Seconds of crafting a shard of so many samples."""
        if self.alone:
            return self.alone * samples
        forward, backward = Line.through(pace.forward), Line.through(pace.backward)
        passes = forward(self.forwards * samples, self.calls) + backward(self.backwards * samples, self.gradients)
        return self.slowness * passes + self.own * self.calls


def _basis(found: Tried) -> str:
    samples = f"{found.samples} sample" + ("s" if found.samples > 1 else "")
    if found.share == 1:
        return f"tried on {samples}"
    where = f"{100 * found.share:.2g} % of its run" if found.share else "nobody knows which part of its run"
    return f"stopped after {where} on {samples}"


def whole(found: Tried) -> float:
    """How many times the passes that were seen a whole run has: what is left goes on as the later half of what was
    seen, for samples fall and are asked about no more. 1 where the attack ended, or said nothing."""
    seen, (half, before) = found.forwards + found.backwards, found.half
    if not 0 < found.share < 1 or not seen:
        return 1.0
    rate = (found.told - before) / (found.share - half) if found.share > half else found.told / found.share
    return max(1.0, (found.told + (1 - found.share) * rate) / seen)


def judging(pace: Pace, samples: int, draws: int, times: int, whole: bool, rows: int) -> float:
    """Seconds of judging a shard's images `times` (the perturbed, the nearest, the untouched ones) under some `draws`
    of noise, in portions or as one `whole`, and of asking again about `rows`."""
    forward = Line.through(pace.forward)
    sizes = [samples] if whole else [end - start for start, end in portions(samples)]
    asked = draws_of(pace, draws) * sum(map(forward, sizes))
    few = min(rows, samples)
    groups = [samples] if whole else [min(TOGETHER, few - start) for start in range(0, few, TOGETHER)]
    again = sum(map(forward, groups))
    return times * (asked + again)


def checking(pace: Pace, samples: int, demand: Demand) -> float:
    """Seconds of what the harness asks after an attack: controls on a few rows, the proposal's logits, and some of the
    attack's queries once more, those with a gradient with one as well."""
    if not demand.calls or demand.alone:
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
    certainty: Certainty = "measured"

    @property
    def seconds_a_pass(self) -> float:
        """Seconds that a pass takes with everything that goes with it."""
        passes = self.samples * (self.forwards + self.backwards + self.judged)
        return sum(self.seconds) / passes if passes else 0.0

    def lasts(self, workers: int) -> float:
        """Seconds until all of it is done with so many workers."""
        return makespan(self.seconds, workers) + self.loading
