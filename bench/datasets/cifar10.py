"""CIFAR-10 (Krizhevsky 2009): from the hub, its parquet, torchvision's batches, or class folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bench.datasets.cifar import Cifar, Files
from bench.datasets.parquet import Columns
from bench.domain.dataset import Task

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TASK = Task("cifar10", CLASSES, (3, 32, 32))
FILES = Files(
    title="CIFAR-10",
    task=TASK,
    repository="uoft-cs/cifar10",
    file="plain_text/{split}-00000-of-00001.parquet",
    columns=Columns("img", "label"),
    archive="cifar-10-batches-py",
    batches={"train": "data_batch_*", "test": "test_batch"},
    pickled="labels",
)


@dataclass(frozen=True)
class Cifar10(Cifar):
    """50,000 training and 10,000 test photographs (3, 32, 32) of ten classes, in the order of their files.

    The budgets are those of RobustBench's leaderboards (8/255, 128/255), AutoAttack's (l1 12), one
    pixel (Su et al. 2019), StAdv's customary flow, and the middle severity of a corruption.
    """

    files = FILES
    budgets: ClassVar[Mapping[str, str]] = {
        "linf": "8/255",
        "l2": "128/255",
        "l1": "12",
        "l0": "1",
        "flow": "0.05",
        "corruption": "3",
    }
