"""`bench list attacks pgd-linf`: one plugin with its settings, and what they are unless they are given."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from rich.table import Table

from bench.cli.console import escape, print_json, stdout, table
from bench.domain.blame import blame
from bench.domain.errors import BenchError
from bench.plugins.settings import choices, describe, setting_text, spell_out

if TYPE_CHECKING:
    from bench.plugins.registry import Registry

WORDS = {bool: "true or false", int: "whole number", float: "number", Fraction: "number", str: "text", Path: "path"}
NOT_GIVEN = "required"


@dataclass(frozen=True)
class Setting:
    """One setting: what it takes, its default as text (None where it must be given), and what the default is on a data
    set where that differs."""

    name: str
    takes: str
    choices: tuple[str, ...]
    default: str | None
    resolved: str | None


def show_plugin(registry: Registry[Any], reference: str, dataset: str, as_json: bool) -> None:
    """Show a plugin of one kind; defaults that depend on the data set as they are on this one.

    Raises `UsageError` for an unknown name, with the nearest one.
    """
    plugin = registry.find(reference)
    settings = _settings(registry, reference, plugin, dataset)
    with blame(reference):
        paragraphs = (inspect.getdoc(plugin) or "").split("\n\n")
        about = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
        budgets = ", ".join(f"{norm} {epsilon}" for norm, epsilon in getattr(plugin, "budgets", {}).items())
        facts = {name: str(getattr(plugin, name, "")) for name in ("norm", "knowledge", "family", "library")}
    facts = {name: value for name, value in {**facts, "budgets": budgets}.items() if value}
    if as_json:
        found = [{**dataclasses.asdict(each), "required": each.default is None} for each in settings]
        print_json({"name": reference, "kind": registry.kind, **facts, "about": about, "settings": found})
        return
    said = f" [dim]({escape(', '.join(facts.values()))})[/]" if facts else ""
    stdout.print(f"[bold]{escape(reference)}[/], {_article(registry.kind)}{said}\n\n{escape(about)}\n", highlight=False)
    if not settings:
        stdout.print("It has no settings.")
        return
    stdout.print(_table(settings, dataset))


def _table(settings: list[Setting], dataset: str) -> Table:
    varies = any(each.resolved is not None for each in settings)
    headings = ("setting", "takes", "default", *([f"on {escape(dataset)}"] if varies else []))
    return table(None, headings, (_cells(each)[: len(headings)] for each in settings))


def _cells(each: Setting) -> list[str]:
    default = NOT_GIVEN if each.default is None else each.default
    cells = (", ".join(each.choices) or each.takes, default, each.resolved or "")
    return [f"[bold]{escape(each.name)}[/]", *map(escape, cells)]


def _settings(registry: Registry[Any], reference: str, plugin: type, dataset: str) -> list[Setting]:
    with blame(reference):
        given = describe(plugin)
        hints = typing.get_type_hints(plugin) if given else {}
        resolved = _resolved(registry, reference, dataset) if NOT_GIVEN not in given.values() else {}
    found = []
    for field in dataclasses.fields(plugin) if given else ():
        if not field.init:
            continue
        default = None if given[field.name] == NOT_GIVEN else _default(field)
        there = resolved.get(field.name)
        found.append(
            Setting(
                field.name,
                takes(hints[field.name], field.name),
                choices(plugin, field.name),
                default,
                None if there == default else there,
            )
        )
    return found


def _default(field: dataclasses.Field[Any]) -> str:
    made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return setting_text(made)


def _resolved(registry: Registry[Any], reference: str, dataset: str) -> Mapping[str, str]:
    """What a defense's defaults are on a data set; nothing for other kinds, or where that cannot be told here."""
    from bench.plugins.registry import datasets

    if registry.kind != "defense":
        return {}
    try:
        task = datasets.make(dataset, {}).load("test", None).task
        return {
            name: setting_text(value) for name, value in spell_out(registry.make(reference, {}).resolve(task)).items()
        }
    except BenchError:
        return {}


def takes(wanted: Any, name: str) -> str:
    """What a setting of this type takes, in words."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (Union, types.UnionType):
        words = [takes(each, name) for each in inner if each is not type(None)]
        return " or ".join(words + (["none"] if type(None) in inner else []))
    if origin is Literal:
        return ", ".join(map(str, inner))
    if origin is tuple:
        return f"{takes(inner[0], name)}, several with commas"
    if getattr(wanted, "__name__", "") == "Part":
        return f"defense, its own settings as {name}.KEY"
    return WORDS.get(wanted, getattr(wanted, "__name__", str(wanted)))


def _article(kind: str) -> str:
    return f"{'an' if kind == 'attack' else 'a'} {kind}"
