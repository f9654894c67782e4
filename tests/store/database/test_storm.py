"""Two copies of one sweep on one store, while whatever belongs to them is killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import Store
from tests.store.server import Server

ROOT = Path(__file__).parents[3]
PROTOCOL = """
name = "storm"
version = "1"
description = "Shards that take a moment."
samples = 96
sample_seed = 1
sampling = "random"
shard_size = 6
seed = 0
draws = 1
source = "tests.plugins:Hyperplane"
epsilon = "0.05"

[[attacks]]
name = "tests.plugins:Still"
params = { seconds = 0.2 }

[[attacks]]
name = "pgd-linf"
"""
DEFENSES = ("Hyperplane", "Rounded", "NoisyHyperplane")
SECONDS = 600


class Storm:
    """Starts copies of a sweep and kills their processes; `mark` in the environment tells which are theirs."""

    def __init__(self, folder: Path, location: str, seed: int) -> None:
        self.folder, self.location, self.chance = folder, location, random.Random(seed)
        self.mark = f"storm-{os.getpid()}-{folder.name}-{seed}"
        self.copies: list[subprocess.Popen[bytes]] = []
        (folder / "storm.toml").write_text(PROTOCOL)

    def start(self) -> subprocess.Popen[bytes]:
        """One copy of the sweep; what it says goes into a file."""
        program = [sys.executable, "-c", "from bench.cli import main; main()", "sweep", "storm.toml"]
        chosen = [word for name in DEFENSES for word in ("--defense", f"tests.plugins:{name}")]
        where = ["--dataset", "tests.plugins:Halves", "--db", self.location, "--artifacts", "images"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "STORM": self.mark}
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [*program, *chosen, *where, "--workers", "1"],
                cwd=self.folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def rage(self, kills: int, server: Server | None = None) -> None:
        """Kill so many processes; with a server, that is stopped or crashes now and then too."""
        for number in range(kills):
            running = [copy for copy in self.copies if copy.poll() is None]
            ended = {copy.returncode for copy in self.copies} - {None, 0, 1, -signal.SIGKILL}
            assert not ended, (self.folder / "said").read_text()
            self.copies = running + [self.start() for _ in range(2 - len(running))]
            time.sleep(self.chance.uniform(0.2, 3.0))
            victims = self.processes()
            if victims:
                os.kill(self.chance.choice(victims), signal.SIGKILL)
            if server is not None and number % 4 == 3:
                server.stop(self.chance.choice([signal.SIGINT, signal.SIGQUIT]))
                time.sleep(self.chance.uniform(0, 1))
                server.start()

    def end(self) -> None:
        """Let the copies finish, and start one more, which finds nothing to do or the rest."""
        for copy in self.copies:
            copy.wait(SECONDS)
        last = self.start()
        assert last.wait(SECONDS) == 0, (self.folder / "said").read_text()
        said = (self.folder / "said").read_text()
        assert "Traceback" not in said, said

    def processes(self) -> list[int]:
        """All processes that belong to it."""
        return sorted(int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if self._is_ours(path))

    def _is_ours(self, environment: Path) -> bool:
        try:
            return f"STORM={self.mark}".encode() in environment.read_bytes().split(b"\0")
        except OSError:
            return False


def same(found: Store, expected: Store) -> None:
    """The stores hold the same plans, outcomes and images."""
    plans = {plan.digest: plan for plan in expected.plans()}
    assert {plan.digest for plan in found.plans()} == set(plans)
    for plan in plans.values():
        assert found.outcomes(plan) == expected.outcomes(plan)
        hashes = [[shard.perturbed_sha256 for shard in store.shards(plan)] for store in (found, expected)]
        assert hashes[0] == hashes[1]
    assert (found.conflicts(), found.claims.held()) == ((), ())


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What one copy leaves that is left alone."""
    folder = tmp_path_factory.mktemp("calm")
    assert Storm(folder, str(folder / "calm.db"), 0).start().wait(SECONDS) == 0
    return Store(folder / "calm.db", artifacts=folder / "images")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes where Linux shows them")
@pytest.mark.parametrize(
    ("rounds", "kills"), [(1, 5), pytest.param(10, 5, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_sweep_under_which_anything_is_killed_ends_as_one_that_was_left_alone(
    rounds: int, kills: int, location: str, expected: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = None if location.endswith(".db") else request.getfixturevalue("server")
    for seed in range(1, rounds + 1):
        storm = Storm(tmp_path, location, seed)
        storm.rage(kills, server if rounds > 1 else None)
        storm.end()
        found = Store(location, artifacts=tmp_path / "images")
        same(found, expected)
        with found._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM shards")
        found.close()
        until = time.monotonic() + 15
        while storm.processes() and time.monotonic() < until:
            time.sleep(0.1)
        assert storm.processes() == []
