"""An attack that troubles whoever runs it, found by the tests as `tests.evaluation.unruly:Unruly`."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class Unruly(Attack):
    """On the shard that holds a certain image it ends its process the first times, sleeps, or leaves a child behind;
    what it did it notes in a file."""

    norm: ClassVar[str] = "linf"
    knowledge = "black-box"
    image: int = 0
    how: str = "leave"
    file: str = ""
    times: int = 1

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        if self.image in batch.indices:
            file = Path(self.file)
            if self.how == "leave":
                done = len(file.read_text()) if file.exists() else 0
                if done < self.times:
                    file.write_text("." * (done + 1))
                    os._exit(1)
            elif self.how == "child":
                child = subprocess.Popen(["sleep", "1000"])
                file.write_text(f"{child.pid}")
            else:
                time.sleep(1000)
        return Perturbed(batch.images.clone())
