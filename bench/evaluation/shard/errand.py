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
from bench.domain.queries.asking import noise_seed
from bench.evaluation.shard.admissibility import Exhibits
from bench.evaluation.shard.hearing import Answer, Hearing, Question, Testimony, portions
from bench.evaluation.shard.proposal import Craft, Proposal
from bench.evaluation.shard.replay import again
from bench.evaluation.shard.verdict import Case, decide, fingerprint
from bench.loading.door import Introduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Write = Callable[[NDArray[np.float32], dict[str, NDArray[Any]]], str]


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
    cases: list[Case] = field(default_factory=list)
    _own: Case | None = None
    _order: list[tuple[int, int]] = field(default_factory=list)

    def craft(self) -> Craft:
        """The crafting of its images, with copies of what it is about."""
        return Craft(self.plan, self.shard, self.task, self.images.copy(), self.labels.copy())

    def proposed(self, proposal: Proposal, write: Write) -> None:
        """Take what the attack proposed; a proof proposes nothing, and its images are nobody's artifact."""
        if proposal.smoothing is not None:
            self._own = self._unchanged(self.plan, proposal)
            return
        beside = {"witness": proposal.witness, "closest": proposal.closest}
        kept = {name: array for name, array in beside.items() if array is not None}
        sha256 = write(proposal.perturbed, kept)
        self._own = self._shown({"perturbed": proposal.perturbed, **kept}, sha256, proposal)

    def crafted(self, arrays: Arrays, sha256: str) -> None:
        """Take images that another plan's attack has crafted."""
        self._own = self._shown(arrays, sha256, None)

    def untouched(self) -> None:
        """Take the images as they are."""
        self.clean, self._own = None, self._unchanged(self.plan, None)

    def hearing(self) -> Hearing:
        """Every question, the untouched images' among the others where nobody else has judged them."""
        assert self._own is not None
        alone = self.plan.is_untouched or self.clean is not None
        self.cases = [self._own] if alone else [self._unchanged(self.plan.untouched(), None), self._own]
        return self._heard([case.questions for case in self.cases], 1, False)

    def answered(self, testimony: Testimony) -> None:
        """Take the answers, and decide what to ask again."""
        for number, case in enumerate(self.cases):
            case.first = self._share(testimony, number)
            case.replayed = again(case.plan, self.shard, case.questions, case.first, case.proposal, self.rows)

    def asked_again(self, introduced: bool) -> Hearing:
        """What is asked again, in an order of its own; with `introduced` the contracts at the door as well."""
        return self._heard([case.replayed.questions for case in self.cases], 2, introduced)

    def decided(self, testimony: Testimony, introduction: Introduction) -> list[tuple[Plan, ShardResult]]:
        """The results, that of the untouched images first. Raises `PluginError` where answers are none."""
        results: list[tuple[Plan, ShardResult]] = []
        for number, case in enumerate(self.cases):
            case.second = self._share(testimony, number)
            if not case.plan.is_untouched:
                case.clean, case.doubted = self.clean, self.doubted
            result = decide(case, introduction)
            results.append((case.plan, result))
            if case.plan.is_untouched:  # it comes first, and the others rest on it
                self.clean, self.doubted = {each.index: each.perturbed for each in result.outcomes}, result.invalid
        return results

    def _shown(self, arrays: Arrays, sha256: str, proposal: Proposal | None) -> Case:
        names = [name for name in ("perturbed", "witness", "closest") if name in arrays]
        kept = {name: np.ascontiguousarray(arrays[name], dtype=np.float32) for name in names}
        return self._case(self.plan, Exhibits(self.images, **kept), sha256, proposal)

    def _unchanged(self, plan: Plan, proposal: Proposal | None) -> Case:
        return self._case(plan, Exhibits(self.images, self.images), fingerprint(self.images), proposal)

    def _case(self, plan: Plan, exhibits: Exhibits, sha256: str, proposal: Proposal | None) -> Case:
        questions = self._questions(exhibits, None if proposal is None else proposal.smoothing)
        return Case(plan, self.shard, self.task, self.labels, exhibits, questions, sha256, proposal)

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

    def _heard(self, asked: Sequence[Sequence[Question]], turn: int, introduced: bool) -> Hearing:
        """The questions of every case in one mixed order, which is kept."""
        places = [(case, number) for case, questions in enumerate(asked) for number in range(len(questions))]
        chance = random.Random(self.plan.seed_of(self.shard, "replay", turn))
        self._order = chance.sample(places, len(places))
        questions = tuple(asked[case][number] for case, number in self._order)
        return Hearing(self.plan.defense, self.task, questions, introduced)

    def _share(self, testimony: Testimony, case: int) -> Testimony:
        """The answers to one case's questions in the order in which it asked, and its share of the seconds."""
        answers: dict[int, Answer] = {
            number: answer
            for (whose, number), answer in zip(self._order, testimony.answers, strict=True)
            if whose == case
        }
        share = len(answers) / max(1, len(self._order))
        ordered = tuple(answers[number] for number in sorted(answers))
        alike = testimony.alike if case == self._order[-1][0] else (0, 0)  # the last question was the audited one
        return replace(testimony, answers=ordered, seconds=share * testimony.seconds, alike=alike)
