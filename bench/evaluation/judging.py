"""The harness's own judgement of what an attack proposes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.domain.attack import Perturbed
from bench.domain.plan import Plan

if TYPE_CHECKING:
    from torch import Tensor


def refusal(plan: Plan, images: Tensor, proposal: Perturbed, asked: int) -> str | None:
    """Why a proposal for these clean images (N, C, H, W) is inadmissible; None when every image is within the budget.

    `asked` counts the passes that the attack made through the victim.
    """
    threat, attack = plan.threat, plan.attack.name
    if threat.norm == "corruption" and asked:
        return f"{attack} asked the victim; a corruption must not know what it is shown to."
    closest = proposal.closest
    if closest is not None and not bool(((closest >= 0) & (closest <= 1)).all()):
        return f"Some of the closest images that {attack} proposed lie outside [0, 1]."
    clean, perturbed, witness = images.cpu(), proposal.images.cpu(), on_cpu(proposal.witness)
    refused = ~threat.admits(clean, perturbed, witness)
    if not bool(refused.any()):
        return None
    worst = perturbed[refused]
    farthest = float(threat.distance(clean, perturbed, witness).max())
    if not bool(worst.isfinite().all()):
        detail = "some pixels are not finite"
    elif bool(((worst < 0) | (worst > 1)).any()):
        detail = f"pixels span [{float(worst.min()):.3g}, {float(worst.max()):.3g}] instead of [0, 1]"
    elif math.isinf(farthest):
        detail = "there is no witness that proves them"
    elif threat.needs_witness and farthest <= threat.radius:
        detail = "they are not what their witness makes of the clean images"
    else:
        detail = f"the largest distance is {farthest:.4g}"
    return (
        f"{int(refused.sum())} of {len(perturbed)} images that {attack} proposed lie outside the threat model "
        f"{threat}: {detail}."
    )


def on_cpu(tensor: Tensor | None) -> Tensor | None:
    """The tensor without its graph, on the CPU; None for None."""
    return None if tensor is None else tensor.detach().cpu()
