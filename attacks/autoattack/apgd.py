"""APGD (Croce and Hein 2020, 2003.01690; in l1: 2021, 2103.01208) through pyautoattack, one loss at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from attacks.autoattack.library import classes_of, isolated, points, seed_from
from attacks.autoattack.limits import check_steps, possible
from attacks.autoattack.settled import OpenRows
from attacks.parts.making import in_norm, in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Apgd(Attack):
    """APGD as AutoAttack runs it: a shard is one batch, under one seed drawn from the passed generator.

    `rho` is the share of a window's steps that must climb for the step size to stay (without effect in l1, where the
    sparsity decides). Each gradient is averaged over `eot_iter` draws of fresh noise; 1 keeps the noise of the
    prediction. In l1 a run goes through three, two and one times the budget, as AutoAttack's does.

    A sample's verdict is the library's on the same seed and batch, and so is the iteration that decides it, up to the
    rounding that a batch's size makes. Its image is not: where the classifier is deterministic, a sample is done with
    at the first point that it clearly misclassifies, and that point is proposed, while the library goes on and gives
    the last such point; those of samples that are never broken are the clean ones in both. Of random classifiers, which
    need every point, all images are the library's bit for bit (but that pixels are clamped to [0, 1] in l1).

    The DLR loss needs 3 classes, its targeted kind 4. With fewer the next simpler loss stands in, told in a remark;
    with 2 classes every loss rises with the one margin that there is.
    """

    library = "pyautoattack"
    name: ClassVar[str]
    n_iter: int = 100
    n_restarts: int = 1
    rho: float = 0.75
    eot_iter: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "n_iter", "n_restarts", "eot_iter")
        check_steps(self.norm, self.n_iter)
        if not 0 < self.rho <= 1:
            raise UsageError(f"rho is a share of steps above 0 and up to 1; got {self.rho}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`, clean where no misclassified one was found.

        Iterations count the points where the loss was looked at, over restarts and targets, a run's start included.
        """
        classes = classes_of(victim, batch)
        name, remarks = self._possible(classes)
        seed, device = seed_from(rng), batch.images.device

        def ask(images: Tensor) -> Tensor:
            if self.eot_iter > 1:
                victim.redraw()
            return victim(images)

        def told(point: int, left: int) -> None:
            victim.watch(point, total, f"{name}, {left} robust samples left")

        with isolated() as warned:
            part = self._part(name, threat.radius, classes, seed, device)
            total = points(part) * self.n_restarts * getattr(part, "n_target_classes", 1)
            rows = OpenRows(ask, batch.images, batch.labels, victim.deterministic, self.eot_iter, told)
            images = rows.attack(part, part.perturb)
        if self.norm == "l1":
            images = images.clamp(0, 1)
        return Perturbed(images, remarks=(*remarks, *warned), broken_at=rows.broken_at)

    def _possible(self, classes: int) -> tuple[str, tuple[str, ...]]:
        """The attack that so many classes allow, and what was changed for it."""
        names, remarks = possible((self.name,), classes, self.norm, (0, 0))
        if names:
            return names[0], remarks
        return "apgd-ce", (f"{self.name} needs 3 classes and there are {classes}: apgd-ce runs instead",)

    def _part(self, name: str, epsilon: float, classes: int, seed: int, device: Any) -> Any:
        """pyautoattack's object; its model is still to be given."""
        from pyautoattack.autopgd_base import APGDAttack

        settings = self._settings(epsilon, seed, device)
        return APGDAttack(None, loss=name.removeprefix("apgd-"), **settings)

    def _settings(self, epsilon: float, seed: int, device: Any) -> dict[str, Any]:
        """What both kinds of the library's APGD are built with."""
        return {
            "n_iter": self.n_iter,
            "norm": self.norm.capitalize(),
            "n_restarts": self.n_restarts,
            "eps": epsilon,
            "seed": seed,
            "eot_iter": self.eot_iter,
            "rho": self.rho,
            "device": device,
            "use_largereps": self.norm == "l1",
            "logger": logging.getLogger("auto-attack"),
        }


@dataclass(frozen=True)
class ApgdT(Apgd):
    """APGD on the targeted DLR loss, a run for each of the `n_target_classes` likeliest wrong classes of K - 1."""

    name: ClassVar[str] = "apgd-t"
    n_target_classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "n_target_classes")

    def _part(self, name: str, epsilon: float, classes: int, seed: int, device: Any) -> Any:
        from pyautoattack.autopgd_base import APGDAttack_targeted

        if name != "apgd-t":
            return super()._part(name, epsilon, classes, seed, device)
        targets = min(self.n_target_classes, classes - 1)
        return APGDAttack_targeted(None, n_target_classes=targets, **self._settings(epsilon, seed, device))


IN_2020, IN_2021 = "Croce and Hein 2020, 2003.01690", "Croce and Hein 2021, 2103.01208"

_CE = "APGD on the cross-entropy in {norm}"
ApgdCeLinf, ApgdCeL2 = in_norms(Apgd, ("linf", "l2"), f"{_CE} ({IN_2020}).", "ApgdCe", name="apgd-ce")
ApgdCeL1 = in_norm(Apgd, "l1", f"{_CE.format(norm='l1')} ({IN_2021}).", "ApgdCe", name="apgd-ce", n_restarts=5)

_DLR = "APGD on the difference of logits ratio in {norm}"
ApgdDlrLinf, ApgdDlrL2 = in_norms(Apgd, ("linf", "l2"), f"{_DLR} ({IN_2020}).", "ApgdDlr", name="apgd-dlr")
ApgdDlrL1 = in_norm(Apgd, "l1", f"{_DLR.format(norm='l1')} ({IN_2021}).", "ApgdDlr", name="apgd-dlr", n_restarts=5)

_TARGETED = "APGD on the targeted difference of logits ratio in {norm}"
ApgdTLinf, ApgdTL2 = in_norms(ApgdT, ("linf", "l2"), f"{_TARGETED} ({IN_2020}).")
ApgdTL1 = in_norm(ApgdT, "l1", f"{_TARGETED.format(norm='l1')} ({IN_2021}).", n_target_classes=5)
