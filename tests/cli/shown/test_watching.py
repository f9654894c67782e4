from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.analysis.made import add, small_plan
from tests.cli.command import bench

PAGE = Path("reports/index.html")
REFRESH = 'http-equiv="refresh"'
PATIENCE = 120


@contextmanager
def watching(*words: str) -> Iterator[subprocess.Popen[str]]:
    """`bench report --watch` in a process of its own, in this folder."""
    program = (
        "import signal; from bench.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it\n"
        "main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "report", "--watch", "--no-pictures", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def page_with(text: str, process: subprocess.Popen[str]) -> str:
    """The page as soon as it holds a text; whenever it is read, it is whole."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if PAGE.exists():
            page = PAGE.read_text()
            assert page.endswith("</html>\n")
            if text in page:
                return page
        time.sleep(0.05)
    raise AssertionError(f"The page never held {text!r}; the watcher's exit code is {process.poll()}.")


def test_a_watched_page_follows_an_evaluation_until_it_is_interrupted() -> None:
    evaluate = [
        *("evaluate", "--attack", "pgd-linf", "--source", "self", "--dataset", "tests.plugins:Halves"),
        *("--samples", "16", "--workers", "1", "--json", "--defense"),
    ]
    bench(*evaluate, "tests.plugins:Hyperplane")
    with watching() as process:
        assert REFRESH in page_with("tests.plugins:Hyperplane", process)
        assert bench(*evaluate, "tests.plugins:NoisyHyperplane")[0] == 0
        assert REFRESH in page_with("tests.plugins:NoisyHyperplane", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "reports/index.html" in out
    assert "2 plans, 2 shards" in err
    assert REFRESH not in PAGE.read_text()
    assert list(PAGE.parent.iterdir()) == [PAGE]


def test_watching_ends_when_nothing_lands_any_more() -> None:
    add(Store("results.db"), small_plan(), [True] * 8, [True] * 8)
    code, out, err = bench("report", "--watch", "--until-idle", "0.2", "--no-pictures")
    assert code == 0
    assert "1 plan, 2 shards" in err
    assert "reports/index.html" in out
    assert REFRESH not in PAGE.read_text()


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["--watch"], 1, "bench evaluate"),
        (["--until-idle", "5"], 2, "add --watch"),
        (["--watch", "--until-idle", "-1"], 2, "--until-idle"),
        (["--watch", "--until-idle", "soon"], 2, "--until-idle"),
    ],
)
def test_what_cannot_be_watched_is_one_sentence(words: list[str], code: int, hint: str) -> None:
    found, out, err = bench("report", *words)
    assert found == code
    assert hint in out + err
