"""What the adapters of attack libraries share: a library's attack as a plugin whose settings are its constructor's."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Union, cast, get_args, get_origin

from bench import Attack, Batch, Perturbed, PluginError, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

A = TypeVar("A", bound="LibraryAttack")
SettingField = tuple[str, Any, Any]
"""Name, type and `dataclasses.field` of a setting."""


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

    member: ClassVar[str]
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

    def _arguments(self) -> dict[str, Any]:
        """The settings as the constructor's keywords."""
        return {name: value for name, value in vars(self).items() if name != "norm"}


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
    base: type[A], name: str, summary: str, fields: Collection[SettingField], facts: Mapping[str, Any]
) -> type[A]:
    """The plugin class of a library's attack: a frozen dataclass with these settings and class attributes."""
    attributes = {"__doc__": summary, "__module__": base.__module__, "member": name, **facts}
    made = dataclasses.make_dataclass(name, fields, bases=(base,), namespace=attributes, frozen=True, kw_only=True)
    return cast("type[A]", made)


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


def norm_field(choices: tuple[str, ...], default: str | None) -> SettingField:
    """The setting of an attack that knows several norms; required without a default."""
    field = dataclasses.field() if default is None else dataclasses.field(default=default)
    return "norm", Literal[choices], field


def load(library: str, remedy: str) -> ModuleType:
    """The library, or a `PluginError` that says how to install it; what it uses that is outdated is not told here."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return import_module(library)
    except ImportError as error:
        raise PluginError(f"{library} cannot be imported ({error}); {remedy}") from error


def revision_of(library: str) -> str:
    """The adapter's revision with the library's version, which changes what its attacks find."""
    return f"1+{library}-{version(library)}"


def summary_of(attack: type, library: str) -> str:
    """What the library says of an attack in its first paragraph, and which version says it."""
    text = " ".join((inspect.getdoc(attack) or attack.__name__).partition("\n\n")[0].split())
    return f"{text.rstrip('.')} ({attack.__name__} of {library} {version(library)})."


def as_module(victim: Victim, device: Any, redraws: bool) -> nn.Module:
    """The victim as a torch module on a device; `redraws` gives every query fresh noise."""
    import torch

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
