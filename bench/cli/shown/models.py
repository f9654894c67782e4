"""`bench list models`: what defenses that know a whole zoo can load, with the figures published for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.cli.console import escape, print_json, stdout, table, warn
from bench.domain.errors import BenchError
from bench.domain.threat import format_epsilon

if TYPE_CHECKING:
    from bench.domain.defense import Published


def list_models(as_json: bool) -> None:
    """Ask every registered defense for its models; one that cannot answer says why."""
    found = _models()
    if as_json:
        print_json([_document(defense, model) for defense, model in found])
        return
    if not found:
        stdout.print("No defense that is installed knows published models.")
    for defense in dict.fromkeys(defense for defense, _ in found):
        rows = [model for name, model in found if name == defense]
        title = f"models of {defense}; figures published by {rows[0].source}, not measured by bench"
        headings = ("model", "data set", "budget", "clean", "robust", "published in")
        stdout.print(table(title, headings, map(_cells, rows), right=("clean", "robust")))


def _models() -> list[tuple[str, Published]]:
    from bench.plugins.registry import defenses

    found: list[tuple[str, Published]] = []
    complaints: list[BenchError] = []
    for listing in defenses.listings():
        if listing.broken:
            continue
        try:
            found += [(listing.name, model) for model in defenses.find(listing.name).models()]
        except BenchError as error:
            complaints.append(error)
    for complaint in complaints:
        warn(escape(str(complaint)))
    return found


def _cells(model: Published) -> list[str]:
    budget = model.norm if model.epsilon is None else f"{model.norm} {format_epsilon(model.epsilon)}"
    paper = f"{escape(model.title)} [dim]{escape(model.venue)}[/]"
    return [f"[bold]{escape(model.name)}[/]", model.dataset, budget, f"{model.clean:.2%}", f"{model.robust:.2%}", paper]


def _document(defense: str, model: Published) -> dict[str, Any]:
    epsilon = None if model.epsilon is None else str(model.epsilon)
    return {"defense": defense, **asdict(model), "epsilon": epsilon, "assurance": "published"}
