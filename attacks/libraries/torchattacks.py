"""Any attack of torchattacks (Kim 2020, 2010.01950), as `torchattacks:NAME`."""

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

REMEDY = (
    "install it without its dependencies, for its pin on requests is refused by today's hub packages: "
    "pip install --no-deps torchattacks tqdm, and pip install scipy."
)
BUDGETS = ("eps", "max_epsilon", "pixels")
"""Parameters that are the plan's epsilon."""
FILLED = (*BUDGETS, "model", "norm", "seed", "n_classes", "verbose")
NORMS = {
    "l2": ("PGDL2", "PGDRSL2", "CW", "DeepFool"),
    "l1": ("EADL1", "EADEN"),
    "l0": ("OnePixel", "Pixle", "JSMA", "SparseFool"),
}
"""The norms of attacks that have neither an epsilon in linf nor a parameter `norm`, as their papers have them."""
CHOICES = {"FAB": ("linf", "l2", "l1")}
"""What a parameter `norm` may be where it is not linf or l2."""
BLACK_BOX = ("OnePixel", "Pixle", "Square", "SPSA", "GN")
NOT_ATTACKS = ("VANILA", "MultiAttack", "LGV")


@dataclass(frozen=True)
class Torchattack(LibraryAttack):
    """An attack of torchattacks: epsilon is the plan's, the classes are the victim's, a seed follows from the plan's.

    Gradients that the attack averages (`eot_iter`) are drawn anew, else a random defense's noise is fixed.
    """

    accepts: ClassVar[frozenset[str]]
    """The constructor's parameters."""

    def _run(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Tensor:
        import torch

        with torch.no_grad():
            classes = victim(batch.images[:1]).shape[1] if "n_classes" in self.accepts else 0
        epsilon = dict.fromkeys(BUDGETS, threat.radius) | {"pixels": int(threat.epsilon)}
        filled = {**epsilon, "norm": self.norm.capitalize(), "n_classes": classes}
        if "seed" in self.accepts:
            filled["seed"] = int(torch.randint(2**31, (), generator=rng, device=rng.device))
        redraws = getattr(self, "eot_iter", 1) > 1
        model = as_module(victim, batch.images.device, redraws)
        given = {name: value for name, value in filled.items() if name in self.accepts}
        attack = getattr(library(), self.member)(model, **given, **self._arguments())
        images: Tensor = attack(batch.images.clone(), batch.labels.clone())
        return images


class Torchattacks:
    """Any attack of the library torchattacks, with its own settings and the plan's epsilon; `bench check torchattacks`
    names them."""

    def members(self) -> Sequence[str]:
        """The attacks' names."""
        return [name for name in library().__all__ if name not in NOT_ATTACKS]

    def member(self, name: str) -> type[Torchattack]:
        """The plugin class of an attack."""
        return _plugin(name)


FAMILY = Torchattacks()


def library() -> ModuleType:
    """torchattacks; `PluginError` where it is not installed."""
    return load("torchattacks", REMEDY)


@cache
def _plugin(name: str) -> type[Torchattack]:
    cls = getattr(library(), name)
    accepts = frozenset(inspect.signature(cls.__init__).parameters)
    fields, norm = settings_of(cls.__init__, FILLED), _norm(name, accepts)
    facts: dict[str, Any] = {
        "accepts": accepts,
        "bounded": bool(accepts & set(BUDGETS)),
        "knowledge": "black-box" if name in BLACK_BOX else "white-box",
        "revision": revision_of("torchattacks"),
    }
    if norm is not None:
        facts["norm"] = norm
    elif "norm" in accepts:
        fields.append(norm_field(CHOICES.get(name, ("linf", "l2")), "linf"))
    else:
        fields.append(norm_field(("linf", "l2", "l1", "l0"), None))
    return plugin(Torchattack, name, summary_of(cls, "torchattacks"), fields, facts)


def _norm(name: str, accepts: frozenset[str]) -> str | None:
    """The norm of an attack's budget or distance; None where a setting says it."""
    listed = [norm for norm, names in NORMS.items() if name in names]
    if listed or "norm" in accepts:
        return listed[0] if listed else None
    return "linf" if accepts & set(BUDGETS) else None
