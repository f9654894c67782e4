"""CIFAR-100 (Krizhevsky 2009): from the hub, its parquet, torchvision's batches, or class folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bench.datasets.cifar import Cifar, Files
from bench.datasets.cifar10 import Cifar10
from bench.datasets.parquet import Columns
from bench.domain.dataset import Task

FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CLASSES = tuple(name.replace("_", " ") for name in FINE.split())
TASK = Task("cifar100", CLASSES, (3, 32, 32))
FILES = Files(
    title="CIFAR-100",
    task=TASK,
    repository="uoft-cs/cifar100",
    file="cifar100/{split}-00000-of-00001.parquet",
    columns=Columns("img", "fine_label"),
    archive="cifar-100-python",
    batches={"train": "train", "test": "test"},
    pickled="fine_labels",
)


@dataclass(frozen=True)
class Cifar100(Cifar):
    """50,000 training and 10,000 test photographs (3, 32, 32) of a hundred classes, in the order of their files.

    The classes are the official fine labels, with blanks for underscores, as sentences want them. The budgets are
    RobustBench's (8/255, 0.5), and otherwise those of CIFAR-10.
    """

    files = FILES
    budgets: ClassVar[Mapping[str, str]] = {**Cifar10.budgets, "l2": "0.5"}
