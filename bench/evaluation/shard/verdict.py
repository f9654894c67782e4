"""The verdict on a shard: proposal, testimony and the harness's own images become outcomes, or the reason why not.

All of it happens where no defense and no attack runs. Clean images and labels are the harness's own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.attack import Smoothing
from bench.domain.dataset import Task
from bench.domain.errors import PluginError
from bench.domain.facts import Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Shard
from bench.evaluation.shard.admissibility import Exhibits, distances, refusal
from bench.evaluation.shard.hearing import Question, Testimony
from bench.evaluation.shard.replay import Again, compare
from bench.loading.door import Introduction
from bench.stats import clopper_pearson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.evaluation.shard.proposal import Proposal

ABSTAINED = -1
"""Stored as the prediction of an image that was not classified, or not certified at the plan's budget."""
MISFITS = 0.05
"""Share of certified images on which the defense's own prediction may be another class than the certified one."""


@dataclass
class Case:
    """A plan's part in the hearing of a shard: what is shown and asked, and everything that its verdict rests on.

    `labels` (N,) are the harness's own. `clean` are the predictions of the untouched images by sample, one a draw; None
    where these are the ones judged. `doubted` says why these are no evidence. The `first` testimony is the judge's, the
    `second` that of the process that was asked what is to be `replayed`; an errand fills in these three, in this
    order, as they come.
    """

    plan: Plan
    shard: Shard
    task: Task
    labels: NDArray[np.int64]
    exhibits: Exhibits
    questions: tuple[Question, ...]
    images_sha256: str
    proposal: Proposal | None = None
    clean: Mapping[int, tuple[int, ...]] | None = None
    doubted: str | None = None
    first: Testimony = field(init=False, repr=False)
    replayed: Again = field(init=False, repr=False)
    second: Testimony = field(init=False, repr=False)


def decide(case: Case, introduction: Introduction) -> ShardResult:
    """The shard's result. Raises `PluginError` for answers that no prediction can be read from."""
    plan, proposal, shown, n = case.plan, case.proposal, case.exhibits, len(case.labels)
    findings = compare(plan, case.replayed, case.first, case.second.answers, proposal)
    far = distances(plan, shown, shown.perturbed)
    crafting = None if proposal is None else proposal.facts
    smoothing = None if proposal is None else proposal.smoothing
    asked = 0 if crafting is None else crafting.forwards
    unknown: Sequence[None] = [None] * n
    radii: Sequence[float | None] = unknown
    minimal: Sequence[float | None] = unknown
    misfit = None
    predictions: list[tuple[int, ...]]
    if smoothing is not None:
        certified, bounds = certificates(case.first, smoothing, n)
        predictions = [(label,) for label in np.where(bounds >= plan.threat.radius, certified, ABSTAINED).tolist()]
        radii = np.where(certified == case.labels, bounds, 0.0).tolist()
        misfit = _misfit(case, certified, bounds)
    else:
        answered = predicted(case.first, case.task)
        predictions = answered[:n]
        if shown.closest is not None:
            minimal = _minimal(distances(plan, shown, shown.closest), answered[n:], case.labels)
    clean = predictions if case.clean is None else [case.clean[index] for index in case.shard.indices]
    broken_at = unknown if proposal is None or proposal.broken_at is None else proposal.broken_at.tolist()
    fell_to = unknown if proposal is None or proposal.fell_to is None else proposal.fell_to
    columns = (case.labels.tolist(), clean, predictions, far, radii, minimal, broken_at, fell_to)
    reasons = [refusal(plan, shown, asked), misfit, *findings.reasons, _fickle(case, introduction), case.doubted]
    parts = [part for part in (proposal, case.first, case.second) if part is not None]
    return ShardResult(
        index=case.shard.index,
        outcomes=tuple(Outcome(*row) for row in zip(case.shard.indices, *columns, strict=True)),
        forwards=asked + (n * (smoothing.n0 + smoothing.n) if smoothing else 0),
        backwards=0 if crafting is None else crafting.backwards,
        seconds=sum(part.seconds for part in parts),
        peak_memory=max(part.peak_memory for part in parts),
        perturbed_sha256=case.images_sha256,
        invalid=" ".join(dict.fromkeys(reason for reason in reasons if reason)) or None,
        remarks=tuple(dict.fromkeys(remark for part in parts for remark in part.remarks)),
        environment=case.first.environment,
        facts=Facts(
            random=introduction.random,
            declared_random=not introduction.deterministic,
            differentiable=introduction.differentiable,
            abstains=introduction.abstains,
            replayed=findings.replayed,
            audited=findings.audited,
            batch_dependent=findings.batch_dependent,
            contracts=introduction.contracts,
            odd=findings.odd,
            alike=case.first.alike,  # the replay asks about some of the same images, which must not count twice
            crafting=crafting,
        ),
    )


def predicted(testimony: Testimony, task: Task) -> list[tuple[int, ...]]:
    """The predicted classes of each image in the order of the questions, one a draw; `ABSTAINED` for refusals."""
    classes = len(task.classes)
    found: list[tuple[int, ...]] = []
    for answer in testimony.answers:
        if answer.logits.ndim != 3 or answer.logits.shape[2] != classes + testimony.abstains:
            raise PluginError(f"A judge answered with logits {answer.logits.shape}; {classes} classes were expected.")
        chosen = answer.logits.argmax(2)
        found.extend(map(tuple, np.where(chosen == classes, ABSTAINED, chosen).T.tolist()))
    return found


def certificates(testimony: Testimony, smoothing: Smoothing, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Certified classes (N,), `ABSTAINED` where none is, and l2 radii (N,) in pixel units (Cohen et al. 2019,
    1902.02918, CERTIFY): sigma times the normal quantile of the one-sided Clopper-Pearson bound of its probability."""
    assert testimony.sigma is not None
    chosen = np.concatenate([answer.logits[0] for answer in testimony.answers]).argmax(1)
    counts = np.concatenate([answer.logits[1] for answer in testimony.answers])
    votes = counts[np.arange(n), chosen].tolist()
    bounds = [clopper_pearson(vote, smoothing.n, smoothing.alpha) for vote in votes]
    radii = [testimony.sigma * NormalDist().inv_cdf(bound) if bound >= 0.5 else 0.0 for bound in bounds]
    return np.where(np.array(bounds) >= 0.5, chosen, ABSTAINED), np.array(radii, dtype=np.float64)


def fingerprint(images: NDArray[np.float32]) -> str:
    """SHA-256 of images as they are, which stands for those that nobody has to keep."""
    return hashlib.sha256(repr(images.shape).encode() + np.ascontiguousarray(images, dtype="<f4").tobytes()).hexdigest()


def _minimal(
    distances: Sequence[float], predictions: Sequence[tuple[int, ...]], labels: NDArray[np.int64]
) -> list[float]:
    """How far each of the closest misclassified images is; infinite where the judge does not see it misclassified."""
    return [
        distance if 2 * draws.count(label) <= len(draws) else math.inf
        for distance, draws, label in zip(distances, predictions, labels.tolist(), strict=True)
    ]


def _fickle(case: Case, introduction: Introduction) -> str | None:
    """What a classifier says of itself must not change from process to process."""
    said = {(bool(each.deterministic), bool(each.abstains)) for each in (case.first, case.second, introduction)}
    if len(said) == 1:
        return None
    return f"{case.plan.defense.name} says now this and now that of itself: whether it is deterministic, or abstains."


def _misfit(case: Case, certified: NDArray[np.int64], radii: NDArray[np.float64]) -> str | None:
    """A certificate is one of the defense only if the defense predicts what is certified."""
    assert case.clean is not None
    proven = [
        (label, case.clean[index])
        for index, label, radius in zip(case.shard.indices, certified.tolist(), radii.tolist(), strict=True)
        if radius > 0
    ]
    unlike = sum(not {label, ABSTAINED} & set(draws) for label, draws in proven)
    if unlike <= max(1, MISFITS * len(proven)):
        return None
    return (
        f"{case.plan.defense.name} predicts another class than the certified one on {unlike} of {len(proven)} images: "
        f"what its base votes is not what it predicts."
    )
