"""Denoising errors whose gradient needs the memory of one chunk, whatever the number of timesteps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import concurrently, tick
from defenses.parts.diffusion.denoiser import Denoiser

P = TypeVar("P")
R = TypeVar("R")
FEW = 4
"""A chunk with a graph over this are few rows; halving fewer would cost one core more than it spares two."""


@dataclass
class Chunks:
    """How many rows (image x class x timestep) go through the network at once, plainly and with a graph, and how many
    images through the encoder; of how many rows the graphs may be kept; and whether memory allows several chunks at a
    time, where there are cores for them."""

    plain: int
    graph: int
    images: int
    held: int = 0
    side_by_side: bool = False

    @property
    def room(self) -> int:
        """Of how many rows graphs may be kept while other chunks are computed."""
        return self.held if self.side_by_side else 0

    def part(self, rows: int, most: int | None = None) -> int:
        """Rows of each of the equal parts of at most `most`, else `graph`, into which so many are cut: an even number
        of parts where they go side by side and are not few, so that of two cores none waits for the other."""
        parts = max(1, -(-rows // (most or self.graph)))
        if self.side_by_side and rows >= max(2, self.graph // FEW):
            parts += parts % 2
        return -(-rows // parts) or 1

    def each(self, compute: Callable[[P], R], parts: Iterable[P], device: torch.device) -> Iterator[R]:
        """What is computed of each part, in their order."""
        return concurrently(compute, parts, device) if self.side_by_side else map(compute, parts)

    def halve(self) -> bool:
        """Half as many from now on; False where nothing is left to halve."""
        if self.plain == self.graph == self.images == 1:
            return False
        self.plain, self.graph, self.images = (max(1, size // 2) for size in (self.plain, self.graph, self.images))
        self.held //= 2
        return True


@dataclass(frozen=True)
class Noises:
    """The noised versions of every code: T timesteps, and one noise (T, c, h, w) a timestep for all images and
    classes."""

    steps: Tensor
    noise: Tensor


@dataclass(frozen=True)
class Rows:
    """Which errors are wanted: the number of the image, the class and the place among the T noises of each of R
    rows."""

    image: Tensor
    kind: Tensor
    place: Tensor

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, chosen: Tensor | slice) -> Rows:
        return Rows(self.image[chosen], self.kind[chosen], self.place[chosen])

    @classmethod
    def of(cls, image: Tensor, kind: Tensor, places: Tensor) -> Rows:
        """P pairs of image and class at each of n places: row p n + i is pair p at place i."""
        count = len(places)
        return cls(image.repeat_interleave(count), kind.repeat_interleave(count), places.repeat(len(image)))

    @classmethod
    def together(cls, parts: list[Rows]) -> Rows:
        """The rows of all parts, one after the other."""
        columns = zip(*((part.image, part.kind, part.place) for part in parts), strict=True)
        return cls(*(torch.cat(column) for column in columns))


@dataclass
class Graph:
    """A chunk whose graph is kept: which rows of all it holds, the codes (n, c, h, w) of each, and their errors (n,);
    none once they were differentiated."""

    where: slice
    part: Rows
    leaf: Tensor
    errors: Tensor | None

    def slope(self, weights: Tensor) -> Tensor | None:
        """The gradient (n, c, h, w) of the errors' weighted sum; None where the graph is gone."""
        errors, self.errors = self.errors, None
        return None if errors is None else torch.autograd.grad(errors, self.leaf, weights.to(errors.dtype))[0]


@dataclass(frozen=True)
class Errors:
    """What a denoiser's errors are measured by; `loss` as in `Denoiser.errors`."""

    denoiser: Denoiser
    noises: Noises
    loss: str
    chunks: Chunks

    @torch.no_grad()
    def of(self, codes: Tensor, rows: Rows) -> Tensor:
        """Errors (R,) of codes (N, c, h, w), without a gradient."""
        found: list[Tensor] = []
        size = self.chunks.part(len(rows), self.chunks.plain)
        for errors in self.chunks.each(
            lambda part: self._errors(codes[part.image], part), self._cut(rows, size), codes.device
        ):
            found.append(errors)
            tick(len(found) * size, len(rows), "denoised")
        return torch.cat(found)

    def kept(self, codes: Tensor, rows: Rows, start: int) -> list[Graph]:
        """The same with graphs, which are kept; the rows are those of all from `start` on."""
        size = self.chunks.part(len(rows))
        cut = zip(range(start, start + len(rows), size), self._cut(rows, size), strict=True)
        return list(self.chunks.each(lambda each: self._graph(codes, *each), cut, codes.device))

    def attached(self, codes: Tensor, rows: Rows, found: Tensor, graphs: list[Graph], negligible: float) -> Tensor:
        """The errors (R,) that were found, differentiable once in the codes.

        The backward pass computes the rows that matter again, chunk by chunk, but those whose graphs were kept. Of each
        image those classes are left out that have the least weight in what is differentiated and together at most the
        share `negligible` of it.
        """
        apply: Callable[..., Tensor] = _Attached.apply
        return apply(codes, self, rows, found, graphs, negligible)

    def slopes(self, codes: Tensor, rows: Rows, weights: Tensor, graphs: list[Graph]) -> Tensor:
        """The gradient (N, c, h, w) of the errors' weighted sum, one chunk's graph a core in memory beside the kept."""
        total = torch.zeros_like(codes)
        left = weights.clone()

        def share_of(graph: Graph, weights: Tensor) -> tuple[Tensor, Tensor] | None:
            slope = graph.slope(weights)
            if slope is None:
                return None
            owners = torch.unique(graph.part.image)  # a product, not index_add: that one adds in any order on CUDA
            return owners, (owners[:, None] == graph.part.image).to(total.dtype) @ slope.flatten(1).to(total.dtype)

        def add(found: tuple[Tensor, Tensor]) -> None:
            owners, share = found
            total[owners] += share.view(-1, *total.shape[1:])

        known = self.chunks.each(lambda graph: share_of(graph, weights[graph.where]), graphs, codes.device)
        for graph, found in zip(graphs, known, strict=True):
            if found is not None:
                left[graph.where] = 0
                add(found)
        again = left.nonzero().flatten()
        rows, weights, size = rows[again], left[again], self.chunks.part(len(again))
        cut = zip(self._cut(rows, size), weights.split(size), strict=True)

        def anew(each: tuple[Rows, Tensor]) -> tuple[Tensor, Tensor] | None:
            return share_of(self._graph(codes, 0, each[0]), each[1])

        for number, found in enumerate(self.chunks.each(anew, cut, codes.device), 1):
            assert found is not None  # the graph is new
            add(found)
            tick(number * size, len(rows), "differentiated")
        return total

    def _graph(self, codes: Tensor, start: int, part: Rows) -> Graph:
        with torch.enable_grad():
            leaf = codes[part.image].detach().requires_grad_(True)
            return Graph(slice(start, start + len(part)), part, leaf, self._errors(leaf, part))

    @staticmethod
    def _cut(rows: Rows, size: int) -> Iterator[Rows]:
        columns = (rows.image, rows.kind, rows.place)
        if len(rows):
            yield from (Rows(*parts) for parts in zip(*(column.split(size) for column in columns), strict=True))

    def _errors(self, codes: Tensor, rows: Rows) -> Tensor:
        noise, steps = self.noises.noise[rows.place], self.noises.steps[rows.place]
        return self.denoiser.errors(codes, noise, steps, rows.kind, self.loss)


class _Attached(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, codes: Tensor, errors: Errors, rows: Rows, found: Tensor, graphs: list[Graph], negligible: float
    ) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.errors, ctx.rows, ctx.graphs, ctx.negligible = errors, rows, graphs, negligible
        return found.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (codes,) = ctx.saved_tensors
        weights = _weighty(ctx.rows, gradient, len(codes), ctx.negligible)
        return ctx.errors.slopes(codes, ctx.rows, weights, ctx.graphs), None, None, None, None, None


def _weighty(rows: Rows, weights: Tensor, images: int, negligible: float) -> Tensor:
    """The rows' weights, those of classes that do not matter for their image set to 0."""
    if not negligible:
        return weights
    classes = int(rows.kind.max()) + 1
    places = int(rows.place.max()) + 1
    table = weights.new_zeros(images, classes, places)
    table[rows.image, rows.kind, rows.place] = weights.abs()
    share = table.sum(2)
    order = share.argsort(dim=1, stable=True)
    below = share.gather(1, order).cumsum(1) <= negligible * share.sum(1, keepdim=True)
    dropped = torch.zeros_like(below).scatter(1, order, below)
    return weights.masked_fill(dropped[rows.image, rows.kind], 0)
