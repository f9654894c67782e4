"""Any attack of foolbox (Rauber et al. 2017, 1707.04131; 2020, joss.02607), as `foolbox:NAME`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attacks.libraries.adapter import Library, LibraryAttack, load, plugin
from bench import Batch, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

REMEDY = "install it with pip install 'defense-bench[foolbox]'."
FILLED = ("distance", "constraint", "tensorboard", "channel_axis")
NORMS = ("linf", "l2", "l1", "l0")
BLACK_BOX = (
    *("Noise", "Blur", "Contrast", "Inversion", "GenAttack", "BoundaryAttack", "HopSkipJump", "Pointwise"),
    "BinarizationRefinement",
)
"""Parts of the names of attacks that use no gradient."""
NEEDS_MORE = ("DatasetAttack", "BinarizationRefinementAttack", "GenAttack")
"""They need other images, images that already mislead, or a target."""


@dataclass(frozen=True)
class FoolboxAttack(LibraryAttack):
    """An attack of foolbox: epsilon is the plan's where the attack takes one, the noise of a random defense is fixed.

    An attack that takes an epsilon proposes foolbox's clipped images.
    """

    distribution = "foolbox"

    def _run(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Tensor:
        foolbox, device = library(), batch.images.device
        distance = getattr(foolbox.distances, self.norm)
        named = {"constraint": self.norm} if "constraint" in self.accepts else {"distance": distance}
        model = foolbox.PyTorchModel(self._module(victim, device), bounds=(0, 1), device=device)
        attack = getattr(foolbox.attacks, self.member)(**self._arguments(**named))
        epsilon = threat.radius if self.bounded else None
        _, clipped, _ = attack(model, batch.images.clone(), batch.labels.clone(), epsilons=epsilon)
        images: Tensor = clipped
        return images


class Foolbox(Library):
    """Any attack of the library foolbox, with its own settings and the plan's epsilon; `bench check foolbox` names
    them."""

    def members(self) -> Sequence[str]:
        """The names, foolbox's short forms too, of all attacks that keep a norm and need nothing else."""
        attacks = library().attacks
        base = attacks.base.AttackWithDistance
        return [
            name
            for name, value in vars(attacks).items()
            if inspect.isclass(value)
            and issubclass(value, base)
            and not inspect.isabstract(value)
            and name not in NEEDS_MORE
        ]

    def _plugin(self, name: str) -> type[FoolboxAttack]:
        foolbox = library()
        cls = getattr(foolbox.attacks, name)
        norms, usual = _norms(cls)
        return plugin(
            FoolboxAttack,
            name,
            cls,
            FILLED,
            norms,
            usual,
            bounded=issubclass(cls, foolbox.attacks.base.FixedEpsilonAttack),
            knowledge="black-box" if any(part in cls.__name__ for part in BLACK_BOX) else "white-box",
        )


FAMILY = Foolbox()


def library() -> ModuleType:
    """foolbox; `PluginError` where it is not installed."""
    return load("foolbox", REMEDY)


def _norms(cls: Any) -> tuple[str | tuple[str, ...], str | None]:
    """The norm of an attack's distance; or those that a setting chooses from, and its default."""
    constructor = inspect.signature(cls.__init__).parameters
    if "constraint" in constructor:
        return ("linf", "l2"), str(constructor["constraint"].default)
    if not isinstance(cls.distance, property):
        return {float("inf"): "linf", 2: "l2", 1: "l1", 0: "l0"}[cls.distance.p], None
    return next((norm for norm in NORMS if cls.__name__.lower().startswith(norm)), NORMS), None
