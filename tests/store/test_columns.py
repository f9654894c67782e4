"""Outcomes are packed into columns of numbers, and come back as they were."""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, fields, replace
from typing import Any

import numpy as np
import pytest

from bench.domain.errors import StoreError
from bench.domain.outcome import Outcome
from bench.domain.outcomes import Outcomes
from bench.store.rows.columns import joined, pack_real, pack_whole, values_of
from bench.store.rows.outcomes import Packed, Shared, pack, pack_outcomes, unpack, unpack_arrays
from bench.store.store import Store
from tests.store.honest import edit
from tests.store.test_store import plan_of, result_of


def drawn(samples: int, draws: int, seed: int = 0) -> tuple[Outcome, ...]:
    """Outcomes of all kinds: unknown, infinite and long numbers among them."""
    rng = np.random.default_rng(seed)
    predictions = rng.integers(-1, 1000, (samples, 2, draws)).tolist()
    return tuple(
        Outcome(
            index=int(rng.integers(50_000)),
            label=int(rng.integers(1000)),
            clean=tuple(predictions[at][0]),
            perturbed=tuple(predictions[at][1]),
            distance=float(rng.random()),
            radius=None if at % 3 else float(rng.random()),
            minimal=(None, math.inf, 0.0, float(rng.random()))[at % 4],
            broken_at=(None, -1, 0, int(rng.integers(5000)))[at % 4],
            fell_to=("clean", "", None, "apgd-ce", "a part of another name")[at % 5],
        )
        for at in range(samples)
    )


def columns(first: Outcomes, second: Outcomes) -> list[bool]:
    """Which of the arrays are equal and of one type."""
    pairs = [(getattr(first, each.name), getattr(second, each.name)) for each in fields(Outcomes)]
    return [
        one.dtype == other.dtype and one.shape == other.shape and one.tolist().__repr__() == other.tolist().__repr__()
        for one, other in pairs
    ]


@pytest.mark.parametrize(
    ("values", "letter"),
    [
        ([], "b"),
        ([0, -128, 127], "b"),
        ([0, 128], "h"),
        ([-32_769], "i"),
        ([1 << 31], "q"),
        ([-(1 << 63), (1 << 63) - 1], "q"),
    ],
)
def test_whole_numbers_are_of_the_narrowest_type_that_holds_them(values: list[int], letter: str) -> None:
    packed = pack_whole(values)
    assert packed == letter.encode() + struct.pack(f"<{len(values)}{letter}", *values)
    assert values_of(packed, len(values)) == values


@pytest.mark.parametrize(
    ("values", "letter"),
    [
        ([0.0, -1.0, 2048.0, math.inf], "e"),
        ([65_536.0, -2.0], "f"),
        ([2049.0], "f"),
        ([8 / 255], "d"),
        ([1e300, 5e-324], "d"),
    ],
)
def test_real_numbers_are_of_the_narrowest_type_that_holds_them_exactly(values: list[float], letter: str) -> None:
    packed = pack_real(values)
    assert packed == letter.encode() + struct.pack(f"<{len(values)}{letter}", *values)
    assert values_of(packed, len(values)) == values


def test_what_is_not_known_is_not_a_number() -> None:
    assert pack_real([None, 0.5])[:1] == b"e"
    assert np.isnan(joined([pack_real([None, 0.5])], [2])).tolist() == [True, False]


def test_draws_stand_side_by_side() -> None:
    packed = pack_whole([(1, 2, 3), (4, 5, 6)], draws=True)
    assert packed == b"b\x01\x02\x03\x04\x05\x06"
    assert joined([packed, pack_whole([(700, 8, 9)], draws=True)], [2, 1], draws=True).tolist() == [
        *([1, 2, 3], [4, 5, 6], [700, 8, 9])
    ]


@pytest.mark.parametrize("values", [[1.5], [True], ["1"], [None], [1 << 63], [[1]]])
def test_what_is_no_whole_number_stays_what_it_is(values: list[Any]) -> None:
    packed = pack_whole(values)
    assert values_of(packed, 1) == values
    with pytest.raises(ValueError, match="unknown type"):
        joined([packed], [1])


@pytest.mark.parametrize("column", [b"", b"z\x01\x02", b"b\x01", b"b\x01\x02\x03", b"h\x01\x02", b"[1]", b"[1,"])
def test_a_column_that_nobody_has_packed_is_refused(column: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # json's own for one of them
        values_of(column, 2)
    with pytest.raises(ValueError):  # noqa: PT011
        joined([column], [2])


@pytest.mark.parametrize("draws", [1, 10])
@pytest.mark.parametrize("sizes", [(), (1,), (7, 7, 3), (4, 1, 9)])
def test_outcomes_come_back_as_they_were_and_as_the_same_arrays(sizes: tuple[int, ...], draws: int) -> None:
    shards = [drawn(size, draws, seed) for seed, size in enumerate(sizes)]
    packed = [pack_outcomes(shard) for shard in shards]
    everything = [outcome for shard in shards for outcome in shard]
    found = list(unpack(packed))
    assert found == everything
    assert [list(map(type, astuple(each))) for each in found] == [list(map(type, astuple(each))) for each in everything]
    assert all(columns(unpack_arrays(packed), Outcomes.of(everything)))
    assert all(columns(unpack_arrays(packed, {}), Outcomes.of(everything)))


def test_arrays_of_the_same_samples_are_one_where_they_are_shared_and_nobody_can_write_to_it() -> None:
    shards = drawn(6, 1)
    others = [replace(each, perturbed=(5,), radius=None, minimal=None, broken_at=None) for each in shards]
    shared: Shared = {}
    first, second = (unpack_arrays([pack_outcomes(each)], shared) for each in (shards, others))
    assert first.index is second.index
    assert first.label is second.label
    assert first.clean is second.clean
    assert second.radius is second.minimal
    assert first.perturbed is not second.perturbed
    with pytest.raises(ValueError, match="read-only"):
        first.index[0] = 1


def test_arrays_that_are_not_shared_are_everyones_own() -> None:
    plain = [Outcome(at, at, (at,), (at,), float(at)) for at in range(4)]
    found = unpack_arrays([pack_outcomes(plain)])
    found.label[:] = 7
    found.radius[:] = 1.0
    assert found.index.tolist() == [0, 1, 2, 3]
    assert np.isnan(found.minimal).all()
    assert found.clean.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "changes", [{"distance": None}, {"distance": math.nan}, {"label": 1.5}, {"clean": (1, 2)}, {"index": None}]
)
def test_outcomes_without_a_number_where_one_must_be_are_not_packed(changes: dict[str, Any]) -> None:
    whole = drawn(2, 1)
    with pytest.raises(StoreError, match="stands what is no number"):
        pack_outcomes([whole[0], replace(whole[1], **changes)])


def test_edited_rows_are_packed_as_they_are() -> None:
    rows = [
        [1, 2],
        [3, 3.5],
        ["[1", [2, 3]],
        [[1], [1, 1]],
        [0.5, "far"],
        [None, None],
        [None, 1.0],
        [3, None],
        [b"x", None],
    ]
    packed = pack(rows)
    assert isinstance(packed, Packed)
    assert values_of(packed.label, 2) == [3, 3.5]
    assert values_of(packed.perturbed, 2) == [[1], [1, 1]]
    assert values_of(packed.distance, 2) == [0.5, "far"]
    assert packed.parts == '[{"unknown": "b\'x\'"}]'
    with pytest.raises(ValueError, match="no list"):
        list(unpack([packed]))


@pytest.mark.parametrize("change", ["label = x'62'", "perturbed = x'5b5d'", "samples = 3", "distance = x'00'"])
def test_a_damaged_column_spoils_its_own_plan_alone_and_says_so(file_store: Store, change: str) -> None:
    plans = [plan_of(4, seed) for seed in (0, 1)]
    for plan in plans:
        file_store.add(plan, result_of(plan, 0))
    with file_store._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE shard_outcomes SET {change} WHERE shard = 1")
    for read in (file_store.table, file_store.outcomes, file_store.predictions):
        with pytest.raises(StoreError, match=f"{plans[0].digest[:12]} .* left out, for its (outcomes|samples)"):
            read(plans[0])
        assert len(read(plans[1])) == 4


def test_an_edit_by_rows_is_the_edit_of_what_is_packed(file_store: Store) -> None:
    plan = plan_of(4)
    file_store.add(plan, result_of(plan, 0))
    edit(file_store, "UPDATE outcomes SET label = 300, perturbed = '[7, 8]' WHERE position = 2")
    found = file_store.table(plan)
    assert found.label.tolist() == [3, 3, 300, 3]
    assert found.perturbed.tolist() == [[1, 3], [1, 3], [7, 8], [1, 3]]
