"""Any attack of foolbox (Rauber et al. 2017, 1707.04131; 2020, joss.02607), as `foolbox:NAME`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from attacks.libraries.adapter import (
    LibraryAttack,
    as_module,
    load,
    norm_field,
    plugin,
    revision_of,
    settings_of,
    summary_of,
)
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

    norm_parameter: ClassVar[str | None]
    """The constructor's parameter that names the norm, where there is one."""

    def _run(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Tensor:
        foolbox = library()
        arguments = self._arguments()
        if self.norm_parameter == "constraint":
            arguments["constraint"] = self.norm
        elif self.norm_parameter == "distance":
            arguments["distance"] = getattr(foolbox.distances, self.norm)
        device = batch.images.device
        model = foolbox.PyTorchModel(as_module(victim, device, redraws=False), bounds=(0, 1), device=device)
        attack = getattr(foolbox.attacks, self.member)(**arguments)
        epsilon = threat.radius if self.bounded else None
        _, clipped, _ = attack(model, batch.images.clone(), batch.labels.clone(), epsilons=epsilon)
        images: Tensor = clipped
        return images


class Foolbox:
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

    def member(self, name: str) -> type[FoolboxAttack]:
        """The plugin class of an attack."""
        return _plugin(name)


FAMILY = Foolbox()


def library() -> ModuleType:
    """foolbox; `PluginError` where it is not installed."""
    return load("foolbox", REMEDY)


@cache
def _plugin(name: str) -> type[FoolboxAttack]:
    foolbox = library()
    cls = getattr(foolbox.attacks, name)
    constructor = inspect.signature(cls.__init__).parameters
    fields = settings_of(cls.__init__, FILLED)
    named = [parameter for parameter in ("constraint", "distance") if parameter in constructor]
    facts: dict[str, Any] = {
        "norm_parameter": named[0] if named else None,
        "bounded": issubclass(cls, foolbox.attacks.base.FixedEpsilonAttack),
        "knowledge": "black-box" if any(part in cls.__name__ for part in BLACK_BOX) else "white-box",
        "revision": revision_of("foolbox"),
    }
    norm = _norm(cls)
    if "constraint" in named:
        fields.append(norm_field(("linf", "l2"), str(constructor["constraint"].default)))
    elif norm is None:
        fields.append(norm_field(NORMS, None))
    else:
        facts["norm"] = norm
    return plugin(FoolboxAttack, name, summary_of(cls, "foolbox"), fields, facts)


def _norm(cls: Any) -> str | None:
    """The norm of an attack's distance; None where a setting says it."""
    lengths = {float("inf"): "linf", 2: "l2", 1: "l1", 0: "l0"}
    if not isinstance(cls.distance, property):
        return lengths[cls.distance.p]
    return next((norm for norm in NORMS if cls.__name__.lower().startswith(norm)), None)
