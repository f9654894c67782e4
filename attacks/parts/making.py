"""Plugin classes made from data: one attack in several norms, a library's attack with its own settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, fields, make_dataclass
from inspect import get_annotations
from typing import Any, TypeVar, cast

from bench import Attack

A = TypeVar("A", bound=Attack)
SettingField = tuple[str, Any, Any]
"""Name, type and `dataclasses.field` of a setting."""


def subclass(
    base: type[A], name: str, summary: str, facts: Mapping[str, Any], settings: Collection[SettingField] = ()
) -> type[A]:
    """A frozen dataclass with this docstring, these class attributes and, by keyword, these settings besides."""
    namespace = {"__doc__": summary, "__module__": base.__module__, **facts}
    made = make_dataclass(name, settings, bases=(base,), namespace=namespace, frozen=True, kw_only=True)
    made.__module__ = base.__module__  # since Python 3.12 `make_dataclass` puts its caller's there
    return cast("type[A]", made)


def in_norm(base: type[A], norm: str, summary: str, stem: str = "", **own: Any) -> type[A]:
    """An attack in one norm, named `stem` (else as `base` is) with the norm behind it, as FmnLinf; it is to be assigned
    to that name in the module of `base`.

    `own` are class attributes that `base` or a class above it declares, and other defaults of its settings. Raises
    `TypeError` for a name that is neither.
    """
    declared = {name for kind in base.__mro__ for name in get_annotations(kind)}
    if not declared.issuperset(own):
        raise TypeError(f"{base.__name__} declares no {', '.join(sorted(own.keys() - declared))}.")
    types = {each.name: each.type for each in fields(cast("Any", base))}
    facts = {name: value for name, value in own.items() if name not in types}
    settings = [(name, types[name], field(default=own[name], kw_only=False)) for name in own if name in types]
    return subclass(base, (stem or base.__name__) + norm.capitalize(), summary, {"norm": norm, **facts}, settings)


def in_norms(base: type[A], norms: Collection[str], summary: str, stem: str = "", **own: Any) -> tuple[type[A], ...]:
    """The same in several norms; `summary` has '{norm}' in their place."""
    return tuple(in_norm(base, norm, summary.format(norm=norm), stem, **own) for norm in norms)
