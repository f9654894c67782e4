from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import ShardResult
from bench.evaluation.evaluate import evaluate
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.progress import EvaluationProgress
from bench.store.store import Store
from tests.evaluation import runs as running
from tests.plugins import DIRECTION, Halves


def run(request: Request, attack: str, folder: Path, epsilon: str, **settings: Any) -> list[ShardResult]:
    request = replace(request, attack=f"tests.proposals:{attack}", attack_settings=settings, epsilon=Fraction(epsilon))
    return running.run(make_plan(request), folder)


def test_the_distance_of_the_nearest_misclassified_image_is_measured_by_the_harness(
    request_of_halves: Request, tmp_path: Path
) -> None:
    results = run(request_of_halves, "Nearest", tmp_path, "0.2")
    plan = make_plan(replace(request_of_halves, attack="tests.proposals:Nearest", epsilon=Fraction("0.2")))
    images, _ = Halves().load("test", None).arrays(plan.indices)
    margins = np.abs((images.reshape(len(images), -1) - 0.5) @ DIRECTION) / np.linalg.norm(DIRECTION)
    outcomes = [outcome for result in results for outcome in result.outcomes]
    seen = [outcome.minimal for outcome in outcomes if outcome.minimal is not None and np.isfinite(outcome.minimal)]
    wanted = [margin for margin, outcome in zip(margins, outcomes, strict=True) if np.isfinite(outcome.minimal or 0.0)]
    assert len(seen) > 20  # some nearest points lie outside [0, 1]; cut, they are no longer misclassified
    assert seen == pytest.approx([1.001 * margin for margin in wanted], rel=1e-2)
    assert [outcome.broken_at == 1 for outcome in outcomes] == [outcome.robust_rate == 0 for outcome in outcomes]


def test_a_near_image_that_is_still_classified_right_counts_for_nothing(
    request_of_halves: Request, tmp_path: Path
) -> None:
    results = run(request_of_halves, "Nearest", tmp_path, "0.2", reach=0.5)
    assert {outcome.minimal for result in results for outcome in result.outcomes} == {float("inf")}


def test_a_nearest_image_outside_the_pixel_range_makes_the_shard_invalid(
    request_of_halves: Request, tmp_path: Path
) -> None:
    for result in run(request_of_halves, "Nearest", tmp_path, "0.2", beyond=True):
        assert "outside [0, 1]" in (result.invalid or "")


@pytest.mark.parametrize(
    ("how", "words"),
    [("far", "largest distance is 0.07"), ("forged", "not what their witness makes"), ("bare", "no witness")],
)
def test_a_bent_image_whose_witness_does_not_prove_it_makes_the_shard_invalid(
    request_of_halves: Request, tmp_path: Path, how: str, words: str
) -> None:
    assert {result.invalid for result in run(request_of_halves, "Bent", tmp_path, "0.05")} == {None}
    for result in run(request_of_halves, "Bent", tmp_path, "0.05", how=how):
        assert words in (result.invalid or "")


def test_a_corruption_above_its_severity_or_with_eyes_makes_the_shard_invalid(
    request_of_halves: Request, tmp_path: Path
) -> None:
    good = run(request_of_halves, "Dark", tmp_path, "2")
    assert {result.invalid for result in good} == {None}
    assert {outcome.distance for result in good for outcome in result.outcomes} == {2.0}
    assert "largest distance is 2" in (run(request_of_halves, "Dark", tmp_path, "1")[0].invalid or "")
    blind = replace(request_of_halves, attack="tests.proposals:Dark", source="tests.plugins:Rounded")
    assert make_plan(replace(blind, epsilon=Fraction(2))).source is None
    assert "asked the victim" in (run(request_of_halves, "Dark", tmp_path, "2", looks=True)[0].invalid or "")


@pytest.mark.parametrize(("attack", "epsilon"), [("Bent", "0.05"), ("Nearest", "0.2")])
def test_witnesses_and_nearest_images_travel_with_the_crafted_images(
    request_of_halves: Request, store: Store, attack: str, epsilon: str
) -> None:
    request = replace(request_of_halves, attack=f"tests.proposals:{attack}", epsilon=Fraction(epsilon))
    transfer = make_plan(replace(request, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane"))
    with EvaluationProgress(None, quiet=True) as progress:
        assert not evaluate(transfer, store, progress, lambda: "cpu", workers=1).failures
    assert transfer.source is not None
    assert {record.invalid for record in store.shards(transfer)} == {None}
    assert all((outcome.minimal is not None) == (attack == "Nearest") for outcome in store.outcomes(transfer))


@pytest.mark.parametrize("changes", [False, True])
def test_some_images_are_asked_about_without_shortcuts_too(
    request_of_halves: Request, tmp_path: Path, changes: bool
) -> None:
    request = replace(request_of_halves, defense="tests.plugins:Hasty", defense_settings={"changes": changes})
    for result in running.run(make_plan(request).untouched(), tmp_path):
        assert result.facts is not None
        same, asked = result.facts.alike
        assert 2 <= asked <= len(result.outcomes)
        assert same == (0 if changes else asked)


def test_a_classifier_without_shortcuts_is_asked_nothing_more(request_of_halves: Request, tmp_path: Path) -> None:
    results = running.run(make_plan(request_of_halves), tmp_path)
    assert {result.facts.alike for result in results if result.facts is not None} == {(0, 0)}
