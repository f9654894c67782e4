from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.evaluation.planning import Request, make_plan
from bench.evaluation.proposal import Proposal
from bench.executors.parcels import files_of, opened
from bench.executors.worker import Worker, ask
from bench.identity.files import sha256_of
from tests.executors.test_contract import crafting

SCRIPT = """
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import bench
sys.path.insert(0, str(Path(__file__).parent))
from stepping.step import step

@dataclass(frozen=True)
class Mine(bench.Attack):
    norm: ClassVar[str] = "linf"
    knowledge = "black-box"

    def perturb(self, victim, batch, threat, rng):
        return bench.Perturbed(threat.project(batch.images, batch.images + step()))
"""


def test_a_plugin_s_files_are_sent_by_content_to_where_they_are_not(
    request_of_halves: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # which the plugin adds to
    here = tmp_path / "here"
    (here / "stepping").mkdir(parents=True)
    (here / "mine.py").write_text(SCRIPT)
    (here / "stepping" / "__init__.py").write_text("")
    (here / "stepping" / "step.py").write_text("def step():\n    return 0.01\n")
    (here / "other.py").write_text("")
    job = crafting(make_plan(replace(request_of_halves, attack=f"{here / 'mine.py'}:Mine")), 0)
    contents = {str(path): (sha256_of(path), path.read_bytes()) for path in files_of(job)}
    assert {Path(path).name for path in contents} == {"mine.py", "__init__.py", "step.py"}
    assert opened(job, contents, bytes, tmp_path / "there") is job
    shutil.rmtree(here)
    worker = Worker("craft", "cpu")
    try:
        found = ask(worker, opened(job, contents, bytes, tmp_path / "there"))
    finally:
        worker.close()
    assert isinstance(found, Proposal)
    assert np.abs(found.perturbed - job.images).max() > 0.009
