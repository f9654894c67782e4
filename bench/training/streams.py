"""The random streams of a training run, which retraining from the same seed meets again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Generator

Purpose = Literal["clean", "attack", "victim"]


def stream(seed: int, number: int, purpose: Purpose, device: str) -> Generator:
    """A fresh generator for one purpose in the batch of this number; a function of the three alone."""
    import torch

    digest = hashlib.sha256(f"{seed}/{number}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
