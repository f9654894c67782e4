"""A generator for whoever needs one, and whether what follows it came out the same."""

from __future__ import annotations

import torch


def generator(seed: int, device: str = "cpu") -> torch.Generator:
    """A fresh generator."""
    return torch.Generator(device).manual_seed(seed)


def gap(first: torch.Tensor, second: torch.Tensor) -> str | None:
    """By how much two answers differ at most, as text; None where they are equal to the bit."""
    return None if torch.equal(first, second) else f"{float((first - second).abs().max()):.3g}"
