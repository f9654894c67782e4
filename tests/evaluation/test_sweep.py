from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.evaluation.requests.request import Request
from bench.evaluation.sweep import Axes, sweep
from bench.protocols import find_protocol
from bench.store.store import Store
from tests.evaluation.observers import Memory
from tests.executors.test_contract import EXECUTORS
from tests.executors.test_contract import by_itself as by_itself
from tests.house.test_contracts import BRIEF

DEFENSES = ("resnet", "smoothing", "wide-resnet")
ATTACKS = ("fgsm-linf", "probe-linf", "square-linf")


def swept(folder: Path, name: str, workers: int, executor: str = "processes") -> dict[str, Any]:
    """What a sweep leaves in a store of its own: by plan the outcomes, and each shard's hash, passes and validity."""
    protocol = replace(find_protocol("transfer-1024"), samples=24, shard_size=16)
    request, store = Request("", "", protocol), Store(folder / f"{name}.db")
    cells = [
        (row, column, replace(each, attack_settings=BRIEF.get(column, {})))
        for row, column, each in Axes(DEFENSES, ATTACKS).cells(request)
    ]
    found = list(sweep(cells, store, Memory(), "cpu", workers=workers, executor=executor))
    assert {(cell.defense, cell.attack) for cell in found} == {(row, column) for row, column, _ in cells}
    assert not any(cell.failed for cell in found)
    return {
        plan.digest: (
            store.outcomes(plan),
            [(s.number, s.perturbed_sha256, s.forwards, s.backwards, s.invalid) for s in store.shards(plan)],
        )
        for plan in store.plans()
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sweep by one worker; by 'here', which is one process of 'processes'."""
    return swept(tmp_path_factory.mktemp("alone"), "alone", 1, "here")


@pytest.mark.parametrize("executor", EXECUTORS[1:])
def test_a_sweep_is_equal_row_for_row_and_hash_for_hash_whoever_runs_it(
    alone: dict[str, Any], tmp_path: Path, executor: str
) -> None:
    assert len(alone) == len(DEFENSES) * (len(ATTACKS) + 1)
    assert swept(tmp_path, executor, 2, executor) == alone
