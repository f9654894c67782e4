from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from bench import Plan, Spec, ThreatModel
from bench.domain.plan import FIRST_HARNESS, precision_of
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request


@pytest.fixture
def plan(request_of_halves: Request) -> Plan:
    return make_plan(request_of_halves)


def test_a_plan_survives_json(plan: Plan) -> None:
    again = Plan.from_document(json.loads(json.dumps(plan.document())))
    assert again.digest == plan.digest
    assert again.shards() == plan.shards()


def test_every_field_changes_the_identity(plan: Plan) -> None:
    others = [
        replace(plan, seed=1),
        replace(plan, draws=2),
        replace(plan, samples=39),
        replace(plan, sample_seed=1),
        replace(plan, shard_size=8),
        replace(plan, images="0"),
        replace(plan, precision="float16"),
        replace(plan, source=Spec("other")),
        replace(plan, defense=replace(plan.defense, weights={"network": "0"})),
        replace(plan, attack=replace(plan.attack, version="2")),
        replace(plan, harness=FIRST_HARNESS),
    ]
    assert len({plan.digest, *(other.digest for other in others)}) == len(others) + 1


def test_shards_cover_every_sample_once(plan: Plan) -> None:
    shards = plan.shards()
    assert [len(shard.indices) for shard in shards] == [16, 16, 8]
    assert sum((shard.indices for shard in shards), ()) == plan.indices


def test_where_things_lie_is_no_part_of_the_identity_and_comes_back(plan: Plan) -> None:
    place = {"name": "/home/mine.py:Net", "params": {"weights": "/home/net.bin"}}
    defense = Spec("mine.py:Net", {"width": 3}, "1+ab", {"network": "00"}, place)
    there = replace(plan, defense=defense)
    elsewhere = replace(plan, defense=replace(defense, place={}))
    assert there == elsewhere
    assert there.digest == elsewhere.digest
    assert "/home" not in json.dumps(there.document())
    assert there.places == {"defense": place}
    again = Plan.from_document(json.loads(json.dumps(there.document()))).placed(json.loads(json.dumps(there.places)))
    assert (again, again.places) == (there, there.places)
    assert (again.defense.reference, elsewhere.defense.reference) == ("/home/mine.py:Net", "mine.py:Net")
    assert again.defense.settings == {"width": 3, "weights": "/home/net.bin"}


def test_a_plan_of_an_older_bench_keeps_its_digest(plan: Plan) -> None:
    older = replace(plan, harness=FIRST_HARNESS)
    assert "harness" not in older.document()
    assert Plan.from_document(older.document()).digest == older.digest != plan.digest


def test_streams_depend_on_seed_shard_and_purpose_alone(plan: Plan) -> None:
    first, second = plan.shards()[:2]
    others = [
        plan.seed_of(first, "attack"),
        plan.seed_of(first, "judge", 1),
        plan.seed_of(second, "judge"),
        replace(plan, seed=1).seed_of(first, "judge"),
    ]
    seed = plan.seed_of(first, "judge")
    assert len({seed, *others}) == 5
    for same in (plan.untouched(), replace(plan, attack=Spec("another")), replace(plan, defense=Spec("another"))):
        assert same.seed_of(first, "judge") == seed


def test_the_untouched_plan_is_shared_by_all_attacks_and_sources(plan: Plan) -> None:
    threat = ThreatModel("l2", Fraction(1, 2))
    other = replace(plan, attack=Spec("another"), source=Spec("source"), threat=threat, knowledge="black-box")
    assert other.untouched().digest == plan.untouched().digest
    assert plan.untouched().untouched() == plan.untouched()
    assert plan.untouched().is_untouched
    assert not plan.is_untouched


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "float32"),
        ({"precision": "float16"}, "float16"),
        ({"precision": None}, "float32"),
        ({"inner": {"name": "a", "params": {"precision": "float16"}, "version": "1"}}, "float16"),
        (
            {
                "first": {"name": "a", "params": {"precision": "float32"}, "version": "1"},
                "second": {"name": "b", "params": {"third": {"name": "c", "params": {"precision": "bfloat16"}}}},
            },
            "bfloat16",
        ),
        ({"table": {"a": 1}}, "float32"),
    ],
)
def test_the_precision_of_a_defense_is_its_own_or_the_coarsest_of_its_parts(
    params: dict[str, object], expected: str
) -> None:
    assert precision_of(Spec("a", params)) == expected


def test_a_transfer_plan_crafts_on_its_source_as_the_sources_own_white_box_plan_does(
    request_of_halves: Request,
) -> None:
    source = make_plan(request_of_halves)
    transfer = make_plan(
        replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane", draws=5)
    )
    assert transfer.source is not None
    assert source.source is None
    crafting = transfer.crafting()
    assert crafting is not None
    assert crafting.digest == source.digest
    assert source.crafting() is None
