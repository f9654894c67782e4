"""`bench tag`: what is written on a stored plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from bench.cli import options
from bench.cli.console import escape, print_json, say
from bench.domain.errors import UsageError

if TYPE_CHECKING:
    from bench.domain.labels import Labels


def tag(
    *,
    plan: options.Plan,
    tags: options.Tags = None,
    note: options.Note = None,
    remove: Annotated[
        list[str] | None, options.output("--remove", "Take off this tag, or the note of this text.", metavar="TEXT")
    ] = None,
    db: options.Database = options.DEFAULT_DATABASE,
    as_json: options.Json = False,
) -> None:
    """Write tags or a note on a stored plan, or take them off; without either, say what is written on it."""
    from bench.domain.labels import Labels
    from bench.store.store import Store

    wanted = Labels.of(tags or (), () if note is None else (note,))
    store = Store(db, create=False)
    found = store.find(plan)
    before = store.labels.of(found.digest)
    lost = [text for text in remove or () if text not in (*before.tags, *before.notes)]
    if lost:
        known = ", ".join(map(repr, (*before.tags, *before.notes))) or "nothing"
        raise UsageError(f"Plan {found.digest[:12]} has no tag or note {lost[0]!r}; it has {known}.")
    if remove:
        store.labels.remove(found.digest, remove)
    store.labels.add([found], wanted)
    _show(found.digest, store.labels.of(found.digest), as_json)


def _show(digest: str, labels: Labels, as_json: bool) -> None:
    if as_json:
        print_json({"plan": digest, "tags": list(labels.tags), "notes": list(labels.notes)})
        return
    tags = " ".join(f"[cyan]{escape(each)}[/]" for each in labels.tags) or "no tags"
    say(f"Plan {digest[:12]}: {tags}")
    for note in labels.notes:
        say(escape(note))
