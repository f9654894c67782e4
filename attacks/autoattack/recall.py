"""The victim as Square sees it: not asked twice about one image."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ENTRIES = 2**18
"""How many images are remembered; their hashes and places take about 40 MB of the host's memory."""
NUMBERS = 2**24
"""How many logits are remembered at most; 64 MiB of the device's memory in float32."""


class Recall:
    """A deterministic classifier that remembers its logits (K,) of the images it was asked about last.

    Square's proposals repeat themselves where squares are small and channels few: a sample that no square improves any
    more is asked about the same few images again and again, and a square that is there already changes nothing. On
    8 x 8 grey images nine queries of ten are such in linf. Equal images are told by a hash of their bits, in which two
    others agree with a chance of about 2^-64.

    An image's logits are those of the batch in which it was asked about first. A classifier whose logits hang on the
    size of a batch, by rounding, may therefore answer differently in the last bits than it would without this memory.
    """

    def __init__(self, model: Callable[[Tensor], Tensor]) -> None:
        self._model = model
        self._places: dict[int, int] = {}
        self._hashes: list[int] = []
        self._logits: Tensor | None = None
        self._weights: Tensor | None = None
        self._next = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), in memory of their own; only images not remembered are asked about."""
        import torch

        hashes = self._hashed(images)
        places = torch.tensor(list(map(self._places.get, hashes, repeat(-1))))
        new = (places < 0).nonzero()[:, 0]
        if self._logits is None or len(new) == len(places):
            logits = self._model(images)
            self._keep(hashes, logits)
            return logits
        recalled = self._logits[places.to(images.device)]  # of new ones the last place's, for now
        if len(new):
            rows = new.to(images.device)
            asked = self._model(images[rows])
            recalled[rows] = asked
            self._keep([hashes[row] for row in new.tolist()], asked)
        return recalled

    def _hashed(self, images: Tensor) -> list[int]:
        """A number a row that hangs on every bit of it: mixed products of its words with random odd numbers, summed."""
        import torch

        words = images.detach().contiguous().flatten(1).view(torch.int32).long()
        if self._weights is None:
            rng, largest = torch.Generator().manual_seed(0), torch.iinfo(torch.int64).max
            self._weights = torch.randint(largest, (words.shape[1],), generator=rng).mul_(2).add_(1).to(images.device)
        words.mul_(self._weights)
        words.bitwise_xor_(words >> 29).mul_(self._weights)
        found: list[int] = words.sum(1).tolist()
        return found

    def _keep(self, hashes: list[int], logits: Tensor) -> None:
        """Remember these, in the places of those that were remembered first."""
        import torch

        if self._logits is None:
            self._hashes = [-1] * max(1, min(ENTRIES, NUMBERS // logits.shape[1]))
            self._logits = logits.new_empty(len(self._hashes), logits.shape[1])
        entries = len(self._hashes)
        hashes, logits = hashes[-entries:], logits[-entries:]
        places = [(self._next + step) % entries for step in range(len(hashes))]
        for place, each in zip(places, hashes, strict=True):
            if self._places.get(self._hashes[place]) == place:
                del self._places[self._hashes[place]]
            self._hashes[place] = each
            self._places[each] = place
        self._logits[torch.tensor(places, device=logits.device)] = logits.detach()
        self._next = (self._next + len(hashes)) % entries
