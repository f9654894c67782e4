"""What a store knows of the cost of plans of one kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.evaluation.running.precedent import Precedents
from bench.store.store import Store
from tests.analysis.made import ENVIRONMENT, add, make_plan

HERE = ENVIRONMENT["device"]
SMALL = {"samples": 10, "shard_size": 4}


def test_other_seeds_and_samples_are_a_precedent_and_other_settings_are_none(store: Store) -> None:
    plan = make_plan("resnet", **SMALL)
    add(store, plan, [True] * 10, [True] * 10, passes=(120, 60), seconds=6.0)
    found = Precedents(store).of(make_plan("resnet", samples=512, shard_size=4, seed=9, sample_seed=3), HERE)
    assert found is not None
    assert (found.samples, found.timed) == (10, 10)
    assert (found.forwards, found.backwards) == (120.0, 60.0)
    assert found.seconds == pytest.approx(1.8)
    for other in (make_plan("vit", **SMALL), make_plan("resnet", "pgd-linf", **SMALL), replace(plan, shard_size=5)):
        assert Precedents(store).of(other, HERE) is None


def test_what_ran_on_another_device_is_counted_and_not_timed(store: Store) -> None:
    plan, other = make_plan("resnet", **SMALL), make_plan("resnet", **SMALL, seed=1)
    add(store, plan, [True] * 10, [True] * 10, passes=(40, 0), environment={**ENVIRONMENT, "device": "a GPU"})
    found = Precedents(store).of(plan, HERE)
    assert found is not None
    assert (found.samples, found.timed, found.seconds) == (10, 0, None)
    add(store, other, [True] * 10, [True] * 10, shards=[2], passes=(40, 0), seconds=1.0)
    found = Precedents(store).of(plan, HERE)
    assert found is not None
    assert (found.samples, found.timed, found.seconds) == (12, 2, 0.5)
    anywhere = Precedents(store).of(plan)
    assert anywhere is not None
    assert anywhere.timed == 12
