"""`bench remove`: plans taken out of a store, with what depends on them told first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from bench.api.opening import opened
from bench.cli import completing, options
from bench.cli.console import agreed, counted, escape, left_out, print_json, say, stderr, stdout
from bench.cli.stored.prune import sum_of
from bench.domain.errors import UsageError

if TYPE_CHECKING:
    from bench.domain.plan import Plan
    from bench.store.removal import Removal

NAMED = 3
"""Plans that are named of those that depend on one."""


def remove(
    *,
    plans: Annotated[
        list[str],
        options.argument(
            "Plans' digests, or their beginnings; `bench list plans` shows them.", completing.plans, metavar="PLAN..."
        ),
    ],
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    yes: Annotated[bool, options.how("--yes -y", "Remove without asking.")] = False,
    told: options.Told,
) -> None:
    """Take plans out of the store with all their shards, outcomes and conflicts, those that cannot be read too.

    Their crafted images go with them, but for those that another plan names or waits for.
    """
    from bench.progress import training_progress
    from bench.store.pruning import prune as delete
    from bench.store.removal import survey

    if told.as_json and not yes:
        raise UsageError("--json does not ask; add --yes to remove.")
    with opened(db, artifacts, left_out) as store:
        found = survey(store, plans)
        if not told.as_json:
            for each in found:
                _show(each)
        removes = yes or agreed(f"Remove {counted(len(found), 'plan')}?", "removed", "remove")
        if removes:
            store.remove(each.digest for each in found)
            with training_progress(stderr, "[bold]removing[/]", told.silent) as watch:
                delete(store, {kept.sha256: kept for each in found for kept in each.images}.values(), watch)
        for each in found:
            store.pass_over(each.digest)
    if told.as_json:
        print_json([_document(each) for each in found])
    else:
        stdout.print(f"Removed {counted(len(found), 'plan')}." if removes else "Nothing was removed.")


def _show(each: Removal) -> None:
    what = _named(each.plan) if each.plan else "it cannot be shown"
    lines = [f"Plan {each.digest[:12]}: {what}; {counted(each.shards, 'shard')}."]
    if each.labels:
        lines.append(f"  deleted with it  {counted(each.labels, 'label')} (tags and notes) on it")
    if each.images:
        lines.append(f"  deleted with it  {sum_of(each.images)} of crafted images that no other plan names")
    if each.kept:
        lines.append(f"  kept             {sum_of(each.kept)} of crafted images that other plans name or wait for")
    if each.judging:
        lines.append(f"  {_several(each.judging)} the images that it crafted, which would have to be crafted again")
    if each.relying:
        lines.append(f"  {_several(each.relying, 'share')} its predictions of clean images, which they keep themselves")
    for line in lines:
        say(escape(line))


def _several(plans: Sequence[Plan], verb: str = "judge") -> str:
    """How many plans do something, some of them named."""
    names = ", ".join(f"{plan.digest[:12]} ({plan.defense.name} under {plan.attack.name})" for plan in plans[:NAMED])
    more = f" and {len(plans) - NAMED} more" if len(plans) > NAMED else ""
    return f"{counted(len(plans), 'plan')} ({names}{more}) {verb if len(plans) > 1 else f'{verb}s'}"


def _named(plan: Plan) -> str:
    return f"{plan.defense.name} under {plan.attack.name} on {plan.dataset.name}, {plan.threat}"


def _document(each: Removal) -> dict[str, Any]:
    return {
        "plan": each.digest,
        "unreadable": None if each.plan else each.reason,
        "shards": each.shards,
        "labels": each.labels,
        "deleted_images": [kept.sha256 for kept in each.images],
        "kept_images": [kept.sha256 for kept in each.kept],
        "judging": [plan.digest for plan in each.judging],
        "relying": [plan.digest for plan in each.relying],
    }
