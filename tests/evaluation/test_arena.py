from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import DataError, Outcome, Plan, PluginError, ShardResult
from bench.domain.victim import ignore
from bench.evaluation.arena import ABSTAINED, Arena
from bench.evaluation.planning import Request, make_plan
from bench.store.artifacts import Artifacts
from tests.plugins import DIRECTION, Halves


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


def run(plan: Plan, artifacts: Artifacts) -> list[ShardResult]:
    arena = Arena.load(plan, "cpu", None, artifacts)
    return [arena.run(shard, ignore) for shard in plan.shards()]


def outcomes(results: list[ShardResult]) -> list[Outcome]:
    return [outcome for result in results for outcome in result.outcomes]


@pytest.mark.parametrize("epsilon", ["1/255", "0.02", "0.05", "0.15"])
def test_pgd_and_the_judge_on_a_linear_classifier_reach_the_closed_form_for_every_sample(
    request_of_halves: Request, artifacts: Artifacts, epsilon: str
) -> None:
    # The worst admissible image moves every pixel against the label as far as the budget and [0, 1] allow.
    plan = make_plan(replace(request_of_halves, samples=96, epsilon=Fraction(epsilon)))
    images, labels = Halves().load("test", None).arrays(plan.indices)
    flat = images.reshape(len(images), -1).astype(np.float64)
    side = np.where(labels == 1, 1.0, -1.0)[:, None] * DIRECTION
    moved = np.clip(flat - float(Fraction(epsilon)) * np.sign(side), 0, 1)
    margin = ((moved - 0.5) * side).sum(1)
    assert (np.abs(margin) > 1e-4).all()
    found = [outcome.robust_rate == 1.0 for outcome in outcomes(run(plan, artifacts))]
    assert found == (margin > 0).tolist()
    assert [outcome.clean_rate for outcome in outcomes(run(plan, artifacts))] == [1.0] * 96


@pytest.mark.parametrize("how", ["far", "dark", "nan"])
def test_an_attack_that_leaves_the_threat_model_makes_its_shard_invalid_and_says_how(
    request_of_halves: Request, artifacts: Artifacts, how: str
) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Cheat", attack_settings={"how": how}))
    words = {"far": "distance is 0.05", "dark": "instead of", "nan": "not finite"}
    for result in run(plan, artifacts):
        assert result.invalid is not None
        assert words[how] in result.invalid


@pytest.mark.parametrize(("how", "words"), [("few", r"\(1, 1, 4, 4\)"), ("raise", "KeyError")])
def test_an_attack_that_fails_is_named(request_of_halves: Request, artifacts: Artifacts, how: str, words: str) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Cheat", attack_settings={"how": how}))
    with pytest.raises(PluginError, match=f"Cheat.*{words}"):
        run(plan, artifacts)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("load", "no such layer"), ("raise", "bad layer"), ("nan", "NaN"), ("shape", "7"), ("memory", "does not fit")],
)
def test_a_defense_that_fails_is_explained(
    request_of_halves: Request, artifacts: Artifacts, fault: str, words: str
) -> None:
    plan = make_plan(
        replace(request_of_halves, defense="tests.plugins:Faulty", defense_settings={"fault": fault}, source="self")
    )
    with pytest.raises(PluginError, match=words):
        run(plan, artifacts)


def test_out_of_memory_is_met_with_smaller_chunks_and_said_so(request_of_halves: Request, artifacts: Artifacts) -> None:
    plenty = make_plan(request_of_halves)
    scarce = make_plan(replace(request_of_halves, defense="tests.plugins:Greedy", source="self"))
    results = run(scarce, artifacts)
    assert "chunks of 8 images" in results[0].remarks[0]
    assert outcomes(results) == outcomes(run(plenty, artifacts))


def test_clean_predictions_of_a_random_defense_agree_under_every_attack(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    noisy = replace(request_of_halves, defense="tests.plugins:NoisyHyperplane", draws=7)
    first = outcomes(run(make_plan(noisy), artifacts))
    second = outcomes(run(make_plan(replace(noisy, attack="fgsm-linf")), artifacts))
    assert [outcome.clean for outcome in first] == [outcome.clean for outcome in second]
    assert {len(outcome.clean) for outcome in first} == {7}
    assert len({outcome.clean for outcome in first}) > 1


def test_a_deterministic_defense_is_asked_once_whatever_the_draws(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    results = run(make_plan(replace(request_of_halves, draws=5)), artifacts)
    assert {len(outcome.perturbed) for outcome in outcomes(results)} == {1}


def test_library_code_with_ambient_randomness_is_seeded_and_leaves_no_trace(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    plan = make_plan(replace(request_of_halves, attack="tests.plugins:Ambient"))
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    first = run(plan, artifacts)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]
    torch.rand(5)
    again = run(plan, artifacts)
    assert [result.perturbed_sha256 for result in first] == [result.perturbed_sha256 for result in again]
    assert len({result.perturbed_sha256 for result in first}) == 3


def test_the_number_of_threads_changes_nothing(request_of_halves: Request, artifacts: Artifacts) -> None:
    plan = make_plan(request_of_halves)
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append([result.perturbed_sha256 for result in run(plan, artifacts)])
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_data_that_changed_since_the_plan_was_made_are_refused(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    with pytest.raises(DataError, match="not those"):
        Arena.load(replace(make_plan(request_of_halves), images="0" * 64), "cpu", None, artifacts)


def test_passes_memory_time_and_environment_are_recorded(request_of_halves: Request, artifacts: Artifacts) -> None:
    result = run(make_plan(request_of_halves), artifacts)[0]
    assert (result.forwards, result.backwards) == (16 * 40, 16 * 40)
    assert result.seconds > 0
    assert result.peak_memory > 10**7
    assert torch.__version__.startswith(result.environment["torch"].partition("+")[0])


def test_an_image_that_the_defense_refuses_is_stored_as_unclassified(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    request = replace(request_of_halves, defense="tests.plugins:Refusing", source="self", samples=96)
    found = outcomes(run(make_plan(request), artifacts))
    refused = [outcome for outcome in found if outcome.clean == (ABSTAINED,)]
    assert 0 < len(refused) < 96
    assert {outcome.clean_rate for outcome in refused} == {0.0}


def test_a_certificate_stands_for_predictions_where_its_radius_covers_the_budget(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    request = replace(request_of_halves, attack="tests.plugins:Margin", source="tests.plugins:Rounded", samples=96)
    plan = make_plan(replace(request, epsilon=Fraction(1, 10)))
    assert plan.assurance == "certified"
    images, _ = Halves().load("test", None).arrays(plan.indices)
    margins = np.abs((images.reshape(96, -1) - 0.5) @ DIRECTION) / np.linalg.norm(DIRECTION)
    found = outcomes(run(plan, artifacts))
    assert [outcome.radius for outcome in found] == pytest.approx(margins.tolist(), rel=1e-4)
    assert [outcome.robust_rate == 1 for outcome in found] == (margins >= 0.1).tolist()
    assert {outcome.perturbed[0] for outcome in found if margins[found.index(outcome)] < 0.1} == {ABSTAINED}


def test_a_radius_certified_for_a_wrong_class_is_stored_as_zero(
    request_of_halves: Request, artifacts: Artifacts
) -> None:
    request = replace(request_of_halves, attack="tests.plugins:Margin", dataset_settings={"flipped": True}, samples=8)
    found = outcomes(run(make_plan(replace(request, epsilon=Fraction(1, 10))), artifacts))
    assert {outcome.radius for outcome in found} == {0.0}
