"""What every attack must keep, on small linear victims whose gradients are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, get_args

import torch
from torch import Generator, Tensor, nn

from bench.domain.attack import Attack, Knowledge, Perturbed
from bench.domain.dataset import Batch
from bench.domain.defense import Network, Smoothed
from bench.domain.errors import UsageError
from bench.domain.plan import Spec
from bench.domain.threat import NORMS, ThreatModel
from bench.domain.victim import Victim
from bench.domain.blame import blame
from bench.loading.determinism import exact, seeded
from bench.registry import attacks
from bench.testing.contracts import RECIPE, Finding, UnjudgedError, judge, made
from bench.testing.generators import generator

SIDE, SAMPLES = 8, 4
EPSILON = {"linf": "0.1", "l2": "0.5", "l1": "4", "l0": "3", "flow": "0.05", "corruption": "3"}
KINDS = ((2, 1), (10, 1), (2, 3), (10, 3))
"""Classes and channels of the victims."""


@dataclass(frozen=True)
class Subject:
    """An attack and the victim that it is let loose on; the victims differ in classes and channels."""

    reference: str
    plugin: Attack
    classes: int = 10
    channels: int = 1

    def batch(self) -> Batch:
        """Seeded images, labelled as the victim predicts them."""
        images = torch.rand(SAMPLES, self.channels, SIDE, SIDE, generator=generator(1))
        with torch.no_grad():
            labels = LinearVictim(self.classes, self.channels)(images, generator(0)).argmax(1)
        return Batch(tuple(range(SAMPLES)), images, labels)

    def threat(self) -> ThreatModel:
        """The attack's norm with a customary budget."""
        return ThreatModel(self.plugin.norm, Fraction(EPSILON[self.plugin.norm]))

    def perturbed(self, batch: Batch, ambient: int = 0) -> Perturbed:
        """What the attack proposes, called as the arena calls it; `ambient` seeds the scope around the arena's own."""
        rng = generator(5)
        victim = Victim(LinearVictim(self.classes, self.channels), generator(6))
        with seeded(generator(ambient), "cpu"), seeded(rng, "cpu"), blame(self.reference):
            try:
                proposal = self.plugin.perturb(victim, batch, self.threat(), rng)
            except UsageError as error:
                if self.plugin.knowledge == "adaptive":  # made for one defense, which this victim is not
                    raise UnjudgedError(f"Not judged, for it refuses a linear victim: {error}") from error
                raise
        return replace(proposal, images=proposal.images.detach())


class LinearVictim(Smoothed):
    """A linear classifier of images (N, C, 8, 8), centred so that random images fall into many classes; smoothed, a
    majority of it under Gaussian noise, for attacks that certify."""

    sigma = 0.25

    def __init__(self, classes: int, channels: int) -> None:
        width = channels * SIDE * SIDE
        layer = nn.Linear(width, classes)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(classes, width, generator=generator(2)))
            layer.bias.copy_(-layer.weight.sum(1) / 2)
        self._network, self._classes = Network(nn.Sequential(nn.Flatten(), layer)), classes

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return self._network(images, rng)

    def counts(self, images: Tensor, draws: int, rng: Generator) -> Tensor:
        votes = torch.zeros(len(images), self._classes, dtype=torch.int64)
        for _ in range(draws):
            noise = torch.randn(images.shape, generator=rng)
            votes += nn.functional.one_hot(self(images + self.sigma * noise, rng).argmax(1), self._classes)
        return votes


def check_attack(attack: str | Attack, settings: Mapping[str, Any] | None = None) -> list[Finding]:
    """The findings of every contract of an attack, given as a reference, to which `settings` belong, or an instance.

    Raises `UsageError` or `PluginError` where there is no such plugin.
    """
    reference, plugin = made(attacks, attack, settings)
    subject = Subject(reference, plugin)
    findings = [judge(contract, subject) for contract in (*RECIPE, says_what_it_spends_and_uses)]
    if not findings[-1].passed:
        return findings
    with exact("cpu"):
        for classes, channels in KINDS:
            found = judge(proposes_admissible_images, replace(subject, classes=classes, channels=channels))
            victim = f"{classes} classes, {channels} channel{'s' if channels > 1 else ''}"
            findings.append(replace(found, contract=f"{found.contract} ({victim})"))
        if all(finding.passed for finding in findings):
            findings += [judge(contract, subject) for contract in (leaves_the_batch_alone, follows_its_generator)]
    return findings


def says_what_it_spends_and_uses(subject: Subject) -> str | None:
    """`norm` and `knowledge` are words that the harness knows."""
    norm, knowledge = getattr(subject.plugin, "norm", None), getattr(subject.plugin, "knowledge", None)
    if norm not in NORMS:
        return f"norm must be one of {', '.join(NORMS)}; got {norm!r}."
    if knowledge not in get_args(Knowledge):
        return f"knowledge must be one of {', '.join(get_args(Knowledge))}; got {knowledge!r}."
    return None


def proposes_admissible_images(subject: Subject) -> str | None:
    """Images of the batch's shape, within the threat model; classes and radii where it certifies."""
    batch, threat = subject.batch(), subject.threat()
    proposal = subject.perturbed(batch)
    images = proposal.images
    if images.shape != batch.images.shape:
        return f"It proposes images {tuple(images.shape)}; {tuple(batch.images.shape)} was expected."
    refused = int((~threat.admits(batch.images, images, proposal.witness)).sum())
    if refused:
        low, high = float(images.min()), float(images.max())
        farthest = float(threat.distance(batch.images, images, proposal.witness).max())
        return (
            f"{refused} of {len(images)} images lie outside {threat}: pixels span [{low:.3g}, {high:.3g}], the largest "
            f"distance is {farthest:.4g}; end with threat.project(clean, perturbed)."
        )
    if (subject.plugin.knowledge == "certified") != (proposal.certificate is not None):
        return "A certificate and knowledge = 'certified' go together; give both or neither."
    if proposal.certificate is not None:
        classes, radii = proposal.certificate.predictions, proposal.certificate.radii
        if classes.shape != (len(images),) or radii.shape != (len(images),) or not bool((radii >= 0).all()):
            return "A certificate holds one class and one radius from 0 up for every image; this one does not."
    return None


def leaves_the_batch_alone(subject: Subject) -> str | None:
    """The clean images and labels are as they were after an attack."""
    batch = subject.batch()
    subject.perturbed(Batch(batch.indices, images := batch.images.clone(), labels := batch.labels.clone()))
    if torch.equal(images, batch.images) and torch.equal(labels, batch.labels):
        return None
    return "It changes the batch that it is given; work on a copy (images.clone())."


def follows_its_generator(subject: Subject) -> str | None:
    """Equal generators give equal images, whatever happened before."""
    first, second = (subject.perturbed(subject.batch(), ambient).images for ambient in (1, 2))
    if torch.equal(first, second):
        return None
    gap = float((first - second).abs().max())
    return f"Equal generators give images that differ by up to {gap:.3g}; draw all randomness from the rng."
