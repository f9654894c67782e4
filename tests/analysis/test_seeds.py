from __future__ import annotations

import pytest

from bench.analysis.results.seeds import spread
from bench.domain.errors import UsageError
from bench.store.store import Store
from tests.analysis.made import add, small_plan

CLEAN = [True] * 8


def test_the_interval_over_seeds_is_over_samples_and_does_not_shrink_with_equal_seeds(store: Store) -> None:
    survived = [True] * 5 + [False] * 3
    for seed in range(5):
        add(store, small_plan(seed=seed), CLEAN, survived)
    runs = [(plan, store.table(plan)) for plan in store.plans()]
    few, many = spread(runs[:2]), spread(runs)
    assert few.mean == many.mean == 5 / 8
    assert few.interval == many.interval
    assert many.worst.rate == 5 / 8


def test_the_worst_over_seeds_is_taken_sample_by_sample(store: Store) -> None:
    add(store, small_plan(seed=3), CLEAN, [True] * 6 + [False] * 2)
    add(store, small_plan(seed=1), CLEAN, [False] * 2 + [True] * 6)
    found = spread([(plan, store.table(plan)) for plan in store.plans()])
    assert found.seeds == (1, 3)
    assert found.rates == (6 / 8, 6 / 8)
    assert found.worst.rate == 4 / 8


def test_draws_of_a_random_defense_count_by_their_share(store: Store) -> None:
    for seed in (0, 1):
        add(store, small_plan(seed=seed, draws=2), CLEAN, [(1, 0)] * 8)
    found = spread([(plan, store.table(plan)) for plan in store.plans()])
    assert (found.mean, found.worst.rate) == (0.5, 0.5)


def test_plans_that_differ_in_more_than_their_seed_are_not_taken_together(store: Store) -> None:
    add(store, small_plan(seed=0), CLEAN, CLEAN)
    add(store, small_plan("vit", seed=1), CLEAN, CLEAN)
    with pytest.raises(UsageError, match="nothing but their seed"):
        spread([(plan, store.table(plan)) for plan in store.plans()])
