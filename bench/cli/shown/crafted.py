"""Crafted images at the command line: those that are absent are told, and with --images crafted again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.cli.console import counted, escape, stderr, warn
from bench.cli.shown import panels

if TYPE_CHECKING:
    from bench.cli.options import Running
    from bench.domain.plan import Plan
    from bench.evaluation.remaking import Remade
    from bench.store.store import Store


def craft_again(plans: Sequence[Plan], store: Store, running: Running, quiet: bool) -> list[Remade]:
    """Craft what is missing or damaged of the images of these plans' finished shards, and show what came of it."""
    from bench.evaluation.remaking import lacking, remake
    from bench.loading.environment import resolve_device
    from bench.progress import EvaluationProgress

    means = running.work().means
    with EvaluationProgress(stderr, quiet=quiet) as progress:
        remade = [
            remake(gone, store, progress, lambda: resolve_device(running.device), **means)
            for gone in lacking(plans, store)
        ]
    for each in remade:
        panels.show_troubles(each)
    if not quiet:
        back = sum(each.shards for each in remade)
        words = f"Images of {counted(back, 'shard')} were crafted again" if back else "No images were crafted again"
        warn(escape(f"{words}; they lie in {store.artifacts}."))
    return remade


def failed(remade: Sequence[Remade]) -> bool:
    """Whether any images could not be crafted again, or came out otherwise."""
    return any(each.failures or each.conflicts for each in remade)


def document(plan: Plan, store: Store, remade: Sequence[Remade]) -> dict[str, Any]:
    """Of how many shards the images are absent, and what crafting them again has shown, as JSON data."""
    mine = [each for each in remade if each.plan.digest == (plan.crafting() or plan).digest]
    return {
        "absent": _absent([plan], store),
        "crafted_again": sum(each.shards for each in mine),
        "otherwise": [conflict.sentence for each in mine for conflict in each.conflicts],
    }


def tell_absent(plans: Sequence[Plan], store: Store) -> None:
    """A line that says of how many finished shards the images are absent, if any, and what to do."""
    absent = _absent(plans, store)
    if absent:
        warn(
            f"[dim]The crafted images of {counted(absent, 'shard')} are not in {escape(str(store.artifacts))}: "
            f"--artifacts names another place, and the same command with --images crafts them again.[/]"
        )


def tell_missed(store: Store) -> None:
    """A line that says so where a page asked for images in vain, and what to do."""
    if store.artifacts.missed:
        warn(
            f"The page goes without some pictures: crafted images are missing or damaged in "
            f"{escape(str(store.artifacts))}. --artifacts names another place; `bench evaluate` or `bench sweep` with "
            f"--images crafts them again."
        )


def _absent(plans: Sequence[Plan], store: Store) -> int:
    from bench.evaluation.remaking import lacking

    return sum(len(gone.shards) for gone in lacking(plans, store, look=True))
