"""Any attack of adversarial-library (Rony et al. 2020), whose strength are minimum-norm attacks, as `adv-lib:NAME`."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attacks.libraries.adapter import Library, LibraryAttack, load, plugin
from bench import Batch, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

REMEDY = (
    "install it without its dependencies, of which its attacks need tqdm alone (and setuptools since Python 3.12): "
    "pip install --no-deps adv-lib tqdm."
)
UNUSED = {"visdom": {}, "torchvision": {"models": None}}
"""Modules that it imports and no attack here uses, by what it takes from them: plots, and a perceptual distance."""
NORMS: Mapping[str, str | tuple[str, ...]] = {
    "alma": ("l2", "l1"),
    "apgd": ("linf", "l2", "l1"),
    "apgd_targeted": ("linf", "l2", "l1"),
    "carlini_wagner_l2": "l2",
    "carlini_wagner_linf": "linf",
    "ddn": "l2",
    "df": ("l2", "linf"),
    "fab": ("linf", "l2", "l1"),
    "fga": "l0",
    "fmn": ("linf", "l2", "l1", "l0"),
    "pdgd": "l2",
    "pdpgd": ("linf", "l2", "l1"),
    "pgd_linf": "linf",
    "sdf": "l2",
    "sigma_zero": "l0",
    "tr": ("l2", "linf"),
    "vfga": "l0",
}
"""Its attacks that keep a norm, by that or those that a setting chooses from."""
BUDGETS = {"apgd": "eps", "apgd_targeted": "eps", "pgd_linf": "ε"}
"""The parameters that are the plan's epsilon; what others call so is none, or limits a search that is left free."""
FILLED = (
    *("inputs", "labels", "targeted", "norm", "p", "distance", "eps", "ε", "levels", "starting_points", "large_memory"),
    *("return_unsuccessful", "return_targets", "best_loss", "grad_norm"),
)
"""Parameters that are no settings: given here, or other answers than images. `levels` would round images to 8 bits."""
CODES = {"linf": math.inf, "l2": 2, "l1": 1, "l0": 0}


@dataclass(frozen=True)
class AdversarialLibraryAttack(LibraryAttack):
    """An attack of adversarial-library: epsilon is the plan's where the attack takes one, images are never rounded, and
    the noise of a random defense is fixed unless the attack averages gradients (`eot_iter`)."""

    distribution = "adv-lib"

    def _run(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Tensor:
        code = CODES[self.norm]
        filled = {"norm": code, "p": code, "distance": self.norm, "targeted": False, "levels": None}
        if self.bounded:
            filled[BUDGETS[self.member]] = threat.radius
        model, attack = self._module(victim, batch.images.device), getattr(library(), self.member)
        images: Tensor = attack(model, batch.images.clone(), batch.labels.clone(), **self._arguments(**filled))
        return images


class AdversarialLibrary(Library):
    """Any attack of adversarial-library that keeps a norm, with its own settings and the plan's epsilon; `bench check
    adv-lib` names them."""

    def members(self) -> Sequence[str]:
        """The attacks' names."""
        return [name for name in NORMS if hasattr(library(), name)]

    def _plugin(self, name: str) -> type[AdversarialLibraryAttack]:
        attack, norms = getattr(library(), name), NORMS[name]
        parameters = inspect.signature(attack).parameters
        named = parameters.get("norm", parameters.get("p", parameters.get("distance")))
        usual = None if named is None or named.default is named.empty else norms[0]
        return plugin(AdversarialLibraryAttack, name, attack, FILLED, norms, usual, bounded=name in BUDGETS)


FAMILY = AdversarialLibrary()


@cache
def library() -> ModuleType:
    """adversarial-library's attacks; `PluginError` where it is not installed."""
    with _without(UNUSED):
        return load("adv_lib.attacks", REMEDY)


@contextmanager
def _without(unused: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Where these modules are not installed, empty ones stand in while something is imported."""
    absent = [name for name in unused if name not in sys.modules and find_spec(name) is None]
    for name in absent:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(unused[name])
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
