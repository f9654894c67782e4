"""The places of this machine: its cores together, or each of its GPUs by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Place:
    """A device as a worker there names it, how many jobs it runs at once, on how many cores each, and the environment
    that shows it alone."""

    device: str
    at_once: int
    cores: int = 1
    visible: Mapping[str, str] = field(default_factory=dict)


def places_of(device: str, workers: int | None, jobs: int, cards: int | None = None) -> dict[str, Place]:
    """The places that a device's name stands for, by what they are called.

    'cuda' is every visible GPU, and 'cuda:1' that one alone; a GPU runs one job at a time, the CPU as many as it has
    cores, and never more than there are `jobs`, which share the cores. More `workers` than GPUs share these evenly, and
    on a CPU each of them has one core. `cards` are the GPUs that there are, counted where it is None.
    """
    if device != "cuda":
        if workers is not None or device != "cpu":
            return {device: Place(device, workers or 1)}
        at_once = default_workers(device, jobs)
        return {device: Place(device, at_once, cores() // at_once)}
    known = cards if cards is not None else _cards()
    used = max(1, min(known, workers or jobs))
    total = workers or used
    names = _names(known)
    return {
        f"cuda:{number}": Place("cuda", total // used + (number < total % used), visible={VISIBLE: names[number]})
        for number in range(used)
    }


def default_workers(device: str, jobs: int) -> int:
    """One on a GPU; on the CPU as many as there are cores, and no more than jobs."""
    return 1 if device != "cpu" else max(1, min(cores(), jobs))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cards() -> int:
    import torch

    return max(1, torch.cuda.device_count())


def _names(cards: int) -> list[str]:
    """What each visible GPU is called in the environment, which may show a choice of them already."""
    shown = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return shown if len(shown) >= cards else [str(number) for number in range(cards)]
