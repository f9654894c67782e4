"""The networks that are attacked, with their images."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from bench import Batch, Network, Task, ThreatModel
from bench.datasets.cifar10 import Cifar10
from bench.datasets.digits import Digits
from bench.domain.dataset import Dataset, ImageSet
from bench.plugins.registry import defenses

SHARD = Dataset.shard_size
"""Samples a shard of most data sets."""
SIZES = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Subject:
    """Who is attacked, on which images."""

    network: Network
    images: ImageSet

    @classmethod
    def of(cls, defense: str, task: Task, images: ImageSet) -> Subject:
        """A defense's network, after one pass forward and back: what a first pass sets up is nobody's time."""
        network = defenses.make(defense, {}).load(task, "cpu")
        assert isinstance(network, Network)
        leaf = torch.zeros(1, *task.shape, requires_grad=True)
        torch.autograd.grad(network(leaf, torch.Generator()).sum(), leaf)
        return cls(network, images)

    def shards(self, samples: int, size: int = SHARD) -> list[Batch]:
        """The first images, cut as the harness cuts them."""
        return [self.images.read(range(start, min(start + size, samples))) for start in range(0, samples, size)]

    def robust(self, batch: Batch, images: Tensor, threat: ThreatModel) -> Tensor:
        """Which samples (N,) it gets right untouched, and still under images that the budget admits."""
        with torch.no_grad():
            clean, attacked = (
                self.network(shown, torch.Generator()).argmax(1) == batch.labels for shown in (batch.images, images)
            )
        return clean & (attacked | ~threat.admits(batch.images, images))

    def best_batch(self, samples: int) -> int:
        """The batch, of 32 to 1024, of which a pass forward and back takes the least time a sample, up to so many."""
        found = {}
        for size in [size for size in SIZES if size <= samples] or [samples]:
            leaf = torch.zeros(size, *self.images.task.shape, requires_grad=True)
            laps = []
            for _ in range(5):
                started = time.perf_counter()
                torch.autograd.grad(self.network(leaf, torch.Generator()).sum(), leaf)
                laps.append(time.perf_counter() - started)
            found[size] = min(laps) / size
        return min(found, key=found.__getitem__)


@cache
def digits() -> Subject:
    """Digits' ResNet."""
    data = Digits().load("test", None)
    return Subject.of("resnet", data.task, data)


@cache
def photographs() -> Subject:
    """The ResNet-18 that pyautoattack carries, on CIFAR-10 out of the folder that `BENCH_DATA_DIR` names."""
    data = Cifar10().load("test", Path(os.environ["BENCH_DATA_DIR"]))
    example = Path(__file__).parents[3] / "examples" / "autoattack_resnet18.py"
    return Subject.of(f"{example}:AutoAttackResNet18", data.task, data)
