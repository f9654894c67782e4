"""Crafting: an attack, its victim and the labels make a proposal, and what was observed of them. It judges nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.attack import Certifier, Perturbed, Smoothing
from bench.domain.blame import blame
from bench.domain.dataset import Batch
from bench.domain.errors import PluginError
from bench.domain.facts import Controls, Crafting
from bench.domain.plan import Plan, Purpose, Shard
from bench.domain.queries.asking import ask, without_refusals
from bench.domain.queries.observation import Observation, Query
from bench.domain.queries.spending import Ledger, Limit, Spent
from bench.domain.queries.victim import Victim
from bench.domain.queries.watching import watched
from bench.evaluation.shard.controls import ROWS, controls
from bench.evaluation.shard.proposal import Audit, Craft, Proposal, checked
from bench.loading.classifiers import Shelf, load_attack
from bench.loading.condition import changed, changes_by_itself, condition
from bench.loading.determinism import seeded
from bench.loading.environment import environment, peak_memory, reset_peak_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from bench.domain.attack import Attack
    from bench.domain.defense import Classifier, Watch

AUDITS = 8
"""How many of an attack's queries on one shard are at most put again to a judge."""
AUDITED_BYTES = 2**28
"""How much memory these may take, images and gradients together; one is kept whatever its size."""


def craft(job: Craft, shelf: Shelf, watch: Watch) -> Proposal:
    """The proposal of the plan's attack for one shard.

    Raises `PluginError` where the attack or its victim fails, or writes into what it was given.
    """
    reset_peak_memory(shelf.device)
    started = time.perf_counter()
    with blame(job.plan.attack.name):
        attack = load_attack(job.plan.attack)
    found = _proof(job, attack) if isinstance(attack, Certifier) else _proposal(job, attack, shelf, watch)
    seconds, device = time.perf_counter() - started, shelf.device
    return replace(found, seconds=seconds, peak_memory=peak_memory(device), environment=environment(device))


def _proof(job: Craft, attack: Certifier) -> Proposal:
    """How the judge is to count votes; nothing is changed and nobody is asked."""
    with blame(job.plan.attack.name):
        wanted = attack.smoothing()
        if wanted.n0 < 1 or wanted.n < 1 or not 0 < wanted.alpha < 1:
            raise PluginError(
                f"it asks for n0 {wanted.n0}, n {wanted.n} and alpha {wanted.alpha}, which prove nothing."
            )
        smoothing = Smoothing(int(wanted.n0), int(wanted.n), float(wanted.alpha))
        return Proposal(job.images, answers=None, audits=(), facts=None, smoothing=smoothing)


def _proposal(job: Craft, attack: Attack, shelf: Shelf, watch: Watch) -> Proposal:
    """What the attack proposes, and what was observed of it."""

    def run(classifier: Classifier) -> tuple[Perturbed, Tensor | None, Observation, Controls]:
        with watched(watch) as told:
            return _craft(job, attack, classifier, shelf, told)

    (proposal, answers, seen, measured), remarks = shelf.fitted(job.plan.defense, job.task, run)
    images = proposal.images.detach().float().cpu().numpy()
    return Proposal(
        perturbed=images,
        closest=_array(proposal.closest),
        witness=_array(proposal.witness),
        broken_at=_whole(proposal.broken_at),
        fell_to=proposal.fell_to,
        remarks=(*remarks, *proposal.remarks),
        answers=_array(answers),
        audits=tuple(_audit(query) for query in seen.audits()),
        facts=Crafting(
            forwards=seen.forwards,
            backwards=seen.backwards,
            queries=seen.queries,
            gradients={str(source): count for source, count in seen.gradients.items()},
            noises=len(seen.noises),
            zero_gradients=seen.zero_gradients,
            unmoved=int((images == job.images).reshape(len(images), -1).all(1).sum()),
            controls=measured,
            told=proposal.told,
            partial=sum(count for size, count in seen.sizes.items() if size != len(images)),
        ),
    )


def _craft(
    job: Craft, attack: Attack, classifier: Classifier, shelf: Shelf, watch: Watch
) -> tuple[Perturbed, Tensor | None, Observation, Controls]:
    plan, device = job.plan, shelf.device
    ledger = ledger_of(job, device)
    victim = victim_of(job, classifier, device, watch, ledger)
    batch, before = batch_of(job, device), condition(classifier)
    found = perturbed_by(attack, victim, batch, job, device, lambda: ledger is not None)
    if found is None:
        assert ledger is not None  # which alone ends an attack
        found = Perturbed(ledger.images, remarks=(ledger.remark,))
    _check_untouched(batch, batch_of(job, device), plan.attack.name)
    seen, batch = victim.observation(), batch_of(job, device)
    if changed(before, condition(classifier)):
        _check_own_doing(job, classifier, batch)
    measured, answers = Controls(), None
    if seen.queries and plan.threat.norm != "corruption":
        watch(1, 1, "controls")
        measured = _controls(job, classifier, batch, found, seen, device)
    if classifier.deterministic:
        with blame(plan.defense.name):
            answers = ask(classifier, found.images.nan_to_num(0, 0, 0), generator(plan, job.shard, "judge", device))
        answers = without_refusals(answers.detach(), classifier)
    return found, answers, seen, measured


def ledger_of(job: Craft, device: str) -> Ledger | None:
    """What counts the passes of the job's attack, where the plan limits them."""
    plan = job.plan
    return None if plan.passes is None else Ledger(batch_of(job, device), plan.threat, plan.passes)


def victim_of(job: Craft, classifier: Classifier, device: str, watch: Watch, limit: Limit | None) -> Victim:
    """The classifier as the job's attack sees it."""
    plan, rng = job.plan, generator(job.plan, job.shard, "victim", device)
    kept, classes = audits_of(job.images), len(job.task.classes)
    return Victim(classifier, rng, watch, kept, plan.defense.name, classes, plan.fixed_noise, limit)


def perturbed_by(
    attack: Attack, victim: Victim, batch: Batch, job: Craft, device: str, is_limited: Callable[[], bool]
) -> Perturbed | None:
    """What the job's attack proposes, called in its own seeded scope; None where its passes or its time were spent.

    Raises `PluginError` where it fails, proposes nonsense, or says that they are spent though nothing `is_limited`.
    """
    rng = generator(job.plan, job.shard, "attack", device)
    with seeded(rng, device), blame(job.plan.attack.name):
        try:
            return checked(attack.perturb(victim, batch, job.plan.threat, rng), batch)
        except Spent:
            if not is_limited():
                raise PluginError("it says that its passes are spent, but nobody limited them.") from None
            return None


def _controls(
    job: Craft, classifier: Classifier, batch: Batch, proposal: Perturbed, seen: Observation, device: str
) -> Controls:
    plan = job.plan
    victim = Victim(classifier, generator(plan, job.shard, "replay", device), name=plan.defense.name)
    if "identity" in seen.gradients or "stand-in" in seen.gradients:
        victim.bypass()
    rng = generator(plan, job.shard, "replay", device, ROWS)
    perturbed = proposal.images.nan_to_num(0, 0, 0)
    return controls(victim, batch.images, perturbed, batch.labels, plan.threat, rng, bool(seen.gradients))


def _check_untouched(batch: Batch, original: Batch, attack: str) -> None:
    """An attack that wrote into its arguments is told so; nobody else has seen them."""
    import torch

    for what in ("images", "labels"):
        if not torch.equal(getattr(batch, what), getattr(original, what)):
            raise PluginError(
                f"{attack} wrote into the {what} that it was given; it must work on a copy ({what}.clone()).",
                culprit=attack,
            )


def _check_own_doing(job: Craft, classifier: Classifier, batch: Batch) -> None:
    """A classifier that is in another condition than before was changed by its attack, unless any question does so."""

    def both_ways() -> None:
        for images in (batch.images[:1], batch.images[:1].clone().requires_grad_()):
            ask(classifier, images, generator(job.plan, job.shard, "replay", str(batch.images.device)))

    with blame(job.plan.defense.name):
        own = changes_by_itself(classifier, both_ways)
    if not own:
        attack = job.plan.attack.name
        raise PluginError(f"{attack} changed the classifier that it attacks; it may only ask it.", culprit=attack)


def audits_of(images: NDArray[np.float32]) -> int:
    """How many queries about such a shard's images (N, C, H, W) are kept at most."""
    return max(1, min(AUDITS, AUDITED_BYTES // (3 * images.nbytes)))


def batch_of(job: Craft, device: str) -> Batch:
    """A new batch of the job's images and labels on the device."""
    import torch

    return Batch(job.shard.indices, torch.tensor(job.images, device=device), torch.tensor(job.labels, device=device))


def generator(plan: Plan, shard: Shard, purpose: Purpose, device: str, *numbers: int) -> Generator:
    """A random stream of a shard."""
    import torch

    return torch.Generator(device).manual_seed(plan.seed_of(shard, purpose, *numbers))


def _array(tensor: Tensor | None) -> NDArray[Any] | None:
    return None if tensor is None else tensor.detach().float().cpu().numpy()


def _whole(tensor: Tensor | None) -> NDArray[np.int64] | None:
    return None if tensor is None else tensor.detach().cpu().numpy().astype(np.int64)


def _audit(query: Query) -> Audit:
    arrays: Sequence[Any] = [_array(part) for part in (query.images, query.logits, query.cotangent, query.gradient)]
    images, logits, cotangent, gradient = arrays
    return Audit(images, query.seed, logits, cotangent if gradient is not None else None, gradient)
