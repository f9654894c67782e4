"""What a crafting is given and gives, and whether what an attack returned is a proposal at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bench.domain.attack import Perturbed, Smoothing
from bench.domain.dataset import Batch, Task
from bench.domain.errors import PluginError
from bench.domain.facts import Crafting
from bench.domain.plan import Plan, Shard

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Craft:
    """A shard to craft: images (N, C, H, W) float32 in [0, 1] and labels (N,) are copies of the harness's own."""

    plan: Plan
    shard: Shard
    task: Task
    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Audit:
    """A query of the attack as it was answered, as arrays; see `bench.domain.queries.victim.Query`."""

    images: NDArray[np.float32]
    seed: int
    logits: NDArray[np.float32]
    cotangent: NDArray[np.float32] | None
    gradient: NDArray[np.float32] | None


@dataclass(frozen=True)
class Proposal:
    """What a crafting gives, as arrays of the harness's own; a proof gives its images as they are, and what they cost.

    `perturbed` (N, C, H, W), `closest`, `witness`, `broken_at` and `fell_to` are the attack's (`Perturbed`). `answers`
    (N, K) are a deterministic victim's logits of the perturbed images, asked after the attack. `smoothing` is how a
    proof is to be made, where the attack is one.
    """

    perturbed: NDArray[np.float32]
    answers: NDArray[np.float32] | None
    audits: tuple[Audit, ...]
    facts: Crafting | None
    closest: NDArray[np.float32] | None = None
    witness: NDArray[np.float32] | None = None
    broken_at: NDArray[np.int64] | None = None
    fell_to: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_memory: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    smoothing: Smoothing | None = None


def checked(proposal: Perturbed, batch: Batch) -> Perturbed:
    """The proposal in tensors of the harness's own; `PluginError` where it is none."""
    import torch

    if not isinstance(proposal, Perturbed):
        raise PluginError(f"it returned {type(proposal).__name__}; it must return bench.Perturbed.")
    expected = tuple(batch.images.shape)
    for found in (proposal.images, proposal.closest):
        if found is not None and (not isinstance(found, torch.Tensor) or tuple(found.shape) != expected):
            what = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise PluginError(f"it returned images {what}; {expected} was expected.")
        if found is not None and found.dtype != batch.images.dtype:
            raise PluginError(
                f"it returned images of {found.dtype}; they must be {batch.images.dtype}, as the batch's are."
            )
    broken_at, fell_to = proposal.broken_at, proposal.fell_to
    if broken_at is not None and (tuple(broken_at.shape) != expected[:1] or broken_at.is_floating_point()):
        raise PluginError("it returned a broken_at that is no whole number a sample.")
    if broken_at is not None and bool((broken_at < -1).any()):
        raise PluginError("it returned a broken_at below -1, which means never.")
    if fell_to is not None and (len(fell_to) != len(batch) or not all(isinstance(part, str) for part in fell_to)):
        raise PluginError("it returned a fell_to that is no word a sample.")
    if not all(isinstance(name, str) and type(count) is int for name, count in proposal.told.items()):
        raise PluginError("it told of its run in something else than whole numbers by name.")
    return Perturbed(
        images=proposal.images.detach().clone(),
        witness=_own(proposal.witness),
        remarks=tuple(map(str, proposal.remarks)),
        closest=_own(proposal.closest),
        broken_at=_own(broken_at),
        fell_to=None if fell_to is None else tuple(fell_to),
        told=dict(proposal.told),
    )


def _own(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()
