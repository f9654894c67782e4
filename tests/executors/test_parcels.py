from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import snapshot_download

from bench.domain.plan import Spec
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.shard.proposal import Proposal
from bench.executors.parcels import files_of, opened
from bench.executors.worker import alone
from bench.plugins.files import sha256_of
from tests.defenses.hub import cached, offline
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
    contents = {name: (sha256_of(path), path.read_bytes()) for name, path in files_of(job).items()}
    assert {Path(path).name for path in contents} == {"mine.py", "__init__.py", "step.py"}
    assert opened(job, contents, bytes, tmp_path / "there") is job
    shutil.rmtree(here)
    found = alone("craft", opened(job, contents, bytes, tmp_path / "there"))
    assert isinstance(found, Proposal)
    assert np.abs(found.perturbed - job.images).max() > 0.009


def test_weights_of_the_hub_are_sent_to_where_its_client_looks_for_them(
    request_of_halves: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"model.safetensors": b"weights", "config.json": b"{}"}
    cached(tmp_path / "here", "owner/net", files)
    cached(tmp_path / "here", "owner/other", {"model.safetensors": b"others"})
    offline(tmp_path / "here", monkeypatch)
    job = crafting(make_plan(request_of_halves), 0)
    fetched = Spec("net", {"weights": "owner/net"}, weights={"network": hashlib.sha256(b"weights").hexdigest()})
    job = replace(job, plan=replace(job.plan, defense=fetched))
    contents = {name: (sha256_of(path), path.read_bytes()) for name, path in files_of(job).items()}
    assert {Path(name).name for name in contents} == {"main", *files}
    offline(tmp_path / "there", monkeypatch)
    assert opened(job, contents, bytes, tmp_path / "elsewhere") is job
    found = Path(snapshot_download("owner/net", local_files_only=True))
    assert {path.name: path.read_bytes() for path in found.iterdir()} == files
    assert not (tmp_path / "there" / "models--owner--other").exists()
