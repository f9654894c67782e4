"""bench: where a robustness claim is settled. What plugins and notebooks import; everything loads on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.api.compare import Compared, compare
    from bench.api.evaluate import evaluate, sweep
    from bench.api.images import images
    from bench.api.notebook import NotebookStore
    from bench.api.report import report
    from bench.api.result import Result, Results
    from bench.domain.attack import Attack, Certifier, Perturbed, Smoothing
    from bench.domain.dataset import Batch, Dataset, ImageSet, Split, Task
    from bench.domain.defense import Classifier, Defense, Network, Published, Smoothed, Watch
    from bench.domain.errors import BenchError, DataError, PluginError, StoreError, UsageError, WeightsError
    from bench.domain.facts import Evidence, Facts
    from bench.domain.flow import pixel_centres, warp
    from bench.domain.outcome import Outcome, ShardResult
    from bench.domain.plan import Plan, Shard, Spec
    from bench.domain.queries.concurrency import concurrently
    from bench.domain.queries.routes import Route
    from bench.domain.queries.smoothing import count_votes
    from bench.domain.queries.victim import Victim
    from bench.domain.queries.watching import tick
    from bench.domain.threat import CorruptionKind, ThreatModel
    from bench.domain.trainable import EndTraining, Generative, Trainable, Trained, Training
    from bench.plugins.registry import Part
    from bench.stats import binomial_test, clopper_pearson

    Store = NotebookStore

__version__ = "0.2.0"

_HOMES = {
    "bench.domain.attack": ("Attack", "Certifier", "Perturbed", "Smoothing"),
    "bench.domain.dataset": ("Batch", "Dataset", "ImageSet", "Split", "Task"),
    "bench.domain.defense": ("Classifier", "Defense", "Network", "Published", "Smoothed", "Watch"),
    "bench.domain.errors": ("BenchError", "DataError", "PluginError", "StoreError", "UsageError", "WeightsError"),
    "bench.domain.facts": ("Evidence", "Facts"),
    "bench.domain.flow": ("pixel_centres", "warp"),
    "bench.domain.outcome": ("Outcome", "ShardResult"),
    "bench.domain.plan": ("Plan", "Shard", "Spec"),
    "bench.domain.queries.concurrency": ("concurrently",),
    "bench.domain.queries.smoothing": ("count_votes",),
    "bench.domain.threat": ("CorruptionKind", "ThreatModel"),
    "bench.domain.trainable": ("EndTraining", "Generative", "Trainable", "Trained", "Training"),
    "bench.domain.queries.routes": ("Route",),
    "bench.domain.queries.victim": ("Victim",),
    "bench.domain.queries.watching": ("tick",),
    "bench.plugins.registry": ("Part",),
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

__all__ = [
    "Attack",
    "Batch",
    "BenchError",
    "Certifier",
    "Classifier",
    "Compared",
    "CorruptionKind",
    "DataError",
    "Dataset",
    "Defense",
    "EndTraining",
    "Evidence",
    "Facts",
    "Generative",
    "ImageSet",
    "Network",
    "Outcome",
    "Part",
    "Perturbed",
    "Plan",
    "PluginError",
    "Published",
    "Result",
    "Results",
    "Route",
    "Shard",
    "ShardResult",
    "Smoothed",
    "Smoothing",
    "Spec",
    "Split",
    "Store",
    "StoreError",
    "Task",
    "ThreatModel",
    "Trainable",
    "Trained",
    "Training",
    "UsageError",
    "Victim",
    "Watch",
    "WeightsError",
    "binomial_test",
    "clopper_pearson",
    "compare",
    "concurrently",
    "count_votes",
    "evaluate",
    "images",
    "pixel_centres",
    "report",
    "sweep",
    "tick",
    "warp",
]


def __getattr__(name: str) -> object:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), _DEFINED_AS.get(name, name))
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
