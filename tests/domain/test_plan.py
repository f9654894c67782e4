from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from bench import Plan, Spec
from bench.evaluation.planning import Request, make_plan


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
    ]
    assert len({plan.digest, *(other.digest for other in others)}) == len(others) + 1


def test_shards_cover_every_sample_once(plan: Plan) -> None:
    shards = plan.shards()
    assert [len(shard.indices) for shard in shards] == [16, 16, 8]
    assert sum((shard.indices for shard in shards), ()) == plan.indices


def test_streams_depend_on_seed_shard_and_purpose_alone(plan: Plan) -> None:
    first, second = plan.shards()[:2]
    other_attack = replace(plan, attack=Spec("another")).shards()[0]
    draw = {
        name: torch.rand(4, generator=stream).tolist()
        for name, stream in {
            "clean": first.stream("clean", "cpu"),
            "again": other_attack.stream("clean", "cpu"),
            "judge": first.stream("judge", "cpu"),
            "next shard": second.stream("clean", "cpu"),
            "next seed": replace(first, seed=1).stream("clean", "cpu"),
        }.items()
    }
    assert draw["clean"] == draw["again"]
    assert len({tuple(values) for values in draw.values()}) == 4


def test_a_transfer_plan_crafts_on_its_source_as_the_sources_own_white_box_plan_does(
    request_of_halves: Request,
) -> None:
    source = make_plan(request_of_halves)
    transfer = make_plan(
        replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane", draws=5)
    )
    assert transfer.assurance == "transfer"
    assert source.assurance == "white-box"
    crafting = transfer.crafting()
    assert crafting is not None
    assert crafting.digest == source.digest
    assert source.crafting() is None
