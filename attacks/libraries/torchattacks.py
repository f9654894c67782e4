"""Any attack of torchattacks (Kim 2020, 2010.01950), as `torchattacks:NAME`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from attacks.libraries.adapter import Library, LibraryAttack, load, plugin
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

    distribution = "torchattacks"

    def _run(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Tensor:
        import torch

        with torch.no_grad():
            classes = victim(batch.images[:1]).shape[1] if "n_classes" in self.accepts else 0
        epsilon = dict.fromkeys(BUDGETS, threat.radius) | {"pixels": int(threat.epsilon)}
        filled = {**epsilon, "norm": self.norm.capitalize(), "n_classes": classes}
        if "seed" in self.accepts:
            filled["seed"] = int(torch.randint(2**31, (), generator=rng, device=rng.device))
        model = self._module(victim, batch.images.device)
        images: Tensor = getattr(library(), self.member)(model, **self._arguments(**filled))(
            batch.images.clone(), batch.labels.clone()
        )
        return images


class Torchattacks(Library):
    """Any attack of the library torchattacks, with its own settings and the plan's epsilon; `bench check torchattacks`
    names them."""

    def members(self) -> Sequence[str]:
        """The attacks' names."""
        return [name for name in library().__all__ if name not in NOT_ATTACKS]

    def _plugin(self, name: str) -> type[Torchattack]:
        cls = getattr(library(), name)
        accepts = frozenset(inspect.signature(cls.__init__).parameters)
        norms, usual = _norms(name, accepts)
        return plugin(
            Torchattack,
            name,
            cls,
            FILLED,
            norms,
            usual,
            bounded=bool(accepts & set(BUDGETS)),
            knowledge="black-box" if name in BLACK_BOX else "white-box",
        )


FAMILY = Torchattacks()


def library() -> ModuleType:
    """torchattacks; `PluginError` where it is not installed."""
    return load("torchattacks", REMEDY)


def _norms(name: str, accepts: frozenset[str]) -> tuple[str | tuple[str, ...], str | None]:
    """The norm of an attack's budget or distance; or those that a setting chooses from, and its default."""
    listed = [norm for norm, names in NORMS.items() if name in names]
    if listed:
        return listed[0], None
    if "norm" in accepts:
        return CHOICES.get(name, ("linf", "l2")), "linf"
    return ("linf" if accepts & set(BUDGETS) else ("linf", "l2", "l1", "l0")), None
