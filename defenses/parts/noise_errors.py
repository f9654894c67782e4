"""Tables of denoising errors whose gradient needs the memory of one chunk, whatever the number of timesteps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import tick
from defenses.parts.denoiser import Denoiser


@dataclass
class Chunks:
    """How many rows (image x class x timestep) go through the network at once, plainly and with a graph, and how many
    images through the encoder."""

    plain: int
    graph: int
    images: int

    def halve(self) -> bool:
        """Half as many from now on; False where nothing is left to halve."""
        if self.plain == self.graph == self.images == 1:
            return False
        self.plain, self.graph, self.images = (max(1, size // 2) for size in (self.plain, self.graph, self.images))
        return True


@dataclass(frozen=True)
class Rows:
    """Which errors are wanted: classes (N, k) of each image at T timesteps, one noise (T, c, h, w) a timestep."""

    classes: Tensor
    steps: Tensor
    noise: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, k, T), the shape of the table."""
        return (*self.classes.shape, len(self.steps))


def error_table(denoiser: Denoiser, codes: Tensor, rows: Rows, loss: str, chunks: Chunks) -> Tensor:
    """Errors (N, k, T) of codes (N, c, h, w), differentiable once in the codes.

    The forward pass keeps no graph; the backward pass recomputes chunk by chunk, and only the rows that matter.
    """
    apply: Callable[..., Tensor] = _ErrorTable.apply
    return apply(codes, denoiser, rows, loss, chunks)


class _ErrorTable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, codes: Tensor, denoiser: Denoiser, rows: Rows, loss: str, chunks: Chunks) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.denoiser, ctx.rows, ctx.loss, ctx.chunks = denoiser, rows, loss, chunks
        every = torch.arange(_count(rows), device=codes.device)
        parts: list[Tensor] = []
        for image, kind, step, noise in _cut(rows, every, chunks.plain):
            tick(len(parts) * chunks.plain, len(every), "denoised")
            parts.append(denoiser.errors(codes[image], noise, step, kind, loss))
        return torch.cat(parts).view(rows.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (codes,) = ctx.saved_tensors
        flat = gradient.flatten()
        chosen = flat.nonzero().flatten()
        total = torch.zeros_like(codes)
        places = torch.split(chosen, ctx.chunks.graph)
        cut = zip(places, _cut(ctx.rows, chosen, ctx.chunks.graph), strict=True)
        for number, (place, (image, kind, step, noise)) in enumerate(cut):
            tick(number * ctx.chunks.graph, len(chosen), "differentiated")
            with torch.enable_grad():
                leaf = codes[image].detach().requires_grad_(True)
                errors = ctx.denoiser.errors(leaf, noise, step, kind, ctx.loss)
                (slope,) = torch.autograd.grad(errors, leaf, flat[place].to(errors.dtype))
            del errors  # and with it the graph of a network in half precision, before the next is built
            owners = torch.unique(image)  # a product, not index_add: that one adds in any order on CUDA
            share = (owners[:, None] == image).to(total.dtype) @ slope.flatten(1).to(total.dtype)
            total[owners] += share.view(-1, *total.shape[1:])
        return total, None, None, None, None


def _count(rows: Rows) -> int:
    images, kinds, steps = rows.shape
    return images * kinds * steps


def _cut(rows: Rows, chosen: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """For each chunk of the chosen rows: image number, class, timestep and noise of every row."""
    _, kinds, steps = rows.shape
    kind_of = rows.classes.flatten()
    for part in torch.split(chosen, size):
        place = part % steps
        pair = part // steps
        yield pair // kinds, kind_of[pair], rows.steps[place], rows.noise[place]
