"""One plan's figures, counted by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.analysis.results.sightings import falls
from bench.analysis.results.summary import Result, read, summarise
from bench.domain.errors import UsageError
from bench.domain.outcomes import Outcomes
from bench.stats import wilson
from bench.store.store import Store
from tests.analysis.made import add, small_plan

CLEAN = [True] * 7 + [False]
RADII = [0.0, 0.1, 0.25, 0.5, 0.7, 1.5, 0.0, 0.2]
PERTURBED = [True, True, True, False, True, False, False, True]


def summary(store: Store, **changes: object) -> Result:
    plan = small_plan(**changes)  # type: ignore[arg-type]
    return read(store, plan)


def test_accuracies_and_intervals_are_those_of_the_counts(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED)
    result = summary(store)
    assert (result.clean_accuracy, result.robust_accuracy) == (7 / 8, 5 / 8)
    assert (result.clean_interval, result.interval) == (wilson(7, 8), wilson(5, 8))
    assert (result.n, result.complete, result.shards) == (8, True, 2)


def test_an_unfinished_plan_counts_its_finished_shards(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED, shards=[1])
    result = summary(store)
    assert (result.n, result.complete, result.robust_accuracy) == (4, False, 2 / 4)


def test_draws_are_counted_in_four_ways_and_never_as_further_samples(store: Store) -> None:
    always, mostly, tied, first_only = (1, 1, 1, 1), (1, 1, 0, 1), (0, 1, 1, 0), (1, 0, 2, 3)
    plan = small_plan(draws=4)
    add(store, plan, [always] * 8, [always, mostly, tied, first_only] * 2)
    robust = summary(store, draws=4).robust
    assert robust.mean.rate == (4 + 3 + 2 + 1) / 16
    assert robust.mean.interval == wilson(8 * 10 / 16, 8)
    assert (robust.first.rate, robust.worst.rate, robust.majority.rate) == (3 / 4, 1 / 4, 2 / 4)


def test_one_invalid_shard_makes_the_plan_invalid(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED, invalid="One image left the budget.")
    result = summary(store)
    assert result.assurance.level == "invalid"
    assert result.invalid == ("One image left the budget.",)


def test_assurance_follows_the_source(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED)
    add(store, small_plan("resnet"), CLEAN, PERTURBED)
    assert summary(store).assurance.text == "transfer"
    assert summary(store, defense="resnet").assurance.text == "white-box"


def test_costs_are_a_sample_and_remarks_are_told_once(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED, passes=(100, 40), seconds=1.5, remarks=("odd", "odder"))
    result = summary(store)
    assert (result.forwards, result.backwards, result.seconds) == (100, 40, 3.0)
    assert (result.remarks, len(result.environments)) == (("odd", "odder"), 1)
    assert result.largest_distance == 0.05


def test_the_document_is_json_with_what_evaluate_promises(store: Store) -> None:
    add(store, small_plan("resnet"), CLEAN, PERTURBED)
    document = json.loads(json.dumps(summary(store, defense="resnet").document()))
    promised = (
        "plan defense attack dataset source threat samples seed clean_accuracy robust_accuracy interval assurance"
    )
    assert set(promised.split()) <= set(document)
    assert document["source"] is None
    assert document["threat"] == {"norm": "linf", "epsilon": "1/20"}
    assert document["interval"] == [wilson(5, 8).low, wilson(5, 8).high]


def test_certified_accuracy_counts_the_samples_whose_radius_reaches_that_far(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED)
    plan = small_plan()
    assert summary(store).certified == {}
    outcomes = [replace(found, radius=radius) for found, radius in zip(store.outcomes(plan), RADII, strict=True)]
    certified = summarise(plan, Outcomes.of(outcomes), store.shards(plan)).certified
    assert {radius: share.successes for radius, share in certified.items()} == {0: 6, 0.25: 4, 0.5: 3, 0.75: 1, 1: 1}
    assert {share.n for share in certified.values()} == {8}


def test_a_plan_without_a_finished_shard_has_no_figures(store: Store) -> None:
    with pytest.raises(UsageError, match="No shard"):
        summary(store)


def test_summaries_need_neither_a_template_engine_nor_a_database_nor_torch() -> None:
    unwanted = "[m for m in ('jinja2', 'sqlalchemy', 'torch') if m in sys.modules]"
    code = f"import sys, bench.analysis.results.summary; print({unwanted})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_samples_are_counted_by_the_part_that_they_fell_to(store: Store) -> None:
    parts = ["square", "apgd-ce", "apgd-ce", "", "", "", "clean", "apgd-ce"]
    add(store, small_plan(), CLEAN, PERTURBED, fell_to=parts)
    result = summary(store)
    assert list(result.fell_to.items()) == [("", 3), ("apgd-ce", 3), ("clean", 1), ("square", 1)]
    assert [(fall.name, fall.count, fall.end) for fall in falls(result)] == [
        ("apgd-ce", 3, 37.5),
        ("square", 1, 50.0),
        ("wrong before", 1, 62.5),
        ("survive", 3, 100.0),
    ]
    add(store, small_plan("vit"), CLEAN, PERTURBED)
    assert falls(summary(store, defense="vit")) == ()


def test_a_plan_of_which_one_shard_was_not_observed_is_older_evidence(store: Store) -> None:
    add(store, small_plan(), CLEAN, PERTURBED, shards=[0])
    add(store, small_plan(), CLEAN, PERTURBED, shards=[1], facts=None)
    assert summary(store).assurance.text == "transfer, older evidence"


def test_what_is_known_of_where_shards_came_from_is_told(store: Store) -> None:
    plan = small_plan()
    add(store, plan, CLEAN, PERTURBED)
    shards = [replace(shard, origin="other.db", claimed=shard.number == 1) for shard in store.shards(plan)]
    result = summarise(plan, store.table(plan), shards)
    assert (result.origin, result.claimed, result.assurance.text) == ("other.db", True, "claimed, transfer")
    assert result.doubts[0].startswith("It was merged from other.db although it could not be checked")
    trusted = summarise(plan, store.table(plan), [replace(shard, claimed=False) for shard in shards])
    assert trusted.doubts == ("It was merged from other.db: its predictions and facts are what that store says.",)
    assert trusted.counts
