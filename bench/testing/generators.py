"""A generator for whoever needs one."""

from __future__ import annotations

import torch


def generator(seed: int, device: str = "cpu") -> torch.Generator:
    """A fresh generator."""
    return torch.Generator(device).manual_seed(seed)
