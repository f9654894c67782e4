"""One shard's way: crafted, judged, asked again, decided. Each stage says what it needs and takes what came of it.

Untouched images whose judging the store lacks are judged in the same hearing as the perturbed ones, in a mixed order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.attack import Smoothing
from bench.domain.dataset import Task
from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan, Shard
from bench.domain.queries.victim import noise_seed
from bench.evaluation.shard.judging import Answer, Hearing, Question, Testimony, portions
from bench.evaluation.shard.proposal import Craft, Proposal
from bench.evaluation.shard.replay import Again, again, compare
from bench.evaluation.shard.verdict import Case, Exhibits, decide, fingerprint, plain
from bench.loading.door import Introduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Write = Callable[[NDArray[np.float32], dict[str, NDArray[Any]]], str]


@dataclass
class Side:
    """A plan's part in a hearing: its questions, and what becomes of them."""

    plan: Plan
    exhibits: Exhibits
    questions: tuple[Question, ...]
    images_sha256: str
    proposal: Proposal | None = None
    smoothing: Smoothing | None = None
    first: Testimony | None = None
    replayed: Again | None = None


@dataclass
class Errand:
    """A shard of a plan on its way; `images` (N, C, H, W) and `labels` (N,) are the harness's own.

    `clean` are the predictions of the untouched images by sample, `doubted` why they are no evidence, where the store
    holds them; None where they are judged on the way. `rows` images are asked again.
    """

    plan: Plan
    shard: Shard
    task: Task
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows: int
    clean: Mapping[int, tuple[int, ...]] | None = None
    doubted: str | None = None
    sides: list[Side] = field(default_factory=list)
    _own: Side | None = None
    _order: list[tuple[int, int]] = field(default_factory=list)

    def craft(self) -> Craft:
        """The crafting of its images, with copies of what it is about."""
        return Craft(self.plan, self.shard, self.task, self.images.copy(), self.labels.copy())

    def proposed(self, proposal: Proposal, write: Write) -> None:
        """Take what the attack proposed; a proof proposes nothing, and its images are nobody's artifact."""
        if proposal.smoothing is not None:
            exhibits = Exhibits(self.images, self.labels, self.images)
            self._judged(exhibits, fingerprint(self.images), proposal, proposal.smoothing)
            return
        beside = {"witness": proposal.witness, "closest": proposal.closest}
        kept = {name: array for name, array in beside.items() if array is not None}
        sha256 = write(proposal.perturbed, kept)
        self._judged(self._shown({"perturbed": proposal.perturbed, **kept}, proposal), sha256, proposal, None)

    def crafted(self, arrays: Arrays, sha256: str) -> None:
        """Take images that another plan's attack has crafted."""
        self._judged(self._shown(arrays, None), sha256, None, None)

    def untouched(self) -> None:
        """Take the images as they are."""
        self.clean, self._own = None, self._clean_side(self.plan)

    def hearing(self) -> Hearing:
        """Every question, the untouched images' among the others where nobody else has judged them."""
        assert self._own is not None
        alone = self.plan.is_untouched or self.clean is not None
        self.sides = [self._own] if alone else [self._clean_side(self.plan.untouched()), self._own]
        places = [(side, number) for side, found in enumerate(self.sides) for number in range(len(found.questions))]
        self._order = self._shuffled(places, 1)
        return self._heard([self.sides[side].questions[number] for side, number in self._order], False)

    def answered(self, testimony: Testimony) -> None:
        """Take the answers, and decide what to ask again."""
        for number, side in enumerate(self.sides):
            side.first = self._share(testimony, number)
            side.replayed = again(side.plan, self.shard, side.questions, side.first, side.proposal, self.rows)

    def asked_again(self, introduced: bool) -> Hearing:
        """What is asked again, in an order of its own; with `introduced` the contracts at the door as well."""
        found = [() if side.replayed is None else side.replayed.questions for side in self.sides]
        self._order = self._shuffled([(side, n) for side, asked in enumerate(found) for n in range(len(asked))], 2)
        return self._heard([found[side][number] for side, number in self._order], introduced)

    def decided(self, testimony: Testimony, introduction: Introduction) -> list[tuple[Plan, ShardResult]]:
        """The results, that of the untouched images first. Raises `PluginError` where answers are none."""
        results: list[tuple[Plan, ShardResult]] = []
        for number, side in enumerate(self.sides):
            assert side.first is not None
            assert side.replayed is not None
            second = self._share(testimony, number)
            findings = compare(side.plan, side.replayed, side.first, second.answers, side.proposal)
            is_clean = side.plan.is_untouched
            case = Case(
                plan=side.plan,
                shard=self.shard,
                task=self.task,
                exhibits=side.exhibits,
                testimony=side.first,
                second=second,
                introduction=introduction,
                findings=findings,
                clean=None if is_clean else self.clean,
                images_sha256=side.images_sha256,
                proposal=side.proposal,
                smoothing=side.smoothing,
                doubted=None if is_clean else self.doubted,
            )
            results.append((side.plan, decide(case)))
            if is_clean:
                result = results[-1][1]
                self.clean, self.doubted = {each.index: each.perturbed for each in result.outcomes}, result.invalid
        return results

    def _shown(self, arrays: Arrays, proposal: Proposal | None) -> Exhibits:
        kept = {name: plain(arrays[name]) for name in ("witness", "closest") if name in arrays}
        asked = 0 if proposal is None or proposal.facts is None else proposal.facts.forwards
        return Exhibits(self.images, self.labels, plain(arrays["perturbed"]), asked=asked, **kept)

    def _judged(self, exhibits: Exhibits, sha256: str, proposal: Proposal | None, smoothing: Smoothing | None) -> None:
        self._own = Side(self.plan, exhibits, self._questions(exhibits, smoothing), sha256, proposal, smoothing)

    def _clean_side(self, plan: Plan) -> Side:
        exhibits = Exhibits(self.images, self.labels, self.images)
        return Side(plan, exhibits, self._questions(exhibits, None), fingerprint(self.images))

    def _questions(self, exhibits: Exhibits, smoothing: Smoothing | None) -> tuple[Question, ...]:
        """Images in groups, under seeds that are the same for clean and perturbed ones; the nearest images last.

        Where the judge shares the attack's noise, a shard is one group, as it is one batch for the attack.
        """
        shown = [exhibits.perturbed] if exhibits.closest is None else [exhibits.perturbed, exhibits.closest]
        votes = None if smoothing is None else (smoothing.n0, smoothing.n)
        draws = self.plan.draws if votes is None else len(votes)
        found = []
        for images in shown:
            for start, end in [(0, len(images))] if self.plan.fixed_noise else portions(len(images)):
                part = np.nan_to_num(images[start:end], nan=0.0, posinf=0.0, neginf=0.0)
                seeds = tuple(self.plan.seed_of(self.shard, "judge", start, draw) for draw in range(draws))
                if self.plan.fixed_noise and votes is None:
                    seeds = (noise_seed(self.plan.seed_of(self.shard, "victim")),) * draws
                found.append(Question(part, seeds, votes=votes))
        return tuple(found)

    def _heard(self, questions: Sequence[Question], introduced: bool) -> Hearing:
        return Hearing(self.plan.defense, self.task, tuple(questions), introduced)

    def _shuffled(self, places: list[tuple[int, int]], turn: int) -> list[tuple[int, int]]:
        return random.Random(self.plan.seed_of(self.shard, "replay", turn)).sample(places, len(places))

    def _share(self, testimony: Testimony, side: int) -> Testimony:
        """The answers to one side's questions in the order in which it asked, and its share of the seconds."""
        answers: dict[int, Answer] = {
            number: answer
            for (whose, number), answer in zip(self._order, testimony.answers, strict=True)
            if whose == side
        }
        share = len(answers) / max(1, len(self._order))
        ordered = tuple(answers[number] for number in sorted(answers))
        alike = testimony.alike if side == self._order[-1][0] else (0, 0)  # the last question was the audited one
        return replace(testimony, answers=ordered, seconds=share * testimony.seconds, alike=alike)
