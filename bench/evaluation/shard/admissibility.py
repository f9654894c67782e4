"""Whether what an attack proposes lies within the threat model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.domain.plan import Plan

if TYPE_CHECKING:
    from torch import Tensor


def refusal(
    plan: Plan, clean: Tensor, perturbed: Tensor, witness: Tensor | None, closest: Tensor | None, asked: int
) -> str | None:
    """Why perturbed images (N, C, H, W) are inadmissible for these clean ones; None when all are within the budget.

    `asked` counts the passes that the attack made through the victim.
    """
    threat, attack = plan.threat, plan.attack.name
    if threat.norm == "corruption" and asked:
        return f"{attack} asked the victim; a corruption must not know what it is shown to."
    if closest is not None and not bool(((closest >= 0) & (closest <= 1)).all()):
        return f"Some of the closest images that {attack} proposed lie outside [0, 1]."
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
