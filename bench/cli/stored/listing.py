"""`bench list`: what there is."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.api.opening import opened
from bench.cli import completing, options
from bench.cli.console import counted, escape, left_out, print_json, stdout, table
from bench.cli.shown.figures import colour, ends
from bench.cli.shown.models import list_models
from bench.domain.errors import UsageError
from bench.domain.threat import format_epsilon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.analysis.results.summary import Result
    from bench.plugins.registry import Listing, Registry
    from bench.protocols import Protocol


class What(StrEnum):
    """What `bench list` can list."""

    DEFENSES = "defenses"
    ATTACKS = "attacks"
    DATASETS = "datasets"
    MODELS = "models"
    PROTOCOLS = "protocols"
    STUDIES = "studies"
    PLANS = "plans"


def list_(
    *,
    what: Annotated[What, options.argument("What to list.")],
    name: Annotated[
        str | None,
        typer.Argument(
            help="One defense, attack or data set, to see its settings and their defaults.",
            show_default="all",
            autocompletion=completing.listed,
        ),
    ] = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    tags: options.OnlyTagged = None,
    db: options.Database = options.DEFAULT_DATABASE,
    as_json: options.Json = False,
) -> None:
    """List defenses, attacks, datasets, published models, protocols, studies, or the plans in the store.

    With a NAME, show what one defense, attack or data set is, its settings, what they take and their defaults.
    """
    if tags and what is not What.PLANS:
        raise UsageError(f"Only plans have tags; leave out --tag to list {what}.")
    if name is not None:
        _show_one(what, name, dataset, as_json)
    elif what is What.PLANS:
        _list_plans(db, tags or (), as_json)
    elif what is What.MODELS:
        list_models(as_json)
    elif what is What.PROTOCOLS:
        _list_protocols(as_json)
    elif what is What.STUDIES:
        _list_studies(as_json)
    else:
        _list_plugins(what, as_json)


def _show_one(what: What, name: str, dataset: str, as_json: bool) -> None:
    from bench.cli.shown.plugin import show_plugin

    if what not in (What.DEFENSES, What.ATTACKS, What.DATASETS):
        hint = f"`bench show {name}` shows a plan" if what is What.PLANS else f"`bench list {what}` lists them all"
        raise UsageError(f"Settings are those of defenses, attacks and datasets; {hint}.")
    show_plugin(_registry(what), name, dataset, as_json)


def _registry(what: What) -> Registry[Any]:
    from bench.plugins import registry

    kind: Registry[Any] = getattr(registry, what.value)
    return kind


def _list_plugins(what: What, as_json: bool) -> None:
    listings = _registry(what).listings()
    if as_json:
        print_json([_plugin_document(listing) for listing in listings])
        return
    shown = {What.ATTACKS: {"norm": "norm", "knowledge": "sees"}, What.DEFENSES: {"family": "family"}}.get(what, {})
    headings = ("name", *shown.values(), "what it is", "settings")
    stdout.print(table(what.value, headings, (_plugin_cells(listing, shown) for listing in listings)))


def _plugin_cells(listing: Listing, shown: Iterable[str]) -> list[str]:
    facts = [escape(listing.facts.get(fact, "")) for fact in shown]
    about = f"[red]broken[/] {escape(listing.broken)}" if listing.broken else escape(listing.summary)
    settings = " ".join(f"{key}={value}" for key, value in listing.settings.items() if value != "None")
    return [f"[bold]{escape(listing.name)}[/]", *facts, about, f"[dim]{escape(settings)}[/]"]


def _plugin_document(listing: Listing) -> dict[str, Any]:
    return {
        "name": listing.name,
        "target": listing.target,
        "summary": listing.summary,
        "settings": dict(listing.settings),
        **listing.facts,
        "broken": listing.broken,
    }


def _list_protocols(as_json: bool) -> None:
    from bench.protocols import builtin_protocols

    protocols = builtin_protocols().values()
    if as_json:
        print_json([_protocol_document(protocol) for protocol in protocols])
        return
    headings = ("name", "samples", "source", "epsilon", "attacks", "what it is")
    stdout.print(table("protocols", headings, map(_protocol_cells, protocols)))


def _protocol_document(protocol: Protocol) -> dict[str, Any]:
    plain = ("name", "version", "description", "samples", "sample_seed", "source")
    return {
        **{name: getattr(protocol, name) for name in plain},
        "epsilon": None if protocol.epsilon is None else float(protocol.epsilon),
        "attacks": [attack.name for attack in protocol.attacks],
    }


def _protocol_cells(protocol: Protocol) -> list[str]:
    epsilon = "customary" if protocol.epsilon is None else format_epsilon(protocol.epsilon)
    attacks = ("\n" if stdout.is_terminal else ", ").join(attack.name for attack in protocol.attacks)
    name = f"[bold]{protocol.name}[/] [dim]{protocol.version}[/]"
    return [name, str(protocol.samples), protocol.source or "itself", epsilon, attacks, protocol.description]


def _list_studies(as_json: bool) -> None:
    from bench.protocols.studies import builtin_studies, heading

    studies = [heading(path) for path in builtin_studies().values()]
    if as_json:
        print_json([asdict(study) for study in studies])
        return
    found = table("studies", ("name", "data sets", "scales", "paper", "what it is"))
    for study in studies:
        cells = (", ".join(study.datasets), ", ".join(study.scales), study.title, study.description)
        found.add_row(f"[bold]{study.name}[/] [dim]{study.version}[/]", *cells)
    stdout.print(found)


def _list_plans(db: str, tags: Sequence[str], as_json: bool) -> None:
    from bench.analysis.boards.tagging import tagged
    from bench.analysis.results.summary import read

    with opened(db, None, left_out) as store:
        results = tagged([read(store, plan) for plan in store.plans()], tags)
    if as_json:
        print_json([result.document() for result in results])
        return
    headings = ["plan", "data set", "defense", "attack", "budget", "source", "n", "clean", "robust", "assurance"]
    headings += ["tags"] if any(result.labels.tags for result in results) else []
    rows = (_plan_cells(result)[: len(headings)] for result in results)
    stdout.print(table(f"plans in {escape(store.location)}", headings, rows, right=("n", "clean", "robust")))


def _plan_cells(result: Result) -> list[str]:
    plan = result.plan
    doubts = f" [yellow]{counted(len(result.doubts), 'doubt')}[/]" if result.doubts else ""
    return [
        plan.digest[:12] if stdout.is_terminal else plan.digest,
        escape(plan.dataset.name),
        f"[bold]{escape(plan.defense.name)}[/]",
        escape(plan.attack.name),
        str(plan.threat),
        escape(plan.source.name) if plan.source else "itself",
        str(result.n) if result.complete else f"{result.n} of {plan.samples}",
        f"{result.clean_accuracy:.2%}",
        f"[bold]{result.robust_accuracy:.2%}[/] {ends(result.interval)}",
        f"[{colour(result.assurance)}]{result.assurance.text}[/]{doubts}",
        f"[cyan]{escape(' '.join(result.labels.tags))}[/]",
    ]
