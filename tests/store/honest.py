"""Stores in which everything is as the harness would have found it, made without any model."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.datasets.digits import Digits
from bench.domain.facts import Crafting, Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.evaluation.shard.verdict import fingerprint
from bench.store.store import Store
from tests.store.rows import editing

ENVIRONMENT = {"device": "CPU of the tests", "torch": "2.0"}
ELSEWHERE = {"device": "another machine", "torch": "2.9"}
FACTS = Facts(random=False, declared_random=False, differentiable=True, abstains=False, replayed=2)
DIGITS = Digits().load("test", None)


def honest_plan(attack: str = "pgd-linf", **changes: Any) -> Plan:
    """A white-box plan of 8 digits in 2 shards."""
    plan = Plan(
        defense=Spec("resnet", {"width": 32}, "1", {"network": "ab" * 32}),
        attack=Spec(attack),
        source=None,
        dataset=Spec("digits"),
        size=len(DIGITS),
        images="",
        threat=ThreatModel("l2" if attack.endswith("l2") else "linf", Fraction(1, 10)),
        knowledge="white-box",
        samples=8,
        sampling="random",
        sample_seed=2024,
        shard_size=4,
        seed=0,
        draws=1,
    )
    plan = replace(plan, **changes)
    return replace(plan, images=DIGITS.fingerprint(plan.indices))


def honest_result(plan: Plan, number: int, store: Store, **changes: Any) -> ShardResult:
    """A shard of the plan, its crafted images in the store; every even sample of it falls. `changes` are of the result;
    `epsilon` is how far the images go, and `minimal` says to look for the closest ones too."""
    if plan.is_untouched:
        return _untouched(plan, number)
    if plan.knowledge == "certified":
        return _certified(plan, number)
    indices = plan.shards()[number].indices
    images, labels = DIGITS.arrays(indices)
    epsilon, closest = changes.pop("epsilon", plan.threat.radius / 2), changes.pop("minimal", False)
    step = np.float32(epsilon if plan.threat.norm == "linf" else epsilon / 8)
    perturbed = np.where(images > 0.5, images - step, images + step).astype(np.float32)
    distances = plan.threat.distance(torch.from_numpy(images), torch.from_numpy(perturbed)).tolist()
    falls = [position % 2 == 0 for position in range(len(indices))]
    outcomes = tuple(
        Outcome(
            index,
            label,
            (label,),
            ((label + 1) % 10 if fallen else label,),
            distance,
            minimal=(distance if fallen else float("inf")) if closest else None,
            broken_at=3 if fallen else -1,
        )
        for index, label, distance, fallen in zip(indices, labels.tolist(), distances, falls, strict=True)
    )
    crafting = Crafting(40, 40, 40, {"own": 40}, 0)
    passes = (40, 40) if plan.source is None else (0, 0)
    result = ShardResult(
        index=number,
        outcomes=outcomes,
        forwards=passes[0],
        backwards=passes[1],
        seconds=0.5,
        peak_memory=1 << 20,
        perturbed_sha256=store.artifacts.write(perturbed, {"closest": perturbed} if closest else None),
        environment=ENVIRONMENT,
        facts=replace(FACTS, crafting=crafting) if plan.source is None else FACTS,
    )
    return replace(result, **changes)


def fill(store: Store, *plans: Plan, **changes: Any) -> Store:
    """All shards of these plans, added to the store."""
    for plan in plans:
        for shard in plan.shards():
            assert store.add(plan, honest_result(plan, shard.index, store, **changes)) is None
    return store


def certified_plan() -> Plan:
    """A plan whose certificates the harness issued."""
    return honest_plan("certify-l2", knowledge="certified", threat=ThreatModel("l2", Fraction(1, 4)))


def edit(store: Store, *statements: str) -> None:
    """Change a store's tables behind its back; its outcomes are a row a sample to these statements."""
    store.close()
    with editing(store.location) as connection:
        for statement in statements:
            connection.execute(statement)


def restore(script: str, folder: Path) -> Path:
    """The database of an older bench that lies beside this file as SQL, in a folder; its images beside it."""
    import shutil

    databases, path = Path(__file__).parent / "databases", folder / f"{script}.db"
    with sqlite3.connect(path) as connection:
        connection.executescript((databases / f"{script}.sql").read_text())
    connection.close()
    if (databases / f"{script}.artifacts").is_dir():
        shutil.copytree(databases / f"{script}.artifacts", folder / f"{script}.artifacts")
    return path


def _untouched(plan: Plan, number: int) -> ShardResult:
    indices = plan.shards()[number].indices
    images, labels = DIGITS.arrays(indices)
    outcomes = tuple(
        Outcome(index, label, (label,), (label,), 0.0) for index, label in zip(indices, labels.tolist(), strict=True)
    )
    return _unmoved(number, outcomes, images)


def _certified(plan: Plan, number: int) -> ShardResult:
    indices = plan.shards()[number].indices
    images, labels = DIGITS.arrays(indices)
    outcomes = tuple(
        Outcome(index, label, (label,), (label,) if radius >= plan.threat.radius else (-1,), 0.0, radius)
        for index, label, radius in zip(indices, labels.tolist(), (0.0, 0.1, 0.3, 0.6), strict=True)
    )
    return _unmoved(number, outcomes, images, votes=800)


def _unmoved(number: int, outcomes: tuple[Outcome, ...], images: Any, votes: int = 0) -> ShardResult:
    return ShardResult(number, outcomes, votes, 0, 0.5, 1 << 20, fingerprint(images), None, (), ENVIRONMENT, FACTS)
