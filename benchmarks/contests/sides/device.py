"""Times on a device whose work is done later than it is asked for, and what the device itself can do."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

SEED = 5


def timed(device: str, work: Callable[[], Any]) -> tuple[float, int, Any]:
    """Seconds until all of it is done, the peak of memory in bytes, and what it gives."""
    synchronize, cuda = _synchronizer(device), device.startswith("cuda")
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    synchronize()
    started = time.perf_counter()
    found = work()
    synchronize()
    return time.perf_counter() - started, int(torch.cuda.max_memory_allocated()) if cuda else 0, found


def _synchronizer(device: str) -> Callable[[], Any]:
    return torch.cuda.synchronize if device.startswith("cuda") else lambda: None


def ceilings(device: str, side: int) -> dict[str, float]:
    """TFLOP/s of a matrix product in half and in single precision, and TB/s of a copy, counting both directions."""
    found = {}
    for name, dtype in (("half", torch.float16), ("single", torch.float32)):
        left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        seconds = _median(device, partial(torch.mm, left, right))
        found[name] = 2 * side**3 / seconds / 1e12
    source = torch.randn(side * side * 4, device=device)
    target = torch.empty_like(source)
    seconds = _median(device, partial(target.copy_, source))
    return {**found, "copy": 2 * source.numel() * 4 / seconds / 1e12}


def _median(device: str, work: Callable[[], Any]) -> float:
    laps = sorted(timed(device, work)[0] for _ in range(12))
    return laps[len(laps) // 2]


def rng_on(device: str) -> torch.Generator:
    """A generator there, which every side starts from anew."""
    return torch.Generator(device).manual_seed(SEED)
