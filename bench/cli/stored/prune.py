"""`bench prune`: crafted images that no shown number needs, told and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.filesize import decimal

from bench.api.opening import opened, skipped
from bench.cli import options
from bench.cli.console import agreed, counted, escape, left_out, print_json, say, stderr, stdout
from bench.domain.errors import UsageError

if TYPE_CHECKING:
    from bench.store.images.artifacts import Kept
    from bench.store.pruning import Pruning
    from bench.store.store import Store


def prune(
    *,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    protocols: Annotated[
        list[Path] | None,
        options.what("--protocol -p", "A .toml protocol of your own, whose board's images are kept too."),
    ] = None,
    unnamed: Annotated[
        bool, options.what("--unnamed", "Delete also what no plan of this store names and is older than a day.")
    ] = False,
    dry_run: Annotated[bool, options.how("--dry-run", "Say what would be deleted; delete nothing.")] = False,
    yes: Annotated[bool, options.how("--yes -y", "Delete without asking.")] = False,
    told: options.Told,
) -> None:
    """Delete crafted images that no shown number needs; no result is touched.

    Kept are those that the page shows, that unfinished plans wait for, that belong to claims, or that an older bench
    has crafted. All others can be crafted again, with --images, and are then checked by their hash.
    """
    from bench.pages.shown import shown
    from bench.progress import training_progress
    from bench.protocols import known_with, read
    from bench.store.pruning import prune as delete
    from bench.store.pruning import survey

    if told.as_json and not (yes or dry_run):
        raise UsageError("--json does not ask; add --yes to delete, or --dry-run to see what would be deleted.")
    known = known_with(map(read, protocols or ()))
    with opened(db, artifacts, left_out) as store:
        found = survey(store, shown(store, known), unnamed=unnamed)
        if not told.as_json:
            _show(found, store)
        deletes = bool(found.delete) and not dry_run
        if deletes and (held := store.claims.held()):
            raise UsageError(
                f"{counted(len(held), 'shard')} of this store {'is' if len(held) == 1 else 'are'} being worked at, and "
                f"may need any image; see `bench status`, and prune when nobody is."
            )
        if deletes and not yes:
            deletes = agreed(f"Delete {sum_of(found.delete)}?", "deleted", "delete")
        if deletes:
            with training_progress(stderr, "[bold]pruning[/]", told.silent) as watch:
                delete(store, found.delete, watch)
    if told.as_json:
        print_json({**_document(found, store, deletes), **skipped(store)})
    elif deletes:
        say(
            f"Deleted {sum_of(found.delete)}. `bench evaluate` or `bench sweep` with --images crafts images again and "
            f"checks them by their hash; without theirs, `bench merge` elsewhere takes shards only as claims."
        )
    else:
        stdout.print("Nothing was deleted.")


def _show(found: Pruning, store: Store) -> None:
    total = [*found.delete, *found.unnamed, *(kept for files in found.keep.values() for kept in files)]
    lines = [f"{sum_of(total)} of crafted images in {store.artifacts}:"]
    lines += [f"  kept     {sum_of(files)}, {reason}" for reason, files in found.keep.items()]
    if found.unnamed:
        lines.append(f"  left     {sum_of(found.unnamed)} that no plan of this store names")
    lines.append(f"  delete   {sum_of(found.delete)} that no shown number needs")
    for line in lines:
        say(escape(line))


def _document(found: Pruning, store: Store, deleted: bool) -> dict[str, Any]:
    def facts(files: Sequence[Kept]) -> dict[str, Any]:
        return {"files": len(files), "bytes": sum(kept.size for kept in files)}

    return {
        "artifacts": str(store.artifacts),
        "delete": {**facts(found.delete), "hashes": [kept.sha256 for kept in found.delete]},
        "keep": {reason: facts(files) for reason, files in found.keep.items()},
        "unnamed": facts(found.unnamed),
        "deleted": deleted,
    }


def sum_of(files: Sequence[Kept]) -> str:
    """So many files, and their size: '3 files (1.2 MB)'."""
    return f"{counted(len(files), 'file')} ({decimal(sum(kept.size for kept in files))})"
