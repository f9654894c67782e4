"""Replay: what is asked a second time, in a process that has judged nothing, and what a difference means.

A random classifier answers a whole batch under one noise, so one of its questions is asked again to the letter. A
deterministic one must give the same answers in any company, so some of its images are asked again among others and
under another seed. Some of the attack's own queries are put to it as well: what it told the attack must be what it
tells a judge, its gradient included.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.plan import Plan, Shard
from bench.evaluation.shard.hearing import TOGETHER, Answer, Question, Testimony

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.evaluation.shard.proposal import Audit, Proposal

LARGE = 0.03125
"""How often one of a random classifier's larger questions is asked again instead of a small one."""
COMPANY = 13
"""Images of a query that are asked about in small company: another number than a judge's or an attack's batch."""
SLACK = {"float16": 2.0**-6, "bfloat16": 2.0**-4}
"""How much of its range an answer may move with the company of an image in half precision; else `ROUNDING`."""
ROUNDING = 2e-3
VERBATIM = 1e-4
"""How much of its range an answer to the very same question may move."""
LEAD = 0.05
"""How much of the slack in a row's range the lead of its first class may move by, whatever the lead."""
ALIKE = 0.99
"""Cosine above which two gradients of the same query are one."""


@dataclass(frozen=True)
class Asked:
    """What will be asked again: the places (N,) of its images in the first answers, the question, and whether it stands
    as it was asked before."""

    places: NDArray[np.int64]
    question: Question
    verbatim: bool


@dataclass(frozen=True)
class Again:
    """What is asked again of one shard's images, and of its attack's queries.

    A random classifier is asked about the images of one query (`thrice`) twice more under seeds that nobody knows:
    about all of them, and about some (`places`) in small company.
    """

    asked: tuple[Asked, ...]
    audits: tuple[Audit, ...]
    thrice: Audit | None = None
    places: tuple[int, ...] = ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """All of it as questions, which tell nobody what they are for."""
        put = [Question(audit.images, (audit.seed,), audit.cotangent) for audit in self.audits]
        if self.thrice is not None:
            images = self.thrice.images
            put += [Question(found, (secrets.randbits(62),)) for found in (images, images[list(self.places)])]
        return (*(each.question for each in self.asked), *put)


@dataclass(frozen=True)
class Findings:
    """What came of asking again: `reasons` why the shard is no evidence, each naming whose fault it is. `odd` as in
    `Facts`."""

    reasons: tuple[str, ...]
    replayed: int
    audited: int
    batch_dependent: bool | None
    odd: tuple[int, int, int]


def again(
    plan: Plan, shard: Shard, questions: Sequence[Question], first: Testimony, proposal: Proposal | None, rows: int
) -> Again:
    """What to ask again of a shard whose questions were answered; `rows` images at least."""
    chance = random.Random(plan.seed_of(shard, "replay", int(plan.digest[:8], 16)))
    audits = () if proposal is None else proposal.audits
    if questions[0].votes is not None:
        return Again(tuple(_to_the_letter(_put(questions, first), rows, chance)), audits)
    if first.deterministic:
        return Again(tuple(_among_others(plan, shard, questions, rows, chance)), audits)
    asked = tuple(_to_the_letter(_put(questions, first), rows, chance))
    if not audits:
        return Again(asked, audits)
    thrice = audits[0]
    places = chance.sample(range(len(thrice.images)), min(len(thrice.images), COMPANY))
    return Again(asked, audits, thrice, tuple(places))


def compare(
    plan: Plan, replayed: Again, first: Testimony, second: Sequence[Answer], proposal: Proposal | None
) -> Findings:
    """What differs between the first answers, the answers while crafting, and those of another process."""
    slack, defense = SLACK.get(plan.precision, ROUNDING), plan.defense.name
    verbatim = SLACK.get(plan.precision, VERBATIM)
    rows = unlike = 0
    dependent = None
    before = _joined(first)
    for each, answer in zip(replayed.asked, second, strict=False):
        rows += len(each.places)
        found, known = answer.logits, before[:, each.places]
        if each.question.votes is not None:
            unlike += int((found[0] != known[0]).any(1).sum())
            continue
        unlike += int((_differ(known[: len(found)], found, verbatim if each.verbatim else slack)).sum())
        dependent = None if each.verbatim else bool(unlike)
    reasons: list[str] = []
    if unlike:
        company = "" if replayed.asked[0].verbatim else "on the other images of a batch, "
        reasons.append(
            f"{defense} answers otherwise when it is asked again in another process ({unlike} of {rows} images): its "
            f"answers hang {company}on what it was asked before, on time, or on chance that is not its generator's."
        )
    put, count = second[len(replayed.asked) :], len(replayed.audits)
    reasons += _audited(defense, replayed.audits, put[:count], slack)
    if proposal is not None and proposal.answers is not None and first.deterministic:
        judged = before[:1, : len(proposal.answers), : proposal.answers.shape[1]]
        moved = int(_differ(judged, proposal.answers[None], slack).sum())
        if moved:
            reasons.append(
                f"{defense} answered otherwise while it was attacked than when it was judged ({moved} of "
                f"{len(proposal.answers)} images)."
            )
    return Findings(tuple(reasons), rows, count, dependent, _odd(replayed, put[count:]))


def _odd(replayed: Again, answers: Sequence[Answer]) -> tuple[int, int, int]:
    """Of the rows on which two of three answers agree, how often each is the odd one out: what the attack was told,
    the same query asked afresh, and its images in small company. An honest classifier draws lots."""
    if replayed.thrice is None:
        return 0, 0, 0
    places, told = list(replayed.places), replayed.thrice.logits
    afresh, apart = (answer.logits[0, :, : told.shape[1]].argmax(1) for answer in answers)
    first, second, third = told.argmax(1)[places], afresh[places], apart
    odd = (
        (second == third) & (first != second),
        (first == third) & (second != first),
        (first == second) & (third != first),
    )
    return int(odd[0].sum()), int(odd[1].sum()), int(odd[2].sum())


def _audited(defense: str, audits: Sequence[Audit], answers: Sequence[Answer], slack: float) -> Iterator[str]:
    """What the classifier told the attack against what it tells now, asked with a gradient and without one."""
    for audit, answer in zip(audits, answers, strict=True):
        classes, told = audit.logits.shape[1], [answer.logits]
        told += [] if answer.attached is None else [answer.attached]
        moved = [int(_differ(each[:1, :, :classes], audit.logits[None], slack).sum()) for each in told]
        if max(moved):
            yield (
                f"{defense} answered the attack otherwise than a judge who asks the same ({max(moved)} of "
                f"{len(audit.images)} images of a query)."
            )
            return
    for audit, answer in zip(audits, answers, strict=True):
        known, found = audit.gradient, answer.gradient
        if known is not None and found is not None and not _same_direction(known, found):
            yield f"{defense} gave the attack another gradient than a judge who asks for the same one."
            return


def _among_others(
    plan: Plan, shard: Shard, questions: Sequence[Question], rows: int, chance: random.Random
) -> list[Asked]:
    """Images drawn from all questions, shuffled into new ones, under seeds of their own."""
    images = np.concatenate([question.images for question in questions])
    places = chance.sample(range(len(images)), min(rows, len(images)))
    groups = [places[start : start + TOGETHER] for start in range(0, len(places), TOGETHER)]
    return [
        Asked(np.array(group), Question(images[group], (plan.seed_of(shard, "replay", number),)), verbatim=False)
        for number, group in enumerate(groups)
    ]


def _put(questions: Sequence[Question], first: Testimony) -> list[Asked]:
    """What the classifier was asked about of each question, for the first draw; of votes only those that choose the
    class."""
    found, start = [], 0
    for question, answer in zip(questions, first.answers, strict=True):
        rows = np.arange(len(question.images)) if answer.asked is None else answer.asked
        votes = None if question.votes is None else question.votes[:1]
        put = Question(question.images[rows], question.seeds[:1], votes=votes)
        found += [Asked(start + rows, put, verbatim=True)] if len(rows) else []
        start += len(question.images)
    return found


def _to_the_letter(put: Sequence[Asked], rows: int, chance: random.Random) -> list[Asked]:
    """Whole questions as they were put.

    One of the smallest, a larger one now and then (rarely, for it costs most), and more until `rows` are reached.
    """
    order = chance.sample(put, len(put))
    order.sort(key=lambda each: len(each.places) > TOGETHER)
    large = [each for each in order if len(each.places) > TOGETHER]
    if large and chance.random() < LARGE:
        order = [large[0], *(each for each in order if each is not large[0])]
    before = np.cumsum([0, *(len(each.places) for each in order)])
    return [each for each, asked in zip(order, before, strict=False) if asked < rows]


def _joined(testimony: Testimony) -> NDArray[Any]:
    """All answers as one array (draws, N, columns)."""
    return np.concatenate([answer.logits for answer in testimony.answers], 1)


def _differ(known: NDArray[Any], found: NDArray[Any], slack: float) -> NDArray[np.bool_]:
    """Which rows (N,) of two answers (draws, N, columns) differ by more than rounding.

    No logit may move by more than `slack` of its row's range, and the lead of the first class over the second by no
    more than ten times that share of itself, so that one huge logit hides nothing.
    """
    if known.shape != found.shape:
        return np.ones(known.shape[1], dtype=bool)
    known, found = known.astype(np.float64), found.astype(np.float64)
    span, size = known.max(2) - known.min(2), np.abs(known).max(2)
    moved = np.abs(known - found).max(2) > slack * (np.maximum(span, 1e-30) + 1e-2 * size)
    if known.shape[2] > 1:
        best = np.argsort(known, 2)[:, :, :-3:-1]
        tops = np.take_along_axis(known, best, 2)
        leads = [top[:, :, 0] - top[:, :, 1] for top in (tops, np.take_along_axis(found, best, 2))]
        rounding = LEAD * slack * np.minimum(span, np.abs(tops).max(2))
        moved |= np.abs(leads[0] - leads[1]) > 10 * slack * np.abs(leads).max(0) + rounding
    rows: NDArray[np.bool_] = moved.any(0)
    return rows


def _same_direction(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two gradients (N, C, H, W) of one query point the same way and are about as long."""
    one, two = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    if max(lengths) == 0:
        return True
    return float(one @ two) >= ALIKE * max(lengths) ** 2 * 0.97
