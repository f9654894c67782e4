"""The global generators of torch, numpy and Python, which nobody's noise may come from."""

from __future__ import annotations

import random

import numpy as np
import torch


def states() -> dict[str, object]:
    """The state of each global generator by its owner's name, comparable with ==."""
    name, keys, *rest = np.random.get_state(legacy=True)  # the global generator is what libraries draw from
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, keys.tobytes(), *rest),  # type: ignore[union-attr]  # the legacy form is a tuple
        "Python": random.getstate(),
    }


def generator(seed: int, device: str = "cpu") -> torch.Generator:
    """A fresh generator."""
    return torch.Generator(device).manual_seed(seed)
