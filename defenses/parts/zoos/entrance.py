"""What a published model wants done to its images first: size, normalisation, classes; inside the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import torch
from torch import Tensor, nn

from defenses.parts.resize import Kernel, resize


@dataclass(frozen=True)
class Entrance:
    """How images (N, C, H, W) in [0, 1] become what a model reads.

    `size` is its height and width. With `crop` below 1 the shorter side is scaled to the size divided by it and the
    centre kept, with 1 the whole image is scaled to the size. `mean` and `std` have one value a channel.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kernel: Kernel
    crop: float = 1.0

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the whole image where the centre is cut from it."""
        if self.crop == 1:
            return self.size
        shorter = floor(min(self.size) / self.crop)
        return tuple(int(shorter * side / min(height, width)) for side in (height, width))  # type: ignore[return-value]


class Entered(nn.Module):
    """A model behind its entrance; gives logits (N, K) in the order of the task's classes."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, entrance: Entrance, order: tuple[int, ...] | None) -> None:
        super().__init__()
        self.network, self._entrance, self._order = network, entrance, order
        for name, values in (("mean", entrance.mean), ("std", entrance.std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """One pass; the rounding to 8 bits after resizing is left out, so that images have a gradient.

        Grey images are shown to a network of colours as three equal channels.
        """
        own = self._entrance
        scaled = own.scaled(*images.shape[2:])
        if images.shape[2:] != scaled:
            images = resize(images, scaled, own.kernel, cut=True)
        (height, width), (top, left) = own.size, (round((a - b) / 2) for a, b in zip(scaled, own.size, strict=True))
        images = images[:, :, top : top + height, left : left + width].expand(-1, len(own.mean), -1, -1)
        found = self.network((images - self.mean) / self.std)
        logits: Tensor = found if isinstance(found, Tensor) else found.logits
        return logits if self._order is None else logits[:, list(self._order)]
