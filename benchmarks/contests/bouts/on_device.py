"""AutoAttack on a device: ours and the library's own, on the same samples from the same seed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from attacks.autoattack.library import isolated, seed_from, set_steps
from bench import Batch, Network, ThreatModel, Victim
from bench.loading.determinism import exact
from bench.plugins.registry import attacks
from contests.sides.device import rng_on, timed
from contests.sides.libraries import Plain

BUDGETS = tuple(Fraction(2**power, 255 * 64) for power in range(12))


def autoattack(
    network: Network, images: Tensor, steps: int, queries: int, told: Callable[[str], None]
) -> dict[str, Any]:
    """AutoAttack's standard version, ours and the library's own, on the same samples from the same seed."""
    import pyautoattack

    device = str(images.device)
    with torch.no_grad():
        labels = network(images, rng_on(device)).argmax(1)
    batch = Batch(tuple(range(len(images))), images, labels)
    threat = ThreatModel("linf", _halving(network, batch))
    told(f"AutoAttack at {threat} on {len(images)} samples")

    def ours() -> Tensor:
        victim = Victim(network, rng_on(device))
        return (
            attacks.make("aa-linf", {"n_iter": steps, "n_queries": queries})
            .perturb(victim, batch, threat, rng_on(device))
            .images
        )

    def library() -> Tensor:
        with isolated():
            model, seed = Plain(network).to(device).eval(), seed_from(rng_on(device))
            adversary = pyautoattack.AutoAttack(model, norm="Linf", eps=threat.radius, seed=seed, device=device)
            for part in (adversary.apgd, adversary.apgd_targeted):
                set_steps(part, steps)
            adversary.fab.n_iter, adversary.square.n_queries = steps, queries
            found: Tensor = adversary.run_standard_evaluation(images, labels, batch_size=len(images))[0]
            return found

    sides: dict[str, dict[str, Any]] = {}
    for name, side in (("ours", ours), ("library", library)):
        with exact(device):
            seconds, memory, found = timed(device, side)
        with torch.no_grad():
            robust = network(found, rng_on(device)).argmax(1) == labels
        sides[name] = {"seconds": round(seconds, 2), "memory": memory, "robust": int(robust.sum())}
        sides[name]["verdicts"] = robust.long().tolist()
        told(f"{name}: {sides[name]}")
    return {
        "samples": len(images),
        "steps": steps,
        "queries": queries,
        "epsilon": str(threat.epsilon),
        "equal": sum(a == b for a, b in zip(*(side["verdicts"] for side in sides.values()), strict=True)),
        **sides,
    }


def _halving(network: Network, batch: Batch) -> Fraction:
    """The smallest of the budgets at which PGD misleads at least half of the samples."""
    device = str(batch.images.device)
    for budget in BUDGETS:
        victim, threat = Victim(network, rng_on(device)), ThreatModel("linf", budget)
        attack = attacks.make("pgd-linf", {"steps": 20})
        images = attack.perturb(victim, batch, threat, rng_on(device)).images
        with torch.no_grad():
            robust = network(images, rng_on(device)).argmax(1) == batch.labels
        if int(robust.sum()) <= len(robust) // 2:
            return budget
    return BUDGETS[-1]
