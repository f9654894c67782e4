"""Plans and outcomes made up for the report's tests, written through the real store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from bench.domain.facts import Controls, Crafting, Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.plugins.registry import attacks
from bench.plugins.settings import spell_out
from bench.store.store import Store

ENVIRONMENT = {"device": "CPU of the tests", "torch": "2.0"}


def attack_spec(name: str, params: Mapping[str, Any]) -> Spec:
    """A registered attack as `bench evaluate` would store it."""
    return Spec(name, spell_out(attacks.make(name, params)))


def make_plan(
    defense: str = "tmdc", attack: str = "aa-linf", *, params: Mapping[str, Any] | None = None, **changes: Any
) -> Plan:
    """A plan of transfer-1024; the source's own is white box."""
    plan = Plan(
        defense=Spec(defense, {"width": 32}, "1", {"network": "ab" * 32}),
        attack=attack_spec(attack, params or {}),
        source=None if defense == "resnet" else Spec("resnet", {"width": 32}, "1", {"network": "ab" * 32}),
        dataset=Spec("digits"),
        size=1024,
        images="f00d" * 16,
        threat=ThreatModel("l2" if attack.endswith("l2") else "linf", Fraction("0.05")),
        knowledge="white-box",
        samples=1024,
        sampling="random",
        sample_seed=2024,
        shard_size=128,
        seed=0,
        draws=1,
    )
    return replace(plan, **changes)


def small_plan(defense: str = "tmdc", attack: str = "aa-linf", **changes: Any) -> Plan:
    """A plan of 8 samples in 2 shards, which no protocol covers."""
    return make_plan(defense, attack, **{"samples": 8, "shard_size": 4, **changes})


def add(
    store: Store,
    plan: Plan,
    clean: Sequence[bool | Sequence[int]],
    perturbed: Sequence[bool | Sequence[int]],
    *,
    shards: Sequence[int] | None = None,
    invalid: str | None = None,
    remarks: tuple[str, ...] = (),
    environment: Mapping[str, Any] = ENVIRONMENT,
    seconds: float = 2.0,
    passes: tuple[int, int] = (0, 0),
    distances: Sequence[float] | None = None,
    facts: Facts | Literal["usual"] | None = "usual",
    images: str = "c0" * 32,
    fell_to: Sequence[str] | None = None,
) -> None:
    """Fill shards (all by default) of a plan whose every label is 1.

    `clean` and `perturbed` say for each of the plan's samples, in its order, whether the prediction is right, or give
    the predicted class of each draw; `distances` are the whole budget by default. Only the first of the shards becomes
    `invalid`. The `facts` are those of an honest run, None those of an older bench; `images` is the hash of the judged
    ones.
    """
    moved = distances or [plan.threat.radius] * plan.samples
    parts = fell_to or [None] * plan.samples
    rows = dict(zip(plan.indices, zip(clean, perturbed, moved, parts, strict=True), strict=True))
    for shard in plan.shards():
        if shards is None or shard.index in shards:
            outcomes = tuple(
                Outcome(
                    *(index, 1, _predictions(rows[index][0]), _predictions(rows[index][1]), rows[index][2]),
                    fell_to=rows[index][3],
                )
                for index in shard.indices
            )
            result = ShardResult(
                index=shard.index,
                outcomes=outcomes,
                forwards=passes[0] * len(outcomes),
                backwards=passes[1] * len(outcomes),
                seconds=seconds,
                peak_memory=300 * 2**20,
                perturbed_sha256=images,
                invalid=invalid if shard.index == 0 else None,
                remarks=remarks,
                environment=environment,
                facts=honest(plan) if facts == "usual" else facts,
            )
            store.add(plan, result)


def honest(plan: Plan, *, crafting: Mapping[str, Any] | None = None, **changes: Any) -> Facts:
    """What the harness sees of a shard where everybody does as they say; some of it may be otherwise."""
    taken = {} if plan.knowledge == "black-box" else {"own": 40}
    controls = Controls(rows=8, moved=8, above_noise=8, above_halfway=8, gradients=8 if taken else 0)
    usual = replace(Crafting(400, 320, 41, taken, noises=len(taken), controls=controls), **(crafting or {}))
    judged_only = plan.source is not None or plan.is_untouched or plan.knowledge == "certified"
    facts = Facts(
        random=False,
        declared_random=False,
        differentiable=True,
        abstains=False,
        replayed=16,
        audited=0 if judged_only else 4,
        batch_dependent=False,
        contracts={"leaves its input alone": ""},
        crafting=None if judged_only else usual,
    )
    return replace(facts, **changes)


def _predictions(row: bool | Sequence[int]) -> tuple[int, ...]:
    return (int(row),) if isinstance(row, bool) else tuple(row)
