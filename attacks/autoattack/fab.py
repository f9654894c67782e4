"""FAB (Croce and Hein 2020, 1907.02044) through pyautoattack: the nearest misclassified image, not just one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from attacks.autoattack.library import classes_of, isolated, seed_from
from attacks.parts.making import in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Fab(Attack):
    """FAB as AutoAttack runs it: a shard is one batch, under one seed drawn from the passed generator.

    `alpha_max` bounds the pull towards the clean image, `eta` how far a step overshoots the boundary, `beta` how far it
    then goes back. Restarts begin at random within half the plan's epsilon.

    The images are the library's, bit for bit: of each sample the first run's that lies within epsilon, runs over
    restarts and targets being made for the samples that are still robust. The nearest images are more than the library
    gives, for it drops what lies beyond epsilon: they are the nearest of every run, for which those runs are made up
    for that a sample missed because an earlier one had broken it. So they do not hang on epsilon, but through restarts.
    """

    library = "pyautoattack"
    name: ClassVar[str] = "fab"
    n_iter: int = 100
    n_restarts: int = 1
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __post_init__(self) -> None:
        at_least_one(self, "n_iter", "n_restarts")
        for name, value in (("alpha_max", self.alpha_max), ("beta", self.beta)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name} is a share from 0 to 1; got {value}.")
        if self.eta < 1:
            raise UsageError(f"eta must be at least 1, for a step must reach the boundary; got {self.eta}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`, clean where none was found there, and the nearest ones that were found at all."""
        import torch
        from pyautoattack.fab_pt import FABAttack_PT

        classes, seed = classes_of(victim, batch), seed_from(rng)
        with isolated() as warned, torch.no_grad():
            search = Search(victim, batch, self.norm, self.name)
            part = FABAttack_PT(
                search,
                norm=self.norm.capitalize(),
                n_restarts=self.n_restarts,
                n_iter=self.n_iter,
                eps=threat.radius,
                alpha_max=self.alpha_max,
                eta=self.eta,
                beta=self.beta,
                seed=seed,
                device=batch.images.device,
            )
            torch.manual_seed(seed)
            images = search.within(part, tuple(self._runs(classes)))
        return Perturbed(images, remarks=tuple(warned), closest=search.closest)

    def _runs(self, classes: int) -> Iterator[tuple[int | None, bool]]:
        """The rank of the class that each run aims at, and whether it begins at random."""
        for restart in range(self.n_restarts):
            yield None, restart > 0


class Search:
    """Runs of the library's FAB over one batch, and the nearest misclassified image of each sample so far."""

    def __init__(self, victim: Victim, batch: Batch, norm: str, name: str) -> None:
        import torch

        self.closest = batch.images.clone()
        self._victim, self._batch, self._norm, self._name = victim, batch, norm, name
        self._nearest = torch.full(batch.labels.shape, torch.inf, device=batch.images.device)
        self._done = self._told = self._total = 0
        self._note = "clean"

    def __call__(self, images: Tensor) -> Tensor:
        """The victim's logits; every half percent of the passes is told."""
        self._done += len(images)
        if self._done - self._told >= self._total / 200 and self._total:
            self._told = self._done
            self._victim.watch(self._done, self._total, f"{self._name}, {self._note}")
        return self._victim(images)

    def within(self, part: Any, runs: tuple[tuple[int | None, bool], ...]) -> Tensor:
        """The images within epsilon, of the first run that finds one; `closest` is complete afterwards.

        Made-up runs come last, so that they draw nothing that the library's own would have drawn.
        """
        images, labels = self._batch.images.clone(), self._batch.labels
        right = self._victim(images).max(1)[1] == labels
        robust, missed = right.clone(), []
        self._total = int(right.sum()) * sum(2 * part.n_iter + (2 if rank is None else 3) for rank, _ in runs)
        for run in runs:
            rows = robust.nonzero().flatten()
            missed.append((right & ~robust).nonzero().flatten())
            self._note = f"{len(rows)} robust samples left"
            if len(rows):
                found, distances = self._run(part, rows, *run)
                near = distances <= part.eps
                images[rows[near]], robust[rows[near]] = found[near], False
        for run, rows in zip(runs, missed, strict=True):
            self._note = f"nearest images of {len(rows)} broken samples"
            if len(rows):
                self._run(part, rows, *run)
        return images

    def _run(self, part: Any, rows: Tensor, rank: int | None, at_random: bool) -> tuple[Tensor, Tensor]:
        """One run's images of these rows, and how far they are; infinitely where they are classified correctly."""
        clean, labels = self._batch.images[rows], self._batch.labels[rows]
        part.target_class = rank
        found = part.attack_single_run(clean, labels, use_rand_start=at_random, is_targeted=rank is not None)
        delta = (clean - found).flatten(1)
        if self._norm == "l2":
            distances = delta.square().sum(1).sqrt()
        else:
            distances = delta.abs().amax(1) if self._norm == "linf" else delta.abs().sum(1)
        distances[self(found).max(1)[1] == labels] = float("inf")
        nearer = distances < self._nearest[rows]
        self._nearest[rows[nearer]], self.closest[rows[nearer]] = distances[nearer], found[nearer]
        return found, distances


@dataclass(frozen=True)
class FabT(Fab):
    """FAB towards each of the `n_target_classes` likeliest wrong classes of the K - 1 that there are, one run each."""

    name: ClassVar[str] = "fab-t"
    n_target_classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "n_target_classes")

    def _runs(self, classes: int) -> Iterator[tuple[int | None, bool]]:
        for target in range(min(self.n_target_classes, classes - 1)):
            for restart in range(self.n_restarts):
                yield target + 2, restart > 0


NORMS, SOURCE = ("linf", "l2", "l1"), "Croce and Hein 2020, 1907.02044"
FabLinf, FabL2, FabL1 = in_norms(Fab, NORMS, f"FAB, the nearest image across any boundary, in {{norm}} ({SOURCE}).")
FabTLinf, FabTL2, FabTL1 = in_norms(FabT, NORMS, f"FAB towards one class after another in {{norm}} ({SOURCE}).")
