"""Fixtures that several folders share."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from bench.evaluation.requests.request import Request
from bench.protocols import find_protocol
from bench.store.store import Store
from tests import long, warm


def pytest_configure(config: pytest.Config) -> None:
    """No terminal's width holds for a test; no host is asked again and again where none need be; and one thread a
    process where several share the cores, for torch's own would fight over them."""
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)
    chosen = config.getoption("markexpr", "")
    if chosen and "network" not in chosen.replace("not network", ""):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    place = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["HF_HUB_CACHE"] = f"{place}/hub"  # empty, whatever this machine's own holds
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if hasattr(config, "workerinput"):
        warm.serve()  # while this process collects its tests


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Tests of a GPU have it one after the other; None leaves the number to the cores."""
    return 0 if config.getoption("markexpr") == "gpu" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that are known to take long bear the mark by which they are left out or chosen."""
    long.mark(items)


def pytest_collection_finish() -> None:
    """What collecting left behind stays, and need not be gone through whenever memory is looked for."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store in which nothing is, to be copied; to migrate one takes ten times as long."""
    path = tmp_path_factory.mktemp("empty") / "results.db"
    Store(path).close()
    return path


@pytest.fixture
def store(tmp_path: Path, empty: Path) -> Store:
    """An empty store."""
    return Store(shutil.copyfile(empty, tmp_path / "results.db"))


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """An empty store of somebody else."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    return Store(folder / "other.db")


@pytest.fixture
def request_of_halves() -> Request:
    """PGD on the hyperplane, white box, in three shards."""
    protocol = replace(find_protocol("transfer-1024"), samples=40, shard_size=16, source=None)
    return Request("tests.plugins:Hyperplane", "pgd-linf", protocol, dataset="tests.plugins:Halves")
