"""AutoAttack (Croce and Hein 2020, 2003.01690) through pyautoattack, unmodified, for any number of classes."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attacks.autoattack.library import Falls, Progress, classes_of, isolated, passes, seed_from, set_steps
from attacks.autoattack.limits import check_steps, possible
from attacks.autoattack.recall import Recall
from attacks.autoattack.settled import OpenRows
from attacks.parts.making import in_norm, in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

VERSIONS = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
    "custom": (),
}
ATTACKS = VERSIONS["plus"]


@dataclass(frozen=True)
class AutoAttack(Attack):
    """AutoAttack in the norm of a subclass; a shard is one batch, under one seed drawn from the passed generator.

    `version` is the library's: "standard" (what the field calls AutoAttack), "plus", "rand" for random defenses, or
    "custom", which runs `attacks` in their order with the library's bare defaults (5 restarts). The other settings
    replace the version's own where they are given: restarts of APGD and untargeted FAB, steps of APGD and FAB, Square's
    queries, gradients that APGD averages. Noise is fresh at every query where gradients are averaged; else it is fixed
    once the library has looked whether the defense is random.

    `early_stop` is for a white box, where an image's verdict is all that matters: APGD is done with a sample at the
    first point that the classifier, if deterministic, clearly misclassifies, and gives that point, while the library
    goes on to the last step for every sample. Verdicts are the library's, up to the rounding that a batch's size makes;
    images are not, and those found early transfer worse to other classifiers.

    Deviations, each told in a remark: with K classes there are at most K - 1 targets, where the library fails below 10
    (no remark: it is the same attack); the targeted DLR loss needs 4 classes and gives way to the untargeted one, which
    needs 3 and is left out below; Square in l2 and l1 is left out where its first tiles do not fit the image, as below
    5 pixels of height. In l1 the images are clamped to [0, 1], which the library's leave by a rounding error.
    """

    library = "pyautoattack"
    version: str = "standard"
    attacks: tuple[str, ...] = ()
    n_restarts: int | None = None
    n_iter: int | None = None
    n_queries: int | None = None
    eot_iter: int | None = None
    early_stop: bool = False

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise UsageError(f"AutoAttack has no version {self.version!r}.{_hint(self.version, tuple(VERSIONS))}")
        if (self.version == "custom") != bool(self.attacks):
            raise UsageError(
                "Settings 'version=custom' and 'attacks=...' go together; "
                f"got version={self.version} and {len(self.attacks)} attacks."
            )
        for name in self.attacks:
            if name not in ATTACKS:
                raise UsageError(f"AutoAttack has no part called {name!r}.{_hint(name, ATTACKS)}")
        at_least_one(self, "n_restarts", "n_iter", "n_queries", "eot_iter")
        if self.n_iter is not None:
            check_steps(self.norm, self.n_iter)

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """AutoAttack's images, clean where it found none, with its warnings as remarks and the part that each fell to.

        Equal, bit for bit, to `pyautoattack.AutoAttack` on this batch with the seed that `rng` gives, clamped in l1;
        Square's where the logits of an image do not hang, by rounding, on the size of its batch (`Recall`).
        """
        classes, height, width = classes_of(victim, batch), *batch.images.shape[2:]
        names, remarks = possible(self.attacks or VERSIONS[self.version], classes, self.norm, (height, width))
        if not names:
            raise UsageError(f"Nothing is left of AutoAttack's {', '.join(self.attacks)}: {'; '.join(remarks)}.")
        seed = seed_from(rng)
        progress, falls = Progress(victim, len(batch)), Falls(batch.labels)
        redraws = self.version == "rand" or (self.eot_iter or 1) > 1

        recall = Recall(victim)

        def model(images: Tensor) -> Tensor:
            if redraws:
                victim.redraw()
            progress.passed(len(images))
            return recall(images) if victim.deterministic and progress.attack == "square" else victim(images)

        def checked(images: Tensor) -> Tensor:
            if progress.attack == "clean" and not redraws:
                victim.redraw()  # so that the library can see whether the defense is random
            logits = model(images)
            falls.checked(progress.attack, logits)
            return logits

        with isolated(progress.read) as warned:
            adversary = self._adversary(model, names, classes, threat, batch.images.device, seed)
            adversary.get_logits = checked  # by which the library looks at clean images and at what a part found
            if self.early_stop and victim.deterministic:
                for part in (adversary.apgd, adversary.apgd_targeted):
                    part.perturb = _stopping(part, model)
            progress.passes = {name: passes(adversary, name) for name in names}
            images, _ = adversary.run_standard_evaluation(batch.images, batch.labels, batch_size=len(batch))
        if self.norm == "l1":
            images = images.clamp(0, 1)
        return Perturbed(images, remarks=(*remarks, *warned), fell_to=falls.names)

    def _adversary(
        self,
        model: Callable[[Tensor], Tensor],
        names: tuple[str, ...],
        classes: int,
        threat: ThreatModel,
        device: Any,
        seed: int,
    ) -> Any:
        """pyautoattack's object, set up as its own documentation does it."""
        import pyautoattack

        adversary = pyautoattack.AutoAttack(
            model,
            norm=self.norm.capitalize(),
            eps=threat.radius,
            version=self.version,
            seed=seed,
            device=device,
        )
        adversary.attacks_to_run = list(names)
        for part in (adversary.fab, adversary.apgd_targeted):
            part.n_target_classes = min(part.n_target_classes, classes - 1)
        for part in (adversary.apgd, adversary.apgd_targeted):
            part.eot_iter = self.eot_iter or part.eot_iter
            if self.n_iter is not None:
                set_steps(part, self.n_iter)
        adversary.fab.n_iter = self.n_iter or adversary.fab.n_iter
        adversary.square.n_queries = self.n_queries or adversary.square.n_queries
        for part in (adversary.apgd, adversary.fab):
            part.n_restarts = self.n_restarts or part.n_restarts
        return adversary


def _stopping(apgd: Any, model: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The library's `perturb` of a deterministic classifier, done with every sample that is clearly misled."""
    run = apgd.perturb

    def perturb(images: Tensor, labels: Tensor) -> Tensor:
        return OpenRows(model, images, labels, deterministic=True).attack(apgd, run)

    return perturb


AutoAttackLinf, AutoAttackL2 = in_norms(
    AutoAttack,
    ("linf", "l2"),
    "AutoAttack in {norm}: two APGD, FAB and Square (Croce and Hein 2020, 2003.01690).",
)
AutoAttackL1 = in_norm(
    AutoAttack,
    "l1",
    "AutoAttack in l1 (Croce and Hein 2021, 2103.01208): APGD from three times the budget down, 5 restarts.",
)


def _hint(name: str, known: tuple[str, ...]) -> str:
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else f" Known are: {', '.join(known)}."
