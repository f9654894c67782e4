"""The outcomes that a store holds are read and checked here alone, as all else is in `checking`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from bench.domain.outcomes import Outcomes
from bench.domain.plan import Plan
from bench.store.rows.checking import UnfitError, reason
from bench.store.rows.columns import is_list
from bench.store.rows.forms import UNREADABLE, is_text, is_whole, parsed
from bench.store.rows.outcomes import Packed, Shared, unpack_arrays

_WRONG = {
    "sample": "numbers that are none",
    "label": "a label that is no class",
    **dict.fromkeys(("clean", "perturbed"), "predictions that are no classes"),
    **dict.fromkeys(("distance", "radius", "minimal"), "distances that are none"),
    "broken_at": "fallen to what is no iteration",
    "fell_to": "fallen to what is no part of an attack",
}
"""What is wrong with a column of outcomes that holds what it should not."""
_DRAWN = ("clean", "perturbed")
_RAGGED = "its samples have not all the same number of predictions"


def outcomes_of(plan: Plan, numbers: Sequence[Any], shards: Sequence[Packed], shared: Shared | None = None) -> Outcomes:
    """The outcomes of a plan's finished shards, which have these numbers; `UnfitError` where they are not of the
    samples that these draw, or of no such form."""
    if not all(map(is_whole, numbers)) or not all(is_whole(packed.samples) for packed in shards):
        raise UnfitError("its shards have numbers that are none")
    parts = [packed.parts for packed in shards if packed.parts is not None]
    strange = next((fault for packed in shards for fault in _list_faults(packed)), None)
    if strange:
        raise UnfitError(strange)
    try:
        named = [*map(parsed, parts)]
        found = unpack_arrays(shards, shared)
        expected = drawn_by(plan, numbers, len(found))
    except UNREADABLE as error:
        raise UnfitError(f"its outcomes cannot be read ({reason(error)})") from None
    if expected is None or not np.array_equal(found.index, expected):
        raise UnfitError("its samples are not those that it draws")
    if not all(isinstance(each, list) and all(map(is_text, each)) for each in named):
        raise UnfitError(f"its samples have {_WRONG['fell_to']}")
    fault = next(_outcome_faults(plan, found), None)
    if fault:
        raise UnfitError(fault)
    return found


def drawn_by(plan: Plan, numbers: Iterable[int], count: int) -> list[int] | None:
    """The samples of the shards of these numbers, one after the other; None where the plan has no such shards, or these
    do not hold `count` samples."""
    size, whole = plan.shard_size, plan.samples
    starts = [number * size for number in numbers]
    if any(start >= whole for start in starts) or sum(min(size, whole - start) for start in starts) != count:
        return None
    return [sample for start in starts for sample in plan.indices[start : start + size]]


def _list_faults(packed: Packed) -> Iterator[str]:
    """What is wrong with those columns that hold something else than numbers."""
    if (packed.parts is None) != (packed.fell_to is None):
        yield f"its samples have {_WRONG['fell_to']}"
    for name, wrong in _WRONG.items():
        column = getattr(packed, name)
        if column is not None and not isinstance(column, bytes):
            yield f"its outcomes cannot be read (their column {name} is none)"
        elif column is not None and is_list(column):
            yield f"its samples have {wrong}" if name not in _DRAWN or not _are_ragged(column) else _RAGGED


def _are_ragged(column: bytes) -> bool:
    """Whether it holds predictions, but not equally many of each sample."""
    try:
        drawn = parsed(column.decode())
    except UNREADABLE:
        return False
    return all(isinstance(each, list) and each and all(is_whole(label, -1) for label in each) for each in drawn)


def _outcome_faults(plan: Plan, found: Outcomes) -> Iterator[str]:
    """What is wrong with the values of outcomes, told by the first sample of which it is so."""

    def where(wrong: Any, what: str) -> Iterator[str]:
        if wrong.any():
            yield f"sample {found.index[int(wrong.argmax())]} has {what}"

    for draws in (found.clean, found.perturbed):
        if len(found) and not draws.shape[1]:
            yield f"its samples have {_WRONG['clean']}"
        if draws.shape[1] > plan.draws:
            yield f"{_RAGGED}, {plan.draws} at most"
        yield from where((draws < -1).any(1), _WRONG["clean"])
    yield from where(found.label < 0, _WRONG["label"])
    yield from where(~(found.distance >= 0), _WRONG["distance"])
    yield from where((found.radius < 0) | np.isinf(found.radius), _WRONG["radius"])
    yield from where(found.minimal < 0, _WRONG["minimal"])
    odd = np.isinf(found.broken_at) | (found.broken_at < -1) | (found.broken_at % 1 > 0)
    yield from where(odd, _WRONG["broken_at"])
