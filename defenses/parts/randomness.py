"""Seeded streams for training, and scopes for library code that draws from torch's global generator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator


def stream(seed: int, purpose: str, number: int = 0) -> Generator:
    """A CPU generator that is a function of (seed, purpose, number), so that a resumed run draws the same numbers."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@contextmanager
def ambient(seed: int = 0, device: str = "cpu") -> Iterator[None]:
    """A scope in which torch's global generators start from `seed`, and after which they are as they were.

    Every new module draws its initial weights from them, even one that is about to be filled from a file.
    """
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if place.type == "cuda":
            with torch.cuda.device(place):
                torch.cuda.manual_seed(seed)
        yield
