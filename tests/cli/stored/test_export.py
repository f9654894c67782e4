from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bench.domain.labels import Labels
from bench.store.store import Store
from tests.analysis.made import add, small_plan
from tests.cli.command import bench

RIGHT = [True] * 8


@pytest.fixture(autouse=True)
def filled() -> Store:
    """Two plans of one defense."""
    store = Store("results.db")
    for attack in ("aa-linf", "aa-l2"):
        add(store, small_plan("tmdc", attack), RIGHT, RIGHT)
    return store


@pytest.mark.parametrize(
    ("file", "words", "said"),
    [
        ("new/results.csv", [], "2 rows (results)"),
        ("outcomes.parquet", ["--what", "outcomes"], "16 rows (outcomes)"),
        ("board.tex", [], "1 row (leaderboard)"),
        ("board.md", ["--dataset", "digits"], "1 row (leaderboard)"),
        ("board.txt", ["--format", "json", "--what", "leaderboard"], "1 row (leaderboard)"),
    ],
)
def test_a_file_is_written_and_told_of(file: str, words: list[str], said: str) -> None:
    code, out, _ = bench("export", file, *words)
    assert code == 0
    assert f"{file} holds {said}" in out
    assert Path(file).stat().st_size > 0


def test_only_plans_with_a_tag_are_written(filled: Store) -> None:
    assert bench("export", "-", "--tag", "nightly")[0] == 2
    filled.labels.add([small_plan("tmdc", "aa-l2")], Labels.of(["nightly"]))
    for what, rows in (("results", 1), ("outcomes", 8), ("leaderboard", 1)):
        code, out, _ = bench("export", "tagged.csv", "--tag", "nightly", "--what", what)
        assert (code, f"holds {rows} row" in out) == (0, True)
        assert "aa-linf" not in Path("tagged.csv").read_text()


def test_an_older_file_is_replaced() -> None:
    Path("results.csv").write_text("old")
    assert bench("export", "results.csv")[0] == 0
    assert len(Path("results.csv").read_text().splitlines()) == 3


def test_on_stdout_there_is_nothing_but_the_text() -> None:
    code, out, _ = bench("export", "-")
    assert code == 0
    assert [row["attack"] for row in csv.DictReader(out.splitlines())] == ["aa-linf", "aa-l2"]
    assert len(json.loads(bench("export", "-", "--format", "json", "--what", "outcomes")[1])) == 16
    assert r"\toprule" in bench("export", "-", "-f", "latex")[1]


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ([], 2, "Missing argument"),
        (["results.xls"], 2, ".parquet"),
        (["results.csv", "--format", "xls"], 2, "parquet"),
        (["-", "--format", "parquet"], 2, "name a file"),
        (["board.tex", "--what", "results"], 2, "csv, json or parquet"),
        (["results.db", "--format", "csv"], 2, "is the store itself"),
        (["results.csv", "--protocol", "transfer-1024"], 2, "it has these: digits · 8 samples"),
        (["results.csv", "--protocol", "transfer"], 2, "transfer-1024"),
        (["results.csv", "--dataset", "cifar10"], 2, "it has these: digits · 8 samples"),
        (["results.csv", "--db", "nothing.db"], 1, "no results database at nothing.db"),
        ([".", "--format", "csv"], 1, "could not be written to ."),
        (["results.db/results.csv"], 1, "could not be written to results.db/results.csv"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(words: list[str], code: int, hint: str) -> None:
    found, out, err = bench("export", *words)
    assert found == code
    assert hint in out + err
    assert {path.name for path in Path().iterdir()} <= {"results.db", "results.db-shm", "results.db-wal"}
