"""The victim as Square sees it: not asked twice about one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ENTRIES = 2**18
"""How many images are remembered; their digests and places take about 50 MB of the host's memory."""
NUMBERS = 2**24
"""How many logits are remembered at most; 64 MiB of the device's memory in float32."""


class Recall:
    """A deterministic classifier that remembers its logits (K,) of the images it was asked about last.

    Square's proposals repeat themselves where squares are small and channels few: a sample that no square improves any
    more is asked about the same few images again and again, and a square that is there already changes nothing. On
    8 x 8 grey images nine queries of ten are such in linf. Equal images are told by 128 bits of a hash of their bits,
    linear modulo 2^64 under two sets of random weights; two other images agree in both with a chance below 2^-64.

    An image's logits are those of the batch in which it was asked about first. A classifier whose logits hang on the
    size of a batch, by rounding, may therefore answer differently in the last bits than it would without this memory.
    """

    def __init__(self, model: Callable[[Tensor], Tensor]) -> None:
        self._model = model
        self._places: dict[tuple[int, int], int] = {}
        self._digests: list[tuple[int, int] | None] = []
        self._logits: Tensor | None = None
        self._weights: Tensor | None = None
        self._next = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), in memory of their own; only images not remembered are asked about."""
        import torch

        digests = self._hashed(images)
        places = [self._places.get(digest, -1) for digest in digests]
        new = [row for row, place in enumerate(places) if place < 0]
        if self._logits is None or len(new) == len(places):
            logits = self._model(images)
            self._keep(digests, logits)
            return logits
        recalled = self._logits[torch.tensor(places, device=images.device).clamp_min(0)]
        if new:
            rows = torch.tensor(new, device=images.device)
            asked = self._model(images[rows])
            recalled[rows] = asked
            self._keep([digests[row] for row in new], asked)
        return recalled

    def _hashed(self, images: Tensor) -> list[tuple[int, int]]:
        """Two numbers a row that hang on every bit of it."""
        import torch

        bits = images.detach().contiguous().flatten(1).view(torch.int32).long()
        if self._weights is None:
            rng = torch.Generator().manual_seed(0)
            low, high = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max
            self._weights = torch.randint(low, high, (2, bits.shape[1]), generator=rng).to(images.device)
        first, second = ((bits * weights).sum(1) for weights in self._weights)
        return [(one, other) for one, other in torch.stack((first, second), 1).tolist()]

    def _keep(self, digests: list[tuple[int, int]], logits: Tensor) -> None:
        """Remember these, in the places of those that were remembered first."""
        import torch

        if self._logits is None:
            self._digests = [None] * max(1, min(ENTRIES, NUMBERS // logits.shape[1]))
            self._logits = logits.new_empty(len(self._digests), logits.shape[1])
        entries = len(self._digests)
        digests, logits = digests[-entries:], logits[-entries:]
        places = [(self._next + step) % entries for step in range(len(digests))]
        for place, digest in zip(places, digests, strict=True):
            before = self._digests[place]
            if before is not None and self._places.get(before) == place:
                del self._places[before]
            self._digests[place] = digest
            self._places[digest] = place
        self._logits[torch.tensor(places, device=logits.device)] = logits.detach()
        self._next = (self._next + len(digests)) % entries
