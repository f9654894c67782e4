"""What the adapters of attack libraries share: a library's attack as a plugin whose settings are its constructor's."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from attacks.parts.making import SettingField, subclass
from bench import Attack, Batch, Perturbed, PluginError, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

A = TypeVar("A", bound="LibraryAttack")


class Number:
    """The type of a setting that is a whole number or another one, for a default of 1 does not say which."""

    @classmethod
    def from_plain(cls, value: object) -> int | float:
        """A number from a plan or from text, '2/255' included; `UsageError` for anything else."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        try:
            exact = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            raise UsageError(f"{value!r} is not a number; write it like 10, 0.01 or 2/255.") from None
        return int(exact) if exact.denominator == 1 else float(exact)


class Real(Number):
    """The type of a setting that is no count: 1 and 1.0 are one value and make one plan."""

    @classmethod
    def from_plain(cls, value: object) -> float:
        """A number as a float; `UsageError` for anything else."""
        return float(super().from_plain(value))


@dataclass(frozen=True)
class LibraryAttack(Attack):
    """An attack of another library, as a subclass made from its constructor; what it proposes is judged like any other.

    An attack that is given the budget proposes what it returns. One that looks for the smallest perturbation proposes
    its images within the budget, the clean ones elsewhere, and all that mislead the victim as `closest`.
    """

    distribution: ClassVar[str]
    """The library's name where it is installed from."""
    member: ClassVar[str]
    accepts: ClassVar[frozenset[str]]
    """The constructor's parameters."""
    bounded: ClassVar[bool]
    """Whether the library's attack is given the budget."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The library's images; its draws come from the global generators, which the harness seeds."""
        found = self._run(victim, batch, threat, rng).detach().to(batch.images)
        if self.bounded:
            return Perturbed(found)
        return nearest(victim, batch, threat, found)

    @abstractmethod
    def _run(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Tensor:
        """What the library's attack returns for copies of the batch."""

    def _arguments(self, **filled: Any) -> dict[str, Any]:
        """The constructor's keywords: the settings, and what is filled in of those that it has."""
        settings = {name: value for name, value in vars(self).items() if name != "norm"}
        return {name: value for name, value in filled.items() if name in self.accepts} | settings

    def _module(self, victim: Victim, device: Any) -> nn.Module:
        """The victim as a torch module on a device; every query has fresh noise where the attack averages gradients
        (`eot_iter`)."""
        import torch

        redraws = getattr(self, "eot_iter", 1) > 1

        class Module(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                # Libraries look for their device where a model's parameters are.
                self.place = torch.nn.Parameter(torch.empty(0, device=device), requires_grad=False)

            def forward(self, images: Tensor) -> Tensor:
                if redraws:
                    victim.redraw()
                victim.watch(0, 1, f"{victim.forwards} images asked about")
                return victim(images)

        return Module().eval()


class Library(ABC):
    """A library's attacks as plugins; each is the same class whenever it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, type[LibraryAttack]] = {}

    @abstractmethod
    def members(self) -> Sequence[str]:
        """The names of all attacks. Raises `PluginError` where the library is not installed."""

    def member(self, name: str) -> type[LibraryAttack]:
        """The plugin class of an attack."""
        if name not in self._made:
            self._made[name] = self._plugin(name)
        return self._made[name]

    @abstractmethod
    def _plugin(self, name: str) -> type[LibraryAttack]:
        """The plugin class, made anew."""


def nearest(victim: Victim, batch: Batch, threat: ThreatModel, found: Tensor) -> Perturbed:
    """A proposal of images at any distance, which costs one query of the victim; what is no image counts as clean."""
    import torch

    usable = ((found >= 0) & (found <= 1)).flatten(1).all(1)
    images = torch.where(usable.view(-1, 1, 1, 1), found, batch.images)
    with torch.no_grad():
        misled = victim(images).argmax(1) != batch.labels
    closest = torch.where(misled.view(-1, 1, 1, 1), images, batch.images)
    within = threat.admits(batch.images, closest)
    return Perturbed(torch.where(within.view(-1, 1, 1, 1), closest, batch.images), closest=closest)


def plugin(
    base: type[A],
    name: str,
    attack: Any,
    hidden: Collection[str],
    norms: str | tuple[str, ...],
    usual: str | None = None,
    **facts: Any,
) -> type[A]:
    """The plugin class of a library's attack, a class or a function whose parameters are settings but for the hidden
    ones; the norm is the attack's, or a setting's choice, required without a `usual` one. `facts` are class attributes.

    Its revision has the library's version in it, which changes what its attacks find.
    """
    constructor = attack.__init__ if inspect.isclass(attack) else attack
    settings = settings_of(constructor, hidden)
    if isinstance(norms, str):
        facts["norm"] = norms
    else:
        field = dataclasses.field() if usual is None else dataclasses.field(default=usual)
        settings.append(("norm", Literal[norms], field))
    source = f"{base.distribution} {version(base.distribution)}"
    told = " ".join((inspect.getdoc(attack) or attack.__name__).partition("\n\n")[0].split())
    facts |= {
        "member": name,
        "accepts": frozenset(inspect.signature(constructor).parameters),
        "revision": f"1+{source.replace(' ', '-')}",
    }
    return subclass(base, name, f"{told.rstrip('.')} ({attack.__name__} of {source}).", facts, settings)


def settings_of(constructor: Any, hidden: Collection[str]) -> list[SettingField]:
    """A constructor's parameters as fields, but for the hidden ones and those that no text can give, such as models.

    Raises `UsageError` where one of these has no default.
    """
    fields: list[SettingField] = []
    for parameter in list(inspect.signature(constructor).parameters.values())[1:]:
        if parameter.name in hidden or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        kind = _kind_of(parameter.default, parameter.annotation)
        if parameter.default is not parameter.empty and kind is not None:
            default = kind.from_plain(parameter.default) if kind in (Number, Real) else parameter.default
            fields.append((parameter.name, kind, dataclasses.field(default=default)))
        elif parameter.default is parameter.empty and parameter.annotation in (int, float):
            fields.append((parameter.name, Number, dataclasses.field()))
        elif parameter.default is parameter.empty:
            raise UsageError(f"It needs {parameter.name!r}, which no setting can give.")
    return fields


def load(library: str, remedy: str) -> ModuleType:
    """The library, or a `PluginError` that says how to install it; what it uses that is outdated is not told here."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return import_module(library)
    except ImportError as error:
        raise PluginError(f"{library} cannot be imported ({error}); {remedy}") from error


def _kind_of(default: object, annotation: Any) -> Any:
    """The type of a setting with this default; None where no text can give it."""
    choices = _choices(annotation)
    if isinstance(default, bool):
        return None if str in get_args(annotation) else bool
    if isinstance(default, int | float):
        return Real if annotation is float or isinstance(default, float) else Number
    if isinstance(default, str):
        return Literal[choices] if choices else str
    if isinstance(default, tuple) and all(isinstance(item, int | float) for item in default):
        return tuple[Number, ...]
    if default is None and {int, float} & set(get_args(annotation)):
        return (Real if float in get_args(annotation) else Number) | None
    return None


def _choices(annotation: Any) -> tuple[str, ...]:
    """The words of a Literal, or of a union of Literals."""
    if get_origin(annotation) is Literal:
        return tuple(word for word in get_args(annotation) if isinstance(word, str))
    if get_origin(annotation) is Union:
        return tuple(word for part in get_args(annotation) for word in _choices(part))
    return ()
