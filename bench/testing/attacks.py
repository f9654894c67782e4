"""What every attack must keep, on small linear victims whose gradients are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, get_args

import torch
from torch import nn

from bench.domain.attack import Attack, Certifier, Knowledge, Perturbed, Smoothing
from bench.domain.blame import blame
from bench.domain.dataset import Batch
from bench.domain.defense import Network
from bench.domain.errors import UsageError
from bench.domain.queries.observation import Observation
from bench.domain.queries.victim import Victim
from bench.domain.threat import NORMS, ThreatModel
from bench.loading.determinism import exact, seeded
from bench.plugins.registry import attacks
from bench.testing.contracts import RECIPE, Finding, UnjudgedError, judge, made
from bench.testing.generators import gap, generator

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
        labels = linear(self.classes, self.channels)(images, generator(0)).argmax(1)
        return Batch(tuple(range(SAMPLES)), images, labels)

    def threat(self) -> ThreatModel:
        """The attack's norm with a customary budget."""
        return ThreatModel(self.plugin.norm, Fraction(EPSILON[self.plugin.norm]))

    def perturbed(self, batch: Batch, ambient: int = 0) -> Perturbed:
        """What the attack proposes, called as the harness calls it; `ambient` seeds the scope around its own."""
        return self.run(batch, ambient)[0]

    def run(self, batch: Batch, ambient: int = 0) -> tuple[Perturbed, Observation]:
        """The same with what was seen of the attack's queries."""
        rng = generator(5)
        victim = Victim(linear(self.classes, self.channels), generator(6))
        with seeded(generator(ambient), "cpu"), seeded(rng, "cpu"), blame(self.reference):
            try:
                proposal = self.plugin.perturb(victim, batch, self.threat(), rng)
            except UsageError as error:
                if self.plugin.knowledge == "adaptive":  # made for one defense, which this victim is not
                    raise UnjudgedError(f"Not judged, for it refuses a linear victim: {error}") from error
                raise
        return replace(proposal, images=proposal.images.detach()), victim.observation()


def linear(classes: int, channels: int) -> Network:
    """A linear classifier of images (N, C, 8, 8), centred so that random images fall into many classes."""
    width = channels * SIDE * SIDE
    layer = nn.Linear(width, classes)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(classes, width, generator=generator(2)))
        layer.bias.copy_(-layer.weight.sum(1) / 2)
    return Network(nn.Sequential(nn.Flatten(), layer))


def check_attack(attack: str | Attack, settings: Mapping[str, Any] | None = None) -> list[Finding]:
    """The findings of every contract of an attack, given as a reference, to which `settings` belong, or an instance.

    Raises `UsageError` or `PluginError` where there is no such plugin.
    """
    reference, plugin = made(attacks, attack, settings)
    subject = Subject(reference, plugin)
    findings = [judge(contract, subject) for contract in (*RECIPE, says_what_it_spends_and_uses)]
    if isinstance(plugin, Certifier):
        findings.append(judge(asks_for_a_proof_that_can_be_had, subject))
    if not findings[-1].passed:
        return findings
    with exact("cpu"):
        for classes, channels in KINDS:
            found = judge(proposes_admissible_images, replace(subject, classes=classes, channels=channels))
            victim = f"{classes} classes, {channels} channel{'s' if channels > 1 else ''}"
            findings.append(replace(found, contract=f"{found.contract} ({victim})"))
        if all(finding.passed for finding in findings):
            contracts = (leaves_the_batch_alone, follows_its_generator, uses_what_it_says)
            findings += [judge(contract, subject) for contract in contracts]
    return findings


def says_what_it_spends_and_uses(subject: Subject) -> str | None:
    """`norm` and `knowledge` are words that the harness knows."""
    norm, knowledge = getattr(subject.plugin, "norm", None), getattr(subject.plugin, "knowledge", None)
    if norm not in NORMS:
        return f"norm must be one of {', '.join(NORMS)}; got {norm!r}."
    if knowledge not in get_args(Knowledge):
        return f"knowledge must be one of {', '.join(get_args(Knowledge))}; got {knowledge!r}."
    if (knowledge == "certified") != isinstance(subject.plugin, Certifier):
        return "knowledge = 'certified' and bench.Certifier go together; an attack proves nothing."
    return None


def asks_for_a_proof_that_can_be_had(subject: Subject) -> str | None:
    """Counts of noisy copies and a level of confidence that make a certificate, whose radius is one in l2."""
    assert isinstance(subject.plugin, Certifier)
    found = subject.plugin.smoothing()
    if not isinstance(found, Smoothing):
        return f"smoothing() returned {type(found).__name__}; it must return a bench.Smoothing."
    if not all(isinstance(count, int) and count >= 1 for count in (found.n0, found.n)):
        return f"n0 and n must be whole numbers from 1 up; got {found.n0!r} and {found.n!r}."
    if not 0 < found.alpha < 1:
        return f"alpha must lie between 0 and 1; got {found.alpha!r}."
    if subject.plugin.norm != "l2":
        return f"Gaussian noise proves a radius in l2; norm is {subject.plugin.norm!r}."
    return None


def proposes_admissible_images(subject: Subject) -> str | None:
    """Images of the batch's shape, within the threat model."""
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
    far = gap(*(subject.perturbed(subject.batch(), ambient).images for ambient in (1, 2)))
    return (
        f"Equal generators give images that differ by up to {far}; draw all randomness from the rng." if far else None
    )


def uses_what_it_says(subject: Subject) -> str | None:
    """A white-box attack asks for gradients, a black-box one for none; certifiers and adaptive attacks are free."""
    knowledge, (_, seen) = subject.plugin.knowledge, subject.run(subject.batch())
    if knowledge == "white-box" and not seen.backwards:
        return "It never asks for a gradient of a linear victim; declare knowledge = 'black-box'."
    if knowledge == "black-box" and seen.backwards:
        return "It asks for gradients; declare knowledge = 'white-box'."
    return None
