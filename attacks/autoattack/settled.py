"""The victim as the library's APGD sees it: asked only about samples whose verdict is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

CLEARLY = 2.0**-8
"""A margin of this share of the largest logit outlives the rounding of another batch size, in bfloat16 too."""


class Settled(Exception):  # noqa: N818 - no error: the attack is over
    """Raised through the library when no sample of its run is open."""


class OpenRows:
    """Follows which rows the library attacks, keeps what it finds, and answers settled rows from memory.

    A row is broken when the library would count it as broken: its clean image is misclassified, or a point of a run at
    the whole budget is, by the last of the draws that are averaged there. It is settled when the margin is clear
    besides and the classifier deterministic. A settled row is answered with the logits that settled it, without a
    gradient, and does not go through the victim again. The open rows do not notice: APGD's steps, losses, checkpoints
    and sparsity are each row's own in every norm, while what a run's rows share - the random start's draws, the
    counters - depends on how many they are, which stays. A run begins with all rows that are not broken, so their
    number tells a new run from the next query of the present one. (The library's runs could be told of by wrapping its
    `attack_single_run`, but the targeted attack asks about a run's rows before it begins it.)

    `ask` is the classifier, which averages `draws` gradients at a point; `told` hears how many points were visited and
    how many rows are not broken.
    """

    def __init__(
        self,
        ask: Callable[[Tensor], Tensor],
        images: Tensor,
        labels: Tensor,
        deterministic: bool,
        draws: int = 1,
        told: Callable[[int, int], object] = lambda point, left: None,
    ) -> None:
        import torch

        self.images = images.clone()
        self.broken_at = torch.full_like(labels, -1)
        self._asks, self._told, self._labels, self._draws, self._keeps = ask, told, labels, draws, deterministic
        self._apgd: Any = None
        self._rows = self._open = torch.arange(len(labels), device=labels.device)
        self._settled = torch.zeros_like(labels, dtype=torch.bool)
        self._logits = torch.empty(0)
        self._queries = 0
        self._left = len(labels)

    def attack(self, apgd: Any, run: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The images (N, C, H, W) that a run of the library's object finds, clean where there is none."""
        apgd.model, self._apgd = self, apgd
        try:
            found = run(self.images.clone(), self._labels)
        except Settled:
            return self.images
        return self.images if self._keeps else found

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of the rows that the library asks about: all of them, then those of a run."""
        import torch

        if len(images) != len(self._rows):
            self._rows = (self.broken_at < 0).nonzero().flatten()
            self._open = torch.arange(len(self._rows), device=images.device)
        logits = self._ask(images)
        if len(self._logits) == 0:
            self._logits = logits.detach().clone()
            self._note(images, logits.detach(), 0)
        elif images.requires_grad:
            self._queries += 1
            point, draw = divmod(self._queries, self._draws)
            if draw == 0:
                if self._apgd.eps == self._apgd.eps_orig:
                    self._note(images.detach(), logits.detach(), point)
                self._told(point, self._left)
        return logits

    def _ask(self, images: Tensor) -> Tensor:
        if len(self._open) == len(images):
            return self._asks(images)
        if len(self._open) == 0:
            raise Settled
        return self._logits[self._rows].index_copy(0, self._open, self._asks(images[self._open]))

    def _note(self, images: Tensor, logits: Tensor, point: int) -> None:
        """Keep what is misclassified at a point, and settle what is so clearly."""
        import torch

        rows, labels = self._rows, self._labels[self._rows]
        wrong = (logits.max(1)[1] != labels) & ~self._settled[rows]
        if not bool(wrong.any()):
            return
        first = wrong & (self.broken_at[rows] < 0)
        self.broken_at[rows] = torch.where(first, point, self.broken_at[rows])
        self._left = int((self.broken_at < 0).sum())
        if not self._keeps:
            return
        margin = logits.max(1)[0] - logits.gather(1, labels[:, None]).flatten()
        clear = wrong & (margin > CLEARLY * logits.abs().amax(1))
        self.images[rows] = torch.where(wrong.view(-1, 1, 1, 1), images, self.images[rows])
        self._logits[rows] = torch.where(clear[:, None], logits, self._logits[rows])
        self._settled[rows] |= clear
        self._open = (~self._settled[rows]).nonzero().flatten()
