"""A study that is killed goes on where it stopped, to the page of one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.cli.command import bench
from tests.cli.held import FREE
from tests.studies.written import TEXT, written

HELD = TEXT.replace('attack = "fgsm-linf"', 'attack = "tests.cli.held:Held"').replace(
    'attack = "pgd-linf"\nparams = { steps = 4 }', 'attack = "tests.cli.held:Held"'
)
HELD = HELD.replace("on.quick = { params = { steps = 2 } }", "")
WORDS = ("reproduce", "mine.toml", "--dataset", "tests.plugins:Halves", "--scale", "quick", "-o", "page.html")
PATIENCE = 120


def test_a_study_that_is_killed_goes_on_to_the_same_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, HELD)
    monkeypatch.chdir(tmp_path / "killed")
    Path("held").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", *WORDS],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    try:
        until = time.monotonic() + PATIENCE
        while not _is_held() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = _crafted()
    assert before
    for path in Path("held").iterdir():
        path.unlink()
    Path("held").rmdir()
    assert not Path("page.html").exists()
    code, _, errors = bench(*WORDS)
    assert code == 0, errors
    page = Path("page.html").read_bytes()
    assert _crafted() > before
    monkeypatch.chdir(tmp_path / "alone")
    code, _, errors = bench(*WORDS)
    assert code == 0, errors
    assert Path("page.html").read_bytes() == page


def _is_held() -> bool:
    """Whether something is stored, and an attack waits for ever."""
    return len(list(Path("held").iterdir())) > FREE and Path("results.db").exists() and _crafted() > 0


def _crafted() -> int:
    """Stored shards of attacked images."""
    store = Store("results.db")
    return sum(len(store.shards(plan)) for plan in store.plans() if not plan.is_untouched)
