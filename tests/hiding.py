"""Defenses that only hide the packaged ResNet's gradient, found as `tests.hiding:Hidden`; honest about none of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import Classifier, Defense, Part, Task

if TYPE_CHECKING:
    from torch import Generator, Tensor


class _Hidden(Classifier):
    def __init__(self, inner: Classifier, how: str, amount: float) -> None:
        self.inner, self.how, self.amount = inner, how, amount
        self.deterministic = how != "noise"

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch

        if self.how == "noise":
            noise = torch.randn(images.shape, generator=rng, device=rng.device)
            return self.inner((images + self.amount * noise).clamp(0, 1), rng)
        if self.how == "rounding":
            return self.inner((images * self.amount).round() / self.amount, rng)
        if self.how == "jpeg":
            return self.inner(_jpeg(images, self.amount), rng)
        return self.amount * self.inner(images, rng)


@dataclass(frozen=True)
class Hidden(Defense):
    """A classifier behind noise, rounding, a JPEG-like quantisation of frequencies, or a saturating scale."""

    how: str = "noise"
    amount: float = 0.05
    classifier: Part = Part("resnet")

    def load(self, task: Task, device: str) -> Classifier:
        return _Hidden(self.classifier.load(task, device), self.how, self.amount)


def _jpeg(images: Tensor, step: float) -> Tensor:
    """Blocks of 8x8 pixels whose cosine coefficients are rounded to multiples of `step`."""
    import math

    import torch

    place = torch.arange(8, dtype=images.dtype, device=images.device)
    basis = torch.cos(math.pi * (2 * place[None] + 1) * place[:, None] / 16) * 0.5
    basis[0] /= math.sqrt(2)
    blocks = images.unfold(2, 8, 8).unfold(3, 8, 8)
    coefficients = ((basis @ blocks @ basis.T) / step).round() * step
    rows = (basis.T @ coefficients @ basis).transpose(3, 4)
    return rows.reshape(images.shape).clamp(0, 1)
