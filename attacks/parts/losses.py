"""What an attack climbs: losses (N,) of logits (N, K) that are larger the worse the true class does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the highest wrong logit leads the true class's; above 0 the image is misclassified (Carlini and Wagner
    2017, 1608.04644)."""
    import torch

    true = labels[:, None]
    wrong = logits.scatter(1, true, -torch.inf).amax(1)
    return wrong - logits.gather(1, true).flatten()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy, which a confident classifier saturates."""
    from torch.nn import functional

    return functional.cross_entropy(logits, labels, reduction="none")


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """The difference of logits ratio (Croce and Hein 2020, 2003.01690, eq. 6), which no scale of the logits changes;
    with two classes, which it does not know, the margin."""
    if logits.shape[1] < 3:
        return margin(logits, labels)
    ordered = logits.sort(dim=1).values
    return margin(logits, labels) / (ordered[:, -1] - ordered[:, -3] + 1e-12)


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "dlr": dlr, "margin": margin}


def pull(loss: Loss, logits: Tensor, labels: Tensor, negligible: float) -> tuple[Tensor, Tensor]:
    """The losses (N,), and their gradient (N, K) in the logits without the entries that are less than this share of a
    row's largest.

    A generative classifier's backward pass costs as much as classes carry weight, and most have no chance.
    """
    import torch

    leaf = logits.detach().requires_grad_()
    with torch.enable_grad():
        losses = loss(leaf, labels)
        (weights,) = torch.autograd.grad(losses.sum(), leaf)
    sizes = weights.abs()
    kept = torch.where(sizes >= negligible * sizes.amax(1, keepdim=True), weights, 0.0)
    return losses.detach(), kept
