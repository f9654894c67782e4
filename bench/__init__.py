"""bench: where a robustness claim is settled. What plugins and notebooks import; everything loads on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.api.compare import Compared as Compared
    from bench.api.compare import compare as compare
    from bench.api.evaluate import evaluate as evaluate
    from bench.api.evaluate import sweep as sweep
    from bench.api.images import images as images
    from bench.api.notebook import NotebookStore
    from bench.api.report import report as report
    from bench.api.result import Result as Result
    from bench.api.result import Results as Results
    from bench.domain.attack import Attack as Attack
    from bench.domain.attack import Certifier as Certifier
    from bench.domain.attack import Perturbed as Perturbed
    from bench.domain.attack import Smoothing as Smoothing
    from bench.domain.dataset import Batch as Batch
    from bench.domain.dataset import Dataset as Dataset
    from bench.domain.dataset import ImageSet as ImageSet
    from bench.domain.dataset import Split as Split
    from bench.domain.dataset import Task as Task
    from bench.domain.defense import Classifier as Classifier
    from bench.domain.defense import Defense as Defense
    from bench.domain.defense import EndTraining as EndTraining
    from bench.domain.defense import Generative as Generative
    from bench.domain.defense import Network as Network
    from bench.domain.defense import Smoothed as Smoothed
    from bench.domain.defense import Trainable as Trainable
    from bench.domain.defense import Trained as Trained
    from bench.domain.defense import Training as Training
    from bench.domain.defense import Watch as Watch
    from bench.domain.errors import BenchError as BenchError
    from bench.domain.errors import DataError as DataError
    from bench.domain.errors import PluginError as PluginError
    from bench.domain.errors import StoreError as StoreError
    from bench.domain.errors import UsageError as UsageError
    from bench.domain.errors import WeightsError as WeightsError
    from bench.domain.facts import Evidence as Evidence
    from bench.domain.facts import Facts as Facts
    from bench.domain.flow import pixel_centres as pixel_centres
    from bench.domain.flow import warp as warp
    from bench.domain.outcome import Outcome as Outcome
    from bench.domain.outcome import ShardResult as ShardResult
    from bench.domain.plan import Plan as Plan
    from bench.domain.plan import Shard as Shard
    from bench.domain.plan import Spec as Spec
    from bench.domain.published import Published as Published
    from bench.domain.queries.smoothing import count_votes as count_votes
    from bench.domain.queries.victim import Route as Route
    from bench.domain.queries.victim import Victim as Victim
    from bench.domain.queries.watching import tick as tick
    from bench.domain.threat import ThreatModel as ThreatModel
    from bench.registry import Part as Part
    from bench.stats import binomial_test as binomial_test
    from bench.stats import clopper_pearson as clopper_pearson

    Store = NotebookStore

__version__ = "0.2.0"

_HOMES = {
    "bench.domain.attack": ("Attack", "Certifier", "Perturbed", "Smoothing"),
    "bench.domain.dataset": ("Batch", "Dataset", "ImageSet", "Split", "Task"),
    "bench.domain.defense": (
        *("Classifier", "Defense", "EndTraining", "Generative", "Network", "Smoothed"),
        *("Trainable", "Trained", "Training", "Watch"),
    ),
    "bench.domain.errors": ("BenchError", "DataError", "PluginError", "StoreError", "UsageError", "WeightsError"),
    "bench.domain.facts": ("Evidence", "Facts"),
    "bench.domain.flow": ("pixel_centres", "warp"),
    "bench.domain.outcome": ("Outcome", "ShardResult"),
    "bench.domain.plan": ("Plan", "Shard", "Spec"),
    "bench.domain.published": ("Published",),
    "bench.domain.queries.smoothing": ("count_votes",),
    "bench.domain.threat": ("ThreatModel",),
    "bench.domain.queries.victim": ("Route", "Victim"),
    "bench.domain.queries.watching": ("tick",),
    "bench.registry": ("Part",),
    "bench.api.compare": ("Compared", "compare"),
    "bench.api.evaluate": ("evaluate", "sweep"),
    "bench.api.images": ("images",),
    "bench.api.report": ("report",),
    "bench.api.result": ("Result", "Results"),
    "bench.api.notebook": ("Store",),
    "bench.stats": ("binomial_test", "clopper_pearson"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
_DEFINED_AS = {"Store": "NotebookStore"}
"""What is called otherwise where it is defined, beside the store of the harness."""

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), _DEFINED_AS.get(name, name))
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
