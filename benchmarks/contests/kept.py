"""Attacked images and tables of errors, kept in a file so that a repeated run is cheap."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import Batch, ThreatModel, Victim
from bench.datasets.digits import TASK
from bench.plugins.registry import attacks, defenses
from contests.bouts import searches
from contests.bouts.attacks import SEED
from contests.sides.subjects import digits

EPSILON = Fraction("0.05")


class Cache:
    """Arrays by what they are of, in one file; in memory alone where no file is named."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._kept: dict[str, np.ndarray] = {}
        if path is not None and path.is_file():
            with np.load(path, allow_pickle=False) as archive:
                self._kept = dict(archive)

    def get(self, key: str, make: Callable[[], Tensor]) -> Tensor:
        """What is kept under a key, made and written down where nothing is."""
        if key not in self._kept:
            self._kept[key] = make().numpy()
            if self.path is not None:
                arrays: dict[str, Any] = self._kept
                with self.path.open("wb") as file:
                    np.savez_compressed(file, **arrays)
        return torch.from_numpy(self._kept[key])


def clean(samples: int) -> Batch:
    """The first test images."""
    return digits().shards(samples, samples)[0]


def attacked(samples: int, told: Callable[[int], None]) -> Tensor:
    """The same under AutoAttack in linf at 0.05 on ResNet, shard by shard; `told` how many are done."""
    attack, threat, found = attacks.make("aa-linf", {}), ThreatModel("linf", EPSILON), list[Tensor]()
    for number, batch in enumerate(digits().shards(samples)):
        victim = Victim(digits().network, torch.Generator().manual_seed(SEED))
        rng = torch.Generator().manual_seed(SEED + number)
        found.append(attack.perturb(victim, batch, threat, rng).images)
        told(sum(map(len, found)))
    return torch.cat(found)


def key_of(defense: str, *facts: object) -> str:
    """What a table of errors is of: the defense, its weights by content, and these facts."""
    files = defenses.make(defense, {}).files(TASK)
    hashes = {role: hashlib.sha256(path.read_bytes()).hexdigest() for role, path in files.items()}
    return hashlib.sha256(json.dumps([defense, hashes, searches.SEED, *map(str, facts)]).encode()).hexdigest()
