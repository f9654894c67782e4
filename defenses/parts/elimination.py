"""Staged elimination: many timesteps only for the classes that few timesteps could not rule out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.utils.checkpoint import checkpoint

from bench import Classifier
from defenses.parts.denoiser import Denoiser
from defenses.parts.noise_errors import Chunks, Rows, error_table
from defenses.parts.search import Search

FEWER = 5
"""How many times as many timesteps as its surrogate a classifier looks at."""


class DiffusionClassification(Classifier):
    """The class under which the denoiser predicts the noise best.

    Logits are minus the mean error over all timesteps seen, times the number of values in a code, for the classes
    that survive every stage. A class eliminated at a stage gets the lowest logit of those that survived it, minus its
    own excess error over the worst of them at that stage, so that it never ranks above one. Deviation from the
    published code: one noise a timestep is shared not only by the classes but by the images of a call, so that an
    attack that regroups its samples still sees one function.
    """

    deterministic = False
    differentiable = True

    def __init__(self, denoiser: Denoiser, search: Search, classes: int, chunks: Chunks) -> None:
        self.denoiser = denoiser
        self._search = search
        self._classes = classes
        self._chunks = chunks

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K), differentiable in the images; the noise of the whole grid is drawn from `rng` first."""
        codes = self._encode(images)
        grid = torch.tensor(self._search.grid(), device=codes.device)
        noise = torch.randn((len(grid), *codes.shape[1:]), generator=rng, device=rng.device).to(codes)
        classes = torch.arange(self._classes, device=codes.device).expand(len(codes), -1)
        total = torch.zeros(classes.shape, device=codes.device)
        cuts: list[_Cut] = []
        seen = 0
        for places, kept in zip(self._search.stages(), self._search.kept, strict=True):
            where = torch.tensor(places, device=codes.device)
            rows = Rows(classes, grid[where], noise[where])
            table = error_table(self.denoiser, codes, rows, self._search.loss, self._chunks)
            seen += len(places)
            total = total + table.sum(2)
            if kept > 1 and kept < classes.shape[1]:
                order = (total / seen).argsort(dim=1, stable=True)
                cuts.append(_Cut.of(classes, total / seen, order, kept))
                best = order[:, :kept].sort(1).values
                classes, total = classes.gather(1, best), total.gather(1, best)
        logits = total.new_zeros(len(codes), self._classes).scatter(1, classes, -total / seen * codes[0].numel())
        for cut in reversed(cuts):
            logits = cut.below(logits, codes[0].numel())
        return logits

    def _encode(self, images: Tensor) -> Tensor:
        """Codes of the images, encoded again for the gradient so that one part's graph is in memory at a time."""
        parts = torch.split(images, self._chunks.images)
        if not (images.requires_grad and torch.is_grad_enabled()):
            return torch.cat([self.denoiser.encode(part) for part in parts])
        encode = self.denoiser.encode
        return torch.cat([checkpoint(encode, part, use_reentrant=False, preserve_rng_state=False) for part in parts])

    def surrogate(self) -> Classifier | None:
        """The same denoiser at a fifth of the timesteps, for every class; None where there are fewer than 5."""
        few = self._search.timesteps // FEWER
        if not few:
            return None
        search = replace(self._search, timesteps=few, seen=(few,), kept=(1,))
        return DiffusionClassification(self.denoiser, search, self._classes, self._chunks)

    def shrink(self) -> str | None:
        """Half as many rows a network call."""
        return f"chunks of {self._chunks.plain} rows" if self._chunks.halve() else None


@dataclass(frozen=True)
class _Cut:
    """One elimination: who stayed (N, k), who left (N, m), and by how much more error than the worst who stayed."""

    stayed: Tensor
    left: Tensor
    excess: Tensor

    @classmethod
    def of(cls, classes: Tensor, mean: Tensor, order: Tensor, kept: int) -> _Cut:
        worst = mean.gather(1, order[:, kept - 1 : kept])
        return cls(
            classes.gather(1, order[:, :kept]),
            classes.gather(1, order[:, kept:]),
            mean.gather(1, order[:, kept:]) - worst,
        )

    def below(self, logits: Tensor, scale: int) -> Tensor:
        """Logits in which those who left rank below those who stayed."""
        lowest = logits.gather(1, self.stayed).amin(1, keepdim=True)
        return logits.scatter(1, self.left, lowest - scale * self.excess)
