"""Which plans carry tags, and what of a store is shown of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from bench.analysis.results.entries import Entry
from bench.analysis.results.summary import Result
from bench.domain.errors import UsageError, closest
from bench.domain.labels import Labels

Found = TypeVar("Found", Entry, Result)


def tagged(found: Sequence[Found], tags: Sequence[str]) -> list[Found]:
    """Those of these results that carry all of the tags, and the untouched images that they are measured against;
    everything where there are none. Raises `UsageError` where nothing carries them."""
    wanted = set(Labels.of(tags).tags)
    if not wanted:
        return list(found)
    carrying = [each for each in found if wanted <= set(result_of(each).labels.tags)]
    if not carrying:
        known = {tag for each in found for tag in result_of(each).labels.tags}
        lacking = sorted(wanted - known)
        hint = closest(lacking[0], known) if lacking else ""
        raise UsageError(f"No plan here is tagged {' and '.join(map(repr, sorted(wanted)))}.{hint}")
    shown = {result_of(each).plan.digest for each in carrying}
    shown |= {result_of(each).plan.untouched().digest for each in carrying}
    return [each for each in found if result_of(each).plan.digest in shown]


def tags_of(results: Iterable[Result]) -> tuple[str, ...]:
    """The tags that any of these carries, each once, in order."""
    return tuple(sorted({tag for result in results for tag in result.labels.tags}))


def result_of(found: Entry | Result) -> Result:
    """A result, be it with its outcomes or alone."""
    return found.result if isinstance(found, Entry) else found
