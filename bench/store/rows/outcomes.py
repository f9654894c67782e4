"""A shard's outcomes as one row of packed columns, and back: as outcomes, or as the arrays of a plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.domain.errors import StoreError
from bench.domain.outcome import Outcome
from bench.domain.outcomes import Outcomes
from bench.store.rows.columns import is_list, joined, pack_list, pack_real, pack_whole, values_of

Columns = Sequence[Sequence[Any]]
"""The fields of outcomes, in their order, each a value a sample."""
Shared = dict[Hashable, NDArray[Any]]
"""Arrays by what they were unpacked from: plans that are of the same samples have most of theirs in common."""
FIELDS = ("index", "label", "clean", "perturbed", "distance", "radius", "minimal", "broken_at", "fell_to")


class Packed(NamedTuple):
    """So many samples, a column a field of their outcomes; None where nothing is known of any.

    `parts` is a JSON list of the parts of attacks that samples fell to; `fell_to` counts in it from 0, and is -1 where
    that is not known.
    """

    samples: int
    sample: bytes
    label: bytes
    clean: bytes
    perturbed: bytes
    distance: bytes
    radius: bytes | None
    minimal: bytes | None
    broken_at: bytes | None
    fell_to: bytes | None
    parts: str | None


def pack(columns: Columns) -> Packed:
    """The columns packed, whatever they hold."""
    sample, label, clean, perturbed, distance, radius, minimal, broken_at, fell_to = columns
    parts = {part: place for place, part in enumerate(part for part in dict.fromkeys(fell_to) if part is not None)}
    return Packed(
        samples=len(sample),
        sample=pack_whole(sample),
        label=pack_whole(label),
        clean=pack_whole(clean, draws=True),
        perturbed=pack_whole(perturbed, draws=True),
        distance=pack_real(distance),
        radius=_known(radius),
        minimal=_known(minimal),
        broken_at=_known(broken_at),
        fell_to=pack_whole([parts.get(part, -1) for part in fell_to]) if parts else None,
        parts=pack_list([*parts]).decode() if parts else None,
    )


def pack_outcomes(outcomes: Sequence[Outcome]) -> Packed:
    """The outcomes packed. Raises `StoreError` where one of their numbers is none."""
    packed = pack([[*column] for column in zip(*map(attrgetter(*FIELDS), outcomes), strict=True)] or [()] * len(FIELDS))
    numbers = {name: column for name, column in packed._asdict().items() if isinstance(column, bytes)}
    broken = [name for name, column in numbers.items() if is_list(column)]
    if not broken and np.isnan(joined([packed.distance], [packed.samples])).any():
        broken = ["distance"]
    if broken:
        raise StoreError(f"A shard was not stored: in its column {broken[0]!r} stands what is no number.")
    return packed


def unpack(shards: Iterable[Packed]) -> Iterator[Outcome]:
    """The outcomes of these shards, one after the other. Raises `ValueError` for what nobody has packed."""
    for packed in shards:
        n = packed.samples
        measures = ([None] * n if column is None else values_of(column, n) for column in packed[6:9])
        radius, minimal, broken_at = ([None if each != each else each for each in column] for column in measures)
        yield from map(
            Outcome,
            *(values_of(column, n) for column in (packed.sample, packed.label)),
            *(map(_draws, values_of(column, n, draws=True)) for column in (packed.clean, packed.perturbed)),
            values_of(packed.distance, n),
            *(radius, minimal, map(_iteration, broken_at)),
            _fell_to(packed),
        )


def unpack_arrays(shards: Sequence[Packed], shared: Shared | None = None) -> Outcomes:
    """The outcomes of these shards as arrays. With `shared`, what another plan has too is one array, which nobody may
    change. Raises `ValueError` for what nobody has packed."""
    stacks = dict(zip(Packed._fields, zip(*shards, strict=True), strict=False)) or dict.fromkeys(Packed._fields, ())
    counts = stacks["samples"]
    n = sum(counts)

    def once(key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        if shared is None:
            return make()
        if key not in shared:
            shared[key] = make()
            shared[key].flags.writeable = False
        return shared[key]

    def whole(name: str, *, draws: bool = False) -> NDArray[np.int64]:
        numbers = joined(stacks[name], counts, draws=draws)
        if numbers.dtype.kind != "i":
            raise ValueError(f"the column {name!r} of whole numbers holds others")
        return numbers.astype(np.int64)

    def common(name: str, *, draws: bool = False) -> NDArray[np.int64]:
        return once((stacks[name], counts, draws), lambda: whole(name, draws=draws))

    def real(name: str) -> NDArray[np.float64]:
        columns = stacks[name]
        if set(columns) <= {None}:
            return once(("unknown", n), lambda: np.full(n, np.nan))
        pairs = zip(columns, counts, strict=True)
        filled = [pack_real([None] * count) if column is None else column for column, count in pairs]
        return joined(filled, counts).astype(np.float64)

    def parts() -> NDArray[np.object_]:
        if set(stacks["fell_to"]) <= {None}:
            return once(("no parts", n), lambda: np.full(n, None, dtype=np.object_))
        return np.array([part for packed in shards for part in _fell_to(packed)], dtype=np.object_)

    return Outcomes(
        index=common("sample"),
        label=common("label"),
        clean=common("clean", draws=True),
        perturbed=whole("perturbed", draws=True),  # in which hardly any two plans agree
        distance=real("distance"),
        radius=real("radius"),
        minimal=real("minimal"),
        broken_at=real("broken_at"),
        fell_to=parts(),
    )


def _known(values: Sequence[Any]) -> bytes | None:
    return None if set(values) <= {None} else pack_real(values)


def _draws(drawn: Any) -> tuple[Any, ...]:
    if isinstance(drawn, str):
        raise ValueError(f"the predictions {drawn!r} are no list")  # else its letters would pass for predictions
    return tuple(drawn)


def _iteration(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fell_to(packed: Packed) -> list[Any]:
    """The parts of attacks, one a sample."""
    if packed.fell_to is None or packed.parts is None:
        return [None] * packed.samples
    names = [*json.loads(packed.parts), None]  # which is the one at -1
    return [names[place] for place in values_of(packed.fell_to, packed.samples)]
