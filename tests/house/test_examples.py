"""The examples run as they stand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from attacks.gradient import PgdLinf
from bench import Task, ThreatModel, UsageError, Victim
from bench.datasets.cifar10 import TASK as CIFAR10
from bench.datasets.digits import TASK as DIGITS
from bench.datasets.digits import Digits
from bench.domain.defense import Defense
from bench.plugins.registry import defenses
from tests import needs
from tests.executors.alone import alone

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(reference: str) -> Defense:
    """A defense from the folder of examples, found as the command line finds it."""
    return defenses.make(f"{EXAMPLES}/{reference}", {})


def test_the_resnet18_of_pyautoattack_loads_its_weights_and_classifies() -> None:
    defense = example("autoattack_resnet18.py:AutoAttackResNet18")
    assert all(path.is_file() for path in defense.files(CIFAR10).values())
    with torch.no_grad():
        logits = defense.load(CIFAR10, "cpu")(torch.full((2, 3, 32, 32), 0.5), torch.Generator())
    assert logits.shape == (2, 10)


@pytest.mark.parametrize("reference", ["autoattack_resnet18.py:AutoAttackResNet18", "my_defense.py:FewGreys"])
def test_an_example_refuses_other_data_sets(reference: str) -> None:
    with pytest.raises(UsageError, match="instead of folder"):
        example(reference).load(Task("folder", ("a", "b"), (1, 8, 8)), "cpu")


def test_the_example_of_a_defense_of_ones_own_is_attacked_through_its_stand_in() -> None:
    classifier = example("my_defense.py:FewGreys").load(DIGITS, "cpu")
    batch = Digits().load("test", None).read(range(200))
    rng = torch.Generator().manual_seed(0)
    clean = (classifier(batch.images, rng).argmax(1) == batch.labels).float().mean()
    perturbed = (
        PgdLinf(steps=10).perturb(Victim(classifier, rng), batch, ThreatModel("linf", Fraction("0.2")), rng).images
    )
    robust = (classifier(perturbed, rng).argmax(1) == batch.labels).float().mean()
    assert clean > 0.85
    assert robust < clean - 0.2


def script(name: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script for clusters, run as on one of its machines."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BENCH_", "SLURM_"))}
    return subprocess.run(
        ["bash", str(EXAMPLES / "cluster" / name), *words],
        env={**kept, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash: apt-get install bash")
def test_the_array_script_runs_a_sweep_and_asks_for_what_all_machines_must_see(tmp_path: Path) -> None:
    found = script("slurm.sh", BENCH_ARTIFACTS=str(tmp_path / "images"))
    assert found.returncode != 0
    assert "PostgreSQL URL" in found.stderr
    places = {"BENCH_DB": str(tmp_path / "shared.db"), "BENCH_ARTIFACTS": str(tmp_path / "images")}
    words = ("transfer-1024", "--defense", "resnet", "--attack", "noise-linf", "--samples", "8", "--json")
    found = script("slurm.sh", *words, **places)
    assert found.returncode == 0, found.stderr
    assert [row["defense"] for row in json.loads(found.stdout)] == ["resnet"]
    assert list((tmp_path / "images").rglob("*.safetensors"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash: apt-get install bash")
@pytest.mark.parametrize("name", ["workstation.sh", "slurm.sh", "ray.sh"])
def test_every_script_is_one(name: str) -> None:
    subprocess.run(["bash", "-n", str(EXAMPLES / "cluster" / name)], check=True)


SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
echo "$*" >> "$ASKED"
exec "$@"
"""


@pytest.mark.slow
@needs.ray
def test_the_ray_script_makes_a_cluster_of_an_allocation_and_ends_it(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "srun").write_text(SRUN)  # the second node is this machine too
    (programs / "srun").chmod(0o755)
    words = ("transfer-1024", "--defense", "resnet", "--attack", "noise-linf", "--samples", "8", "--json")
    with alone():
        found = script(
            "ray.sh",
            *(*words, "--db", str(tmp_path / "results.db")),
            PATH=os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            ASKED=str(tmp_path / "asked"),
            SLURM_JOB_NODELIST="here[1-2]",
            SLURM_JOB_NUM_NODES="2",
            BENCH_RAY_PORT="6411",
        )
    assert found.returncode == 0, found.stderr
    assert [row["judged"] for row in json.loads(found.stdout)] == [8]
    assert (tmp_path / "asked").read_text().startswith("ray start --address=")
    assert not subprocess.run(["pgrep", "-f", "raylet.*6411"], capture_output=True, check=False).stdout
