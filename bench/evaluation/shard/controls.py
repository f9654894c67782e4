"""What the harness asks of a crafting on a few rows, so that one run alone says whether its attack worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.domain.facts import Controls
from bench.domain.flow import warp
from bench.domain.queries.spending import lead

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.queries.victim import Victim
    from bench.domain.threat import ThreatModel

ROWS = 8
"""Rows that are looked at in every crafting."""
STEP = 0.1
"""Length of the step along a gradient, as a share of the budget; no longer than `LONGEST` in a pixel."""
LONGEST = 0.01


def controls(
    victim: Victim, clean: Tensor, perturbed: Tensor, labels: Tensor, threat: ThreatModel, rng: Generator, slopes: bool
) -> Controls:
    """The counts on the first rows of clean and perturbed images (N, C, H, W) with labels (N,).

    `victim` is one of the harness's own, under noise that the attack did not see; with `slopes` it is asked for
    gradients too.
    """
    import torch

    clean, perturbed, labels = clean[:ROWS], perturbed[:ROWS], labels[:ROWS]
    with torch.no_grad():
        before = victim(clean)
        right = before.argmax(1) == labels
        if not bool(right.any()):
            return Controls()
        at_noise = lead(victim(noise_of_budget(clean, threat, rng)), labels)
        halfway = lead(victim((clean + perturbed) / 2), labels)
        found = lead(victim(perturbed), labels)
    moved = right & (perturbed != clean).flatten(1).any(1)
    counted = {
        "rows": right,
        "moved": moved,
        "above_noise": moved & (found > at_noise),
        "below_noise": moved & (found < at_noise),
        "above_halfway": moved & (found > halfway),
        "below_halfway": moved & (found < halfway),
    }
    if slopes:
        counted |= _slopes(victim, clean, labels, right, threat)
    return Controls(**{name: int(rows.sum()) for name, rows in counted.items()})


def noise_of_budget(clean: Tensor, threat: ThreatModel, rng: Generator) -> Tensor:
    """Random images (N, C, H, W) that spend the budget: what an attack must be better than."""
    import torch

    draws = torch.randn(clean.shape, generator=rng, device=rng.device).to(clean)
    if threat.norm == "linf":
        moved = clean + threat.radius * draws.sign()
    elif threat.norm == "l0":
        order = torch.rand(len(clean), clean[0, 0].numel(), generator=rng, device=rng.device).to(clean).argsort(1)
        chosen = (order < round(threat.radius)).view(len(clean), 1, *clean.shape[2:])
        moved = torch.where(chosen, (draws > 0).to(clean), clean)
    elif threat.norm == "flow":
        return warp(clean, threat.radius * draws[:, :1].sign().repeat(1, 2, 1, 1))
    else:
        length = draws.flatten(1).norm(p=1 if threat.norm == "l1" else 2, dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        moved = clean + threat.radius * draws / length
    return moved.clamp(0, 1)


def _slopes(victim: Victim, clean: Tensor, labels: Tensor, right: Tensor, threat: ThreatModel) -> dict[str, Tensor]:
    """Which rows' gradient is zero, zero for the cross-entropy alone, or leads the wrong way."""
    import torch

    asked = clean.clone().requires_grad_()
    with torch.enable_grad():
        logits = victim(asked)
        leads = lead(logits, labels)
        if not leads.requires_grad:
            return {"gradients": right, "zero": right}
        (slope,) = torch.autograd.grad(leads.sum(), asked, allow_unused=True)
    slope = torch.zeros_like(clean) if slope is None else slope.nan_to_num(0, 0, 0)
    flat = slope.flatten(1)
    zero = right & ~flat.ne(0).any(1)
    saturated = logits.detach().softmax(1).gather(1, labels[:, None]).flatten() == 1
    length = min(STEP * threat.radius, LONGEST) if threat.norm in ("linf", "l2") else LONGEST
    if threat.norm == "linf":
        step = length * slope.sign()
    else:
        step = length * slope / flat.norm(dim=1).clamp_min(1e-30).view(-1, 1, 1, 1)
    with torch.no_grad():
        after = lead(victim(clean + step), labels)
    return {
        "gradients": right,
        "zero": zero,
        "saturated": right & saturated & ~zero,
        "falling": right & ~zero & (after < leads.detach()),
    }
