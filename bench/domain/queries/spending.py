"""Limits on an attack: on its passes, where what it has seen when they are spent is what it proposes, and on its time,
where one only wants to know what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.domain.errors import Control

if TYPE_CHECKING:
    from torch import Tensor

    from bench.domain.dataset import Batch
    from bench.domain.threat import ThreatModel

ORDERS = {"linf": float("inf"), "l2": 2.0, "l1": 1.0}
"""Norms in which images of one query are told apart by their distances."""


class Spent(Control):
    """Raised through an attack whose passes are spent."""


class Limit:
    """What stands in a victim to end an attack; this one never does."""

    counts = False
    """Whether it must be asked before every query."""

    def charge(self, passes: int) -> None:
        """Count passes in samples."""

    def check(self) -> None:
        """Raise `Spent` where the attack may ask no more."""

    def saw(self, images: Tensor, logits: Tensor) -> None:
        """Look at an answer."""


class Ledger(Limit):
    """Counts an attack's forward and backward passes over a batch, and keeps of each sample the admissible image that
    came furthest.

    A query's row belongs to every sample for which it is admissible: that is all that a proposal has to be. `most`
    passes a sample are allowed; the query with which more are reached is the last one.
    """

    counts = True

    def __init__(self, batch: Batch, threat: ThreatModel, most: int) -> None:
        import torch

        self._clean, self._labels, self._threat = batch.images.clone(), batch.labels.clone(), threat
        self._left = most * len(batch)
        self._most = most
        self.images = self._clean.clone()
        self.leads = torch.full(batch.labels.shape, -torch.inf, device=batch.labels.device)

    def charge(self, passes: int) -> None:
        """Count passes in samples."""
        self._left -= passes

    def check(self) -> None:
        """Raise `Spent` where none are left."""
        if self._left <= 0:
            raise Spent

    def saw(self, images: Tensor, logits: Tensor) -> None:
        """Keep what of these images (M, C, H, W) comes further than anything before, by their logits (M, K)."""
        rows, samples = self._pairs(images)
        if len(rows) == 0:
            return
        labels = self._labels[samples]
        leads = lead(logits[rows], labels)
        for row, sample, found in zip(rows.tolist(), samples.tolist(), leads.tolist(), strict=True):
            if found > float(self.leads[sample]):
                self.leads[sample] = found
                self.images[sample] = images[row]

    @property
    def remark(self) -> str:
        """What became of the attack, for the reader of its number."""
        return f"stopped after {self._most} passes a sample"

    def _pairs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and samples (P,) for which a row is admissible."""
        import torch

        count = len(self._clean)
        if len(images) == count:
            fits = self._threat.admits(self._clean, images)
            if bool(fits.any()):
                found = fits.nonzero().flatten()
                return found, found
        order = ORDERS.get(self._threat.norm)
        if order is None:
            none = torch.zeros(0, dtype=torch.int64, device=images.device)
            return none, none
        far = torch.cdist(images.flatten(1).double(), self._clean.flatten(1).double(), p=order)
        rows, samples = (far <= self._threat.radius * 1.01).nonzero(as_tuple=True)
        if len(rows) == 0:
            return rows, samples
        fits = self._threat.admits(self._clean[samples], images[rows])
        return rows[fits], samples[fits]


class Hourglass(Limit):
    """Ends an attack after so many `seconds`, which are asked for at every query, or where the limit `within` does;
    `has_run_out` tells which."""

    def __init__(self, seconds: Callable[[], float], within: Limit | None = None) -> None:
        self._since, self._seconds, self._within = time.monotonic(), seconds, within or Limit()
        self.has_run_out = False
        self.counts = self._within.counts

    def charge(self, passes: int) -> None:
        """Count passes in samples."""
        self._within.charge(passes)

    def check(self) -> None:
        """Raise `Spent` where the time is over, or the passes are."""
        self._within.check()
        if time.monotonic() - self._since > self._seconds():
            self.has_run_out = True
            raise Spent

    def saw(self, images: Tensor, logits: Tensor) -> None:
        """Look at an answer."""
        self._within.saw(images, logits)


def lead(logits: Tensor, labels: Tensor) -> Tensor:
    """How far (N,) the highest wrong logit leads the true class's."""
    import torch

    true = labels[:, None]
    return logits.scatter(1, true, -torch.inf).amax(1) - logits.gather(1, true).flatten()
