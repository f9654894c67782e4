"""From a person's request to a plan: names become plugins, defaults are spelled out, everything is checked once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.domain.dataset import choose, shard_size_of
from bench.domain.errors import UsageError
from bench.domain.plan import MOST_DRAWS, Plan, Spec, precision_of
from bench.domain.threat import ThreatModel
from bench.evaluation.requests.named import Device, Named
from bench.evaluation.requests.request import Request
from bench.loading.environment import resolve_device
from bench.loading.images import fingerprint
from bench.plugins.settings import LARGEST

MOST_SEEDS = 1000


def make_plan(request: Request, device: Device = lambda: resolve_device("auto")) -> Plan:
    """The plan of a request.

    A source is the protocol's unless the request names one; 'self', or a source that is the defense by content, is
    white box. The attack 'none' plans the images as they are. `device` is asked only where a defense computes otherwise
    on another kind of device. Raises `UsageError`, `DataError`, `WeightsError` or `PluginError` with one sentence each.
    """
    wanted = _checked(request.wanted())
    named = Named.by(request)
    images = named.images()
    content = named.content(images.task, device)
    indices = choose(wanted["samples"], len(images), wanted["sample_seed"], wanted["sampling"])
    if wanted["fixed_noise"]:
        _check_fixed_noise(content.source, wanted["draws"])
    if named.epsilon is None:
        raise UsageError(
            f"{request.dataset} has no customary budget for {named.norm}, the norm of {request.attack}; "
            f"give one with --epsilon."
        )
    return Plan(
        defense=content.defense,
        attack=content.attack,
        source=content.source,
        dataset=content.dataset,
        size=len(images),
        images=fingerprint(images, indices, content.dataset),
        threat=ThreatModel(named.norm, named.epsilon),
        knowledge=named.knowledge,
        precision=precision_of(content.defense),
        **wanted
        | {
            "shard_size": wanted["shard_size"] or shard_size_of(named.shard_size, wanted["samples"]),
            "passes": wanted["passes"] if named.asks else None,
        },
    )


def seeded_requests(request: Request, seeds: int) -> list[Request]:
    """The request under `seeds` consecutive seeds, from its own or the protocol's."""
    if seeds > MOST_SEEDS:
        raise UsageError(f"One call takes at most {MOST_SEEDS:,} seeds; got {seeds:,}.")
    first = request.wanted()["seed"]
    return [replace(request, seed=first + number) for number in range(_positive("number of seeds", seeds))]


def _checked(wanted: dict[str, Any]) -> dict[str, Any]:
    """The same settings; `UsageError` for the first number that cannot be, before any plugin's code runs."""
    counts = {"samples": "samples", "draws": "draws", "shard_size": "shard size", "passes": "number of passes"}
    for name, label in counts.items():
        if wanted[name] is not None:
            _positive(label, wanted[name])
    checked_seed("sample seed", wanted["sample_seed"])
    checked_seed("seed", wanted["seed"])
    if wanted["draws"] > MOST_DRAWS:
        raise UsageError(f"A sample is judged at most {MOST_DRAWS:,} times; got {wanted['draws']:,} draws.")
    return wanted


def _check_fixed_noise(source: Spec | None, draws: int) -> None:
    """Attack and judge can share a noise only where they ask the same classifier, and then there is one draw."""
    if source is not None:
        raise UsageError(
            f"--fixed-noise lets the attack know the judged classifier's noise, but these images are crafted on "
            f"{source.name}; add --source self."
        )
    if draws != 1:
        raise UsageError(f"With --fixed-noise there is one noise, so one draw a sample; got {draws}: add --draws 1.")


def _positive(label: str, value: int) -> int:
    if value >= LARGEST:
        raise UsageError(f"The {label} must be below 2^63; got a number of {len(str(value))} digits.")
    if value < 1:
        raise UsageError(f"The {label} must be at least 1; got {value}.")
    return value


def checked_seed(label: str, value: int) -> int:
    """The same seed; `UsageError` where numpy's legacy generator could not take it."""
    if not 0 <= value < 2**32:
        raise UsageError(f"The {label} must lie in [0, 2^32); got {value}.")
    return value
