from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import PluginError
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.shard.verdict import ABSTAINED
from tests.evaluation.runs import outcomes, run
from tests.plugins import DIRECTION, Halves


@pytest.mark.parametrize("epsilon", ["1/255", "0.02", "0.05", "0.15"])
def test_pgd_and_the_judge_on_a_linear_classifier_reach_the_closed_form_for_every_sample(
    request_of_halves: Request, tmp_path: Path, epsilon: str
) -> None:
    # The worst admissible image moves every pixel against the label as far as the budget and [0, 1] allow.
    plan = make_plan(replace(request_of_halves, samples=96, epsilon=Fraction(epsilon)))
    images, labels = Halves().load("test", None).arrays(plan.indices)
    flat = images.reshape(len(images), -1).astype(np.float64)
    side = np.where(labels == 1, 1.0, -1.0)[:, None] * DIRECTION
    moved = np.clip(flat - float(Fraction(epsilon)) * np.sign(side), 0, 1)
    margin = ((moved - 0.5) * side).sum(1)
    assert (np.abs(margin) > 1e-4).all()
    found = [outcome.robust_rate == 1.0 for outcome in outcomes(run(plan, tmp_path))]
    assert found == (margin > 0).tolist()
    assert [outcome.clean_rate for outcome in outcomes(run(plan, tmp_path))] == [1.0] * 96


@pytest.mark.parametrize("how", ["far", "dark", "nan"])
def test_an_attack_that_leaves_the_threat_model_makes_its_shard_invalid_and_says_how(
    request_of_halves: Request, tmp_path: Path, how: str
) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Cheat", attack_settings={"how": how}))
    words = {"far": "distance is 0.05", "dark": "instead of", "nan": "not finite"}
    for result in run(plan, tmp_path):
        assert result.invalid is not None
        assert words[how] in result.invalid


@pytest.mark.parametrize(("how", "words"), [("few", r"\(1, 1, 4, 4\)"), ("raise", "KeyError")])
def test_an_attack_that_fails_is_named(request_of_halves: Request, tmp_path: Path, how: str, words: str) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Cheat", attack_settings={"how": how}))
    with pytest.raises(PluginError, match=f"Cheat.*{words}"):
        run(plan, tmp_path)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("load", "no such layer"), ("raise", "bad layer"), ("nan", "NaN"), ("shape", "7"), ("memory", "does not fit")],
)
def test_a_defense_that_fails_is_explained(request_of_halves: Request, tmp_path: Path, fault: str, words: str) -> None:
    plan = make_plan(
        replace(request_of_halves, defense="tests.plugins:Faulty", defense_settings={"fault": fault}, source="self")
    )
    with pytest.raises(PluginError, match=words):
        run(plan, tmp_path)


def test_out_of_memory_is_met_with_smaller_chunks_and_said_so(request_of_halves: Request, tmp_path: Path) -> None:
    plenty = make_plan(request_of_halves)
    scarce = make_plan(replace(request_of_halves, defense="tests.plugins:Greedy", source="self"))
    results = run(scarce, tmp_path)
    assert "chunks of 8 images" in results[0].remarks[0]
    assert outcomes(results) == outcomes(run(plenty, tmp_path))


def test_clean_predictions_of_a_random_defense_agree_under_every_attack(
    request_of_halves: Request, tmp_path: Path
) -> None:
    noisy = replace(request_of_halves, defense="tests.plugins:NoisyHyperplane", draws=7)
    first = outcomes(run(make_plan(noisy), tmp_path))
    second = outcomes(run(make_plan(replace(noisy, attack="fgsm-linf")), tmp_path))
    assert [outcome.clean for outcome in first] == [outcome.clean for outcome in second]
    assert {len(outcome.clean) for outcome in first} == {7}
    assert len({outcome.clean for outcome in first}) > 1


def test_a_deterministic_defense_is_asked_once_whatever_the_draws(request_of_halves: Request, tmp_path: Path) -> None:
    results = run(make_plan(replace(request_of_halves, draws=5)), tmp_path)
    assert {len(outcome.perturbed) for outcome in outcomes(results)} == {1}


def test_library_code_with_ambient_randomness_is_seeded(request_of_halves: Request, tmp_path: Path) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Ambient"))
    first, again = run(plan, tmp_path), run(plan, tmp_path, workers=2)
    assert [result.perturbed_sha256 for result in first] == [result.perturbed_sha256 for result in again]
    assert len({result.perturbed_sha256 for result in first}) == 3


def test_data_that_changed_since_the_plan_was_made_are_refused(request_of_halves: Request, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="not those"):
        run(replace(make_plan(request_of_halves), images="0" * 64), tmp_path)


def test_passes_memory_time_and_environment_are_recorded(request_of_halves: Request, tmp_path: Path) -> None:
    result = run(make_plan(request_of_halves), tmp_path)[0]
    assert (result.forwards, result.backwards) == (16 * 40, 16 * 40)
    assert result.seconds > 0
    assert result.peak_memory > 0
    assert torch.__version__.startswith(result.environment["torch"].partition("+")[0])


def test_an_image_that_the_defense_refuses_is_stored_as_unclassified(
    request_of_halves: Request, tmp_path: Path
) -> None:
    request = replace(request_of_halves, defense="tests.plugins:Refusing", source="self", samples=96)
    found = outcomes(run(make_plan(request), tmp_path))
    refused = [outcome for outcome in found if outcome.clean == (ABSTAINED,)]
    assert 0 < len(refused) < 96
    assert {outcome.clean_rate for outcome in refused} == {0.0}


def test_a_certificate_is_computed_by_the_harness_and_reaches_the_closed_form(
    request_of_halves: Request, tmp_path: Path
) -> None:
    # Under Gaussian noise a linear classifier's radius is the distance to its plane (Cohen et al. 2019, section 3.2.1).
    request = replace(request_of_halves, defense="tests.plugins:Smooth", attack="certify-l2", samples=96)
    plan = make_plan(replace(request, epsilon=Fraction(1, 10)))
    images, _ = Halves().load("test", None).arrays(plan.indices)
    margins = np.abs((images.reshape(96, -1) - 0.5) @ DIRECTION) / np.linalg.norm(DIRECTION)
    results = run(plan, tmp_path)
    radii = np.array([outcome.radius for outcome in outcomes(results)])
    assert (radii <= margins * 1.001).mean() > 0.97
    near = (margins > 0.1) & (margins < 0.5)  # nearer, the first 100 votes choose the wrong class now and then
    assert (radii[near] > margins[near] - 0.03).all()
    assert [outcome.robust_rate == 1 for outcome in outcomes(results)] == (radii >= 0.1).tolist()
    assert {result.invalid for result in results} == {None}
    assert results[0].forwards == (100 + 10_000) * len(results[0].outcomes)


def test_a_radius_certified_for_a_wrong_class_is_stored_as_zero(request_of_halves: Request, tmp_path: Path) -> None:
    request = replace(request_of_halves, defense="tests.plugins:Smooth", attack="certify-l2", samples=8)
    flipped = make_plan(replace(request, dataset_settings={"flipped": True}, epsilon=Fraction(1, 10)))
    assert {outcome.radius for outcome in outcomes(run(flipped, tmp_path))} == {0.0}
