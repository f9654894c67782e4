"""An attack that stops in the middle of a run, found by the tests as `tests.cli.held:Held`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator

FREE = 3


@dataclass(frozen=True)
class Held(Attack):
    """Proposes the clean images; while there is a `folder`, only the first three shards that come by, so that a run
    can be interrupted."""

    norm: ClassVar[str] = "linf"
    folder: str = "held"

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        folder = Path(self.folder)
        if folder.is_dir():
            tempfile.mkstemp(dir=folder)
            came = len(list(folder.iterdir()))
            while came > FREE and folder.is_dir():
                time.sleep(0.02)
        return Perturbed(batch.images)
