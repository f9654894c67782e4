from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from bench import BenchError, Plan, UsageError
from bench.evaluation.planning import Request, make_plan
from bench.protocols import find_protocol


def test_a_plan_spells_every_default_out(request_of_halves: Request) -> None:
    plan = make_plan(request_of_halves)
    assert plan.defense.params == {"scale": 1.0}
    assert plan.attack.params["steps"] == 40
    assert plan.dataset.params == {"size": 96, "flipped": False}
    assert (plan.threat.norm, plan.threat.epsilon) == ("linf", Fraction(1, 20))


def test_equal_requests_give_equal_plans_and_settings_change_them(request_of_halves: Request) -> None:
    plan = make_plan(request_of_halves)
    assert make_plan(request_of_halves).digest == plan.digest
    assert make_plan(replace(request_of_halves, attack_settings={"steps": "40"})).digest == plan.digest
    assert make_plan(replace(request_of_halves, attack_settings={"steps": "41"})).digest != plan.digest


def test_the_default_protocol_is_white_box_for_its_own_source_and_transfer_for_the_others() -> None:
    protocol = find_protocol("transfer-1024")
    row = make_plan(Request("resnet", "pgd-linf", protocol))
    other = make_plan(Request("wide-resnet", "pgd-linf", protocol))
    white_box = make_plan(Request("wide-resnet", "pgd-linf", protocol, source="self"))
    assert (row.source, row.assurance) == (None, "white-box")
    assert other.source is not None
    assert (other.source.name, other.assurance) == ("resnet", "transfer")
    assert other.crafting() == row
    assert white_box.source is None
    assert (row.samples, row.sample_seed) == (1024, 2024)


def test_weights_are_part_of_the_plan() -> None:
    plan = make_plan(Request("resnet", "fgsm-linf", find_protocol("transfer-1024")))
    assert plan.defense.weights
    assert all(len(digest) == 64 for digest in plan.defense.weights.values())


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"samples": 97}, "holds 96"),
        ({"samples": 0}, "at least 1"),
        ({"draws": 0}, "at least 1"),
        ({"shard_size": -1}, "at least 1"),
        ({"seed": -1}, "seed"),
        ({"epsilon": Fraction(8)}, "out of range"),
        ({"attack": "pgd"}, "Did you mean"),
        ({"source": "resnett"}, "Did you mean 'resnet'"),
        ({"dataset": "digit"}, "Did you mean 'digits'"),
        ({"defense_settings": {"scales": "1"}}, "Did you mean 'scale'"),
    ],
)
def test_a_request_that_cannot_be_planned_says_what_to_do(
    request_of_halves: Request, change: dict[str, object], hint: str
) -> None:
    with pytest.raises(UsageError, match=hint):
        make_plan(replace(request_of_halves, **change))  # type: ignore[arg-type]


def test_without_any_budget_one_is_asked_for(request_of_halves: Request) -> None:
    protocol = replace(request_of_halves.protocol, epsilon=None, attacks=())
    with pytest.raises(UsageError, match="--epsilon"):
        make_plan(replace(request_of_halves, protocol=protocol))


def test_errors_of_planning_are_usage_errors(request_of_halves: Request) -> None:
    with pytest.raises(BenchError) as caught:
        make_plan(replace(request_of_halves, samples=10**6))
    assert caught.value.exit_code == 2
    assert isinstance(make_plan(request_of_halves), Plan)


def test_what_a_defense_leaves_to_the_task_is_spelled_out_and_saying_it_changes_nothing() -> None:
    request = Request("tmdc", "fgsm-linf", find_protocol("transfer-1024"))
    plan = make_plan(request)
    assert None not in [plan.defense.params[name] for name in ("timesteps", "lowest", "highest", "seen", "kept")]
    assert make_plan(replace(request, defense_settings=plan.defense.params)).digest == plan.digest


def test_a_part_brings_its_settings_version_and_weights_into_the_plan(request_of_halves: Request) -> None:
    digits = Request("tests.plugins:Behind", "fgsm-linf", find_protocol("transfer-1024"))
    plan = make_plan(replace(digits, defense_settings={"inner": "resnet"}))
    alone = make_plan(replace(digits, defense="resnet"))
    assert plan.defense.params["inner"]["name"] == "resnet"
    assert {f"inner/{role}": digest for role, digest in alone.defense.weights.items()} == plan.defense.weights
    scaled = {"inner": "tests.plugins:Hyperplane", "inner.scale": "2.5"}
    nested = make_plan(replace(request_of_halves, defense="tests.plugins:Behind", defense_settings=scaled))
    assert nested.defense.params["inner"]["params"] == {"scale": 2.5}
    again = make_plan(
        replace(request_of_halves, defense="tests.plugins:Behind", defense_settings=nested.defense.params)
    )
    assert again.digest == nested.digest


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"inner": "resnett"}, "Did you mean 'resnet'"),
        ({"inner.scales": "1"}, "Did you mean 'scale'"),
        ({"outer.scale": "1"}, "no part"),
    ],
)
def test_a_part_that_does_not_fit_says_why(request_of_halves: Request, settings: dict[str, str], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        make_plan(replace(request_of_halves, defense="tests.plugins:Behind", defense_settings=settings))
