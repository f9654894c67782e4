"""Whether what an attack proposes lies within the threat model, and how far it went."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.domain.plan import Plan
from bench.loading.determinism import exact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Exhibits:
    """The harness's own images (N, C, H, W) float32 of a shard, and what was proposed in their place."""

    images: NDArray[np.float32]
    perturbed: NDArray[np.float32]
    witness: NDArray[np.float32] | None = None
    closest: NDArray[np.float32] | None = None


def refusal(plan: Plan, shown: Exhibits, asked: int) -> str | None:
    """Why proposed images are inadmissible; None when all are within the budget, or none were proposed.

    `asked` counts the passes that the attack made through the victim.
    """
    threat, attack = plan.threat, plan.attack.name
    if plan.is_untouched:
        return None
    if threat.norm == "corruption" and asked:
        return f"{attack} asked the victim; a corruption must not know what it is shown to."
    if shown.closest is not None and not ((shown.closest >= 0) & (shown.closest <= 1)).all():
        return f"Some of the closest images that {attack} proposed lie outside [0, 1]."
    clean, perturbed, witness = _tensors(shown)
    with exact("cpu"):
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


def distances(plan: Plan, shown: Exhibits, moved: NDArray[np.float32]) -> list[float]:
    """How far the perturbed or the closest images (N, C, H, W) are from the clean ones, in the norm of the plan."""
    import torch

    clean, _, witness = _tensors(shown)
    with exact("cpu"):
        found: list[float] = plan.threat.distance(clean, torch.from_numpy(moved).nan_to_num(0, 0, 0), witness).tolist()
    return found


def _tensors(shown: Exhibits) -> tuple[Tensor, Tensor, Tensor | None]:
    """The clean images, the perturbed ones and their witness."""
    import torch

    witness = None if shown.witness is None else torch.from_numpy(shown.witness)
    return torch.from_numpy(shown.images), torch.from_numpy(shown.perturbed), witness
