"""The class under which a denoiser predicts the noise best, found with as few predictions as will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor
from torch.utils.checkpoint import checkpoint

from bench import Classifier, UsageError
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.elimination import Elimination, Stages
from defenses.parts.diffusion.noise_errors import Chunks, Errors, Graph, Noises, Rows
from defenses.parts.narrow import wide

FEWER = 5
"""How many times as many timesteps as its surrogate a classifier looks at."""


@dataclass(frozen=True)
class Grid:
    """The timesteps (T,) that are looked at, the weights (T,) of their errors in the mean, which average 1, and the
    loss ('l1', 'l2')."""

    steps: Tensor
    weights: Tensor
    loss: str

    @classmethod
    def even(cls, steps: tuple[int, ...], loss: str) -> Grid:
        """Timesteps that weigh alike."""
        return cls(torch.tensor(steps), torch.ones(len(steps)), loss)

    def __len__(self) -> int:
        return len(self.steps)

    def every(self, stride: int) -> Grid:
        """Every so many-th timestep, from the middle of the first part on."""
        weights = self.weights[stride // 2 :: stride]
        return Grid(self.steps[stride // 2 :: stride], weights / weights.mean(), self.loss)


@dataclass(eq=False, repr=False)
class DiffusionClassification(Classifier):
    """The class under which the denoiser predicts the noise best.

    Logits are minus the mean error over the timesteps seen, times the number of values in a code, for the classes that
    were never ruled out. A class that was gets the logit of the class that led when it left, minus its own excess over
    that one at the timesteps that both had seen; so it never ranks first. Deviation from the published code: one noise
    a timestep is shared not only by the classes but by the images of a call, so that an attack that regroups its
    samples still sees one function.

    The gradient leaves out the classes that together have at most the share `negligible` of a loss's weight. Raises
    `UsageError` where that is no share below 1.
    """

    denoiser: Denoiser
    grid: Grid
    elimination: Elimination
    classes: int
    chunks: Chunks
    negligible: float = 0.0
    deterministic = False
    common_noise = True

    def __post_init__(self) -> None:
        if not 0 <= self.negligible < 1:
            raise UsageError(f"negligible must be at least 0 and below 1; got {self.negligible}.")

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K), differentiable in the images; the noise of the whole grid is drawn from `rng` first, then the
        order of a race."""
        codes = self._encode(images)
        steps, count = self.grid.steps.to(codes.device), len(self.grid)
        noise = torch.randn((count, *codes.shape[1:]), generator=rng, device=rng.device).to(codes)
        order = list(range(count))
        if self.elimination.shuffled:
            order = torch.randperm(count, generator=rng, device=rng.device).tolist()
        errors = Errors(self.denoiser, Noises(steps, noise), self.grid.loss, self.chunks)
        differentiates = codes.requires_grad and torch.is_grad_enabled()
        looked = self._look(codes.detach(), errors, order, self.chunks.room if differentiates else 0)
        if not differentiates:
            return looked.logits(looked.found) * codes[0].numel()
        rows = Rows.together(looked.rows)
        found = errors.attached(codes, rows, torch.cat(looked.found), looked.graphs, self.negligible)
        return looked.logits(found.split([len(rows) for rows in looked.rows])) * codes[0].numel()

    def surrogate(self) -> Classifier | None:
        """The same denoiser at a fifth of the timesteps; None where there are fewer than 5."""
        if len(self.grid) < FEWER:
            return None
        grid = self.grid.every(FEWER)
        elimination = self.elimination if self.elimination.shuffled else Stages.whole(len(grid))
        return replace(self, grid=grid, elimination=elimination)

    def exhaustive(self) -> Classifier | None:
        """The same with every class at every timestep; None where that is so anyway."""
        whole = Stages.whole(len(self.grid))
        return None if self.elimination == whole else replace(self, elimination=whole)

    def shrink(self) -> str | None:
        """Half as many rows a network call."""
        return f"chunks of {self.chunks.plain} rows" if self.chunks.halve() else None

    def _look(self, codes: Tensor, errors: Errors, order: list[int], room: int) -> _Looked:
        """All looks; images leave as they are decided. The graphs of later looks, whose rows nearly all matter, are
        kept where `room` rows allow it."""
        weights = self.grid.weights.to(codes.device)
        looked = _Looked(torch.ones(len(codes), self.classes, dtype=torch.bool, device=codes.device))
        open_images = torch.arange(len(codes), device=codes.device)
        table = torch.zeros(len(codes), self.classes, 0, dtype=wide(codes.dtype), device=codes.device)
        for number, places in enumerate(self.elimination.looks(order)):
            alive = looked.alive[open_images]
            place, kind = alive.nonzero(as_tuple=True)
            where = torch.tensor(places, device=codes.device)
            rows = Rows.of(open_images[place], kind, where)
            if number and len(rows) <= room:
                room -= len(rows)
                found = looked.keep(errors.kept(codes, rows, looked.count))
            else:
                found = errors.of(codes, rows)
            seen = table.new_zeros(*alive.shape, len(places))
            seen[place, kind] = found.view(-1, len(places)) * weights[where].to(seen)
            table = torch.cat([table, seen], 2)
            stay = self.elimination.survivors(number, table, alive, len(self.grid))
            leader = table.sum(2).masked_fill(~alive, torch.inf).argmin(1)
            looked.add(rows, found, weights[where], _Left(open_images, alive & ~stay, leader))
            looked.alive[open_images] = stay
            undecided = stay.sum(1) > 1
            open_images, table = open_images[undecided], table[undecided]
            if not len(open_images):
                break
        return looked

    def _encode(self, images: Tensor) -> Tensor:
        """Codes of the images, encoded again for the gradient so that one part's graph is in memory at a time."""
        parts = torch.split(images, self.chunks.images)
        if not (images.requires_grad and torch.is_grad_enabled()):
            return torch.cat([self.denoiser.encode(part) for part in parts])
        encode = self.denoiser.encode
        return torch.cat([checkpoint(encode, part, use_reentrant=False, preserve_rng_state=False) for part in parts])


@dataclass(frozen=True)
class _Left:
    """Who left after a look: `who` (n, K) of the images (n,) that it was about, and who led there (n,)."""

    images: Tensor
    who: Tensor
    leader: Tensor


@dataclass
class _Looked:
    """What all looks saw: their rows and errors, and who left after each; `alive` (N, K) never left."""

    alive: Tensor
    rows: list[Rows] = field(default_factory=list)
    found: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    left: list[_Left] = field(default_factory=list)
    graphs: list[Graph] = field(default_factory=list)
    count: int = 0

    def add(self, rows: Rows, found: Tensor, weights: Tensor, left: _Left) -> None:
        """Remember one look."""
        self.rows.append(rows)
        self.found.append(found)
        self.weights.append(weights)
        self.left.append(left)
        self.count += len(rows)

    def keep(self, graphs: list[Graph]) -> Tensor:
        """Keep the graphs of a look; its errors."""
        self.graphs += graphs
        return torch.cat([graph.errors.detach() for graph in graphs if graph.errors is not None])

    def logits(self, errors: Sequence[Tensor]) -> Tensor:
        """Minus the mean errors (N, K) a code's value, from the errors of each look, which may have a gradient."""
        means, last = self._means(errors)
        logits = -last
        for mean, left in zip(reversed(means), reversed(self.left), strict=True):
            if left.who.any():
                lead, shown = left.leader[:, None], mean[left.images]
                known = logits[left.images]
                below = known.gather(1, lead) - (shown - shown.gather(1, lead))
                logits = logits.index_copy(0, left.images, torch.where(left.who, below, known))
        return logits

    def _means(self, errors: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The mean errors (N, K) over all timesteps seen until each look, and over all that an image ever saw."""
        total = last = torch.zeros(self.alive.shape, dtype=errors[0].dtype, device=self.alive.device)
        means, count = [], 0
        for rows, found, weights, left in zip(self.rows, errors, self.weights, self.left, strict=True):
            images, kinds = (each.view(-1, len(weights))[:, 0] for each in (rows.image, rows.kind))
            added = (found.view(-1, len(weights)) * weights.to(found)).sum(1)
            total = total + torch.zeros_like(total).index_put((images, kinds), added)
            count += len(weights)
            means.append(total / count)
            last = last.index_copy(0, left.images, means[-1][left.images])
        return means, last
