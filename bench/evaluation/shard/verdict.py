"""The verdict on a shard: proposal, testimony and the harness's own images become outcomes, or the reason why not.

All of it happens where no defense and no attack runs. Clean images and labels are the harness's own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.attack import Smoothing
from bench.domain.dataset import Task
from bench.domain.errors import PluginError
from bench.domain.facts import Crafting, Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Shard
from bench.evaluation.shard.admissibility import refusal
from bench.evaluation.shard.judging import Testimony
from bench.evaluation.shard.replay import Findings
from bench.loading.determinism import exact
from bench.loading.door import Introduction
from bench.stats import clopper_pearson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.evaluation.shard.proposal import Proposal

ABSTAINED = -1
"""Stored as the prediction of an image that was not classified, or not certified at the plan's budget."""
MISFITS = 0.05
"""Share of certified images on which the defense's own prediction may be another class than the certified one."""


@dataclass(frozen=True)
class Exhibits:
    """The harness's own images (N, C, H, W) and labels (N,) of a shard, and what was proposed in their place.

    `asked` counts the attack's queries of its victim; None where another plan crafted the images.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    perturbed: NDArray[np.float32]
    witness: NDArray[np.float32] | None = None
    closest: NDArray[np.float32] | None = None
    asked: int = 0


@dataclass(frozen=True)
class Case:
    """Everything that a shard's verdict rests on. `clean` are the predictions of the untouched images by sample, one a
    draw; None where these are the ones judged. `doubted` says why these are no evidence. `second` is the testimony of
    the process that was asked again."""

    plan: Plan
    shard: Shard
    task: Task
    exhibits: Exhibits
    testimony: Testimony
    second: Testimony
    introduction: Introduction
    findings: Findings
    clean: Mapping[int, tuple[int, ...]] | None
    images_sha256: str
    proposal: Proposal | None = None
    smoothing: Smoothing | None = None
    doubted: str | None = None


def decide(case: Case) -> ShardResult:
    """The shard's result. Raises `PluginError` for answers that no prediction can be read from."""
    plan, shown, n = case.plan, case.exhibits, len(case.exhibits.labels)
    distances = _distances(plan, shown)
    radii: Sequence[float | None] = [None] * n
    minimal: Sequence[float | None] = [None] * n
    misfit = None
    predictions: list[tuple[int, ...]]
    if case.smoothing is not None:
        certified, bounds = certificates(case.testimony, case.smoothing, n)
        predictions = [(label,) for label in np.where(bounds >= plan.threat.radius, certified, ABSTAINED).tolist()]
        radii = np.where(certified == shown.labels, bounds, 0.0).tolist()
        misfit = _misfit(case, certified, bounds)
    else:
        answered = predicted(case.testimony, case.task)
        predictions = answered[:n]
        if shown.closest is not None:
            minimal = _minimal(plan, shown, answered[n:])
    clean = predictions if case.clean is None else [case.clean[index] for index in case.shard.indices]
    proposal = case.proposal
    crafting = None if proposal is None else proposal.facts
    asked = 0 if crafting is None else crafting.forwards
    broken_at = [None] * n if proposal is None or proposal.broken_at is None else proposal.broken_at.tolist()
    fell_to = [None] * n if proposal is None or proposal.fell_to is None else list(proposal.fell_to)
    columns = (shown.labels.tolist(), clean, predictions, distances.tolist(), radii, minimal, broken_at, fell_to)
    reasons = [_refusal(plan, shown), misfit, *case.findings.reasons, _fickle(case), case.doubted]
    parts = [part for part in (proposal, case.testimony, case.second) if part is not None]
    return ShardResult(
        index=case.shard.index,
        outcomes=tuple(Outcome(*row) for row in zip(case.shard.indices, *columns, strict=True)),
        forwards=asked + (n * (case.smoothing.n0 + case.smoothing.n) if case.smoothing else 0),
        backwards=0 if crafting is None else crafting.backwards,
        seconds=sum(part.seconds for part in parts),
        peak_memory=max(part.peak_memory for part in parts),
        perturbed_sha256=case.images_sha256,
        invalid=" ".join(dict.fromkeys(reason for reason in reasons if reason)) or None,
        remarks=tuple(dict.fromkeys(remark for part in parts for remark in part.remarks)),
        environment=case.testimony.environment,
        facts=_facts(case),
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


def _refusal(plan: Plan, shown: Exhibits) -> str | None:
    import torch

    if plan.is_untouched:
        return None
    clean, perturbed = torch.from_numpy(shown.images), torch.from_numpy(shown.perturbed)
    witness, closest = (None if array is None else torch.from_numpy(array) for array in (shown.witness, shown.closest))
    with exact("cpu"):
        return refusal(plan, clean, perturbed, witness, closest, shown.asked)


def _distances(plan: Plan, shown: Exhibits, other: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    import torch

    moved = torch.from_numpy(shown.perturbed if other is None else other).nan_to_num(0, 0, 0)
    witness = None if shown.witness is None else torch.from_numpy(shown.witness)
    with exact("cpu"):
        found: NDArray[np.float64] = plan.threat.distance(torch.from_numpy(shown.images), moved, witness).numpy()
    return found


def _minimal(plan: Plan, shown: Exhibits, predictions: Sequence[tuple[int, ...]]) -> list[float]:
    """How far each of the closest misclassified images is; infinite where the judge does not see it misclassified."""
    distances = _distances(plan, shown, shown.closest).tolist()
    return [
        distance if 2 * draws.count(label) <= len(draws) else math.inf
        for distance, draws, label in zip(distances, predictions, shown.labels.tolist(), strict=True)
    ]


def _fickle(case: Case) -> str | None:
    """What a classifier says of itself must not change from process to process."""
    said = {bool(each.deterministic) for each in (case.testimony, case.second, case.introduction)}
    refuses = {bool(each.abstains) for each in (case.testimony, case.second, case.introduction)}
    if len(said) == len(refuses) == 1:
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


def _facts(case: Case) -> Facts:
    introduction = case.introduction
    crafted: Crafting | None = case.proposal.facts if case.proposal is not None else None
    return Facts(
        random=introduction.random,
        declared_random=not introduction.deterministic,
        differentiable=introduction.differentiable,
        abstains=introduction.abstains,
        replayed=case.findings.replayed,
        audited=case.findings.audited,
        batch_dependent=case.findings.batch_dependent,
        contracts=introduction.contracts,
        odd=case.findings.odd,
        alike=case.testimony.alike,  # the replay asks about some of the same images, which must not count twice
        crafting=crafted,
    )


def plain(array: Any) -> NDArray[np.float32]:
    """An array of artifacts or proposals as float32, contiguous."""
    return np.ascontiguousarray(array, dtype=np.float32)
