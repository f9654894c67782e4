"""Every verb with words that are none: no traceback, one sentence that names the culprit, and nothing on the disk."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from bench.store.database.beginnings import digests
from bench.store.store import Store
from tests.analysis.made import add, small_plan
from tests.cli.command import bench
from tests.hostile.words import EVALUATE, NAMES, NUMBERS, PATIENCE, PLACES, SWEPT

OPTIONS = [
    ((*words, option, value), option)
    for options in (NUMBERS, SWEPT)
    for option, (words, values) in options.items()
    for value in values
]


@pytest.fixture(autouse=True, scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and somebody's notes, which all the words together must leave as it is."""
    place, before = tmp_path_factory.mktemp("here"), Path.cwd()
    os.chdir(place)
    store = Store("results.db")
    for name in ("tmdc", "jem"):
        add(store, small_plan(name), [True] * 8, [True] * 8)
    store.close()
    for name in ("notes.txt", "notes.toml"):
        Path(name).write_text("these are my notes")
    Path("bytes.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("folder", "folder.toml", "folder.py"):
        Path(name).mkdir()
    bench(*EVALUATE, "--epsilon", "2")  # starts what plans are made in, for which nobody need wait then
    yield place  # type: ignore[misc]  # a fixture of a module
    os.chdir(before)


def _seen() -> dict[str, object]:
    """What lies here, of the store its plans: a run that fails may have asked for a lease."""
    found: dict[str, object] = {
        str(path): None if path.is_dir() or path.name.startswith("results.db") else path.read_bytes()
        for path in sorted(Path.cwd().rglob("*"))
        if not path.name.endswith(("-wal", "-shm"))
    }
    return {**found, "plans": digests("results.db", "")}


def _check(words: tuple[str, ...], culprit: str, codes: set[int]) -> None:
    before, started = _seen(), time.monotonic()
    code, out, err = bench(*words)
    assert time.monotonic() - started < PATIENCE
    assert code in codes, err
    assert out == "" or ("--json" in words and json.loads(out)["error"]["exit_code"] == code)
    said = [line for line in err.splitlines() if line.startswith(("Error ", "Failed "))]
    assert len(said) == 1, err
    assert culprit in said[0].replace("\\[", "[")
    assert "Traceback" not in err
    assert "itself failed" not in err
    assert "secret" not in err
    assert not {"\x1b", "\x07", "\u202e"} & {*err}
    assert _seen() == before


@pytest.mark.parametrize(("words", "option"), OPTIONS, ids=lambda each: ascii(each)[-50:])
def test_an_option_with_a_value_that_is_none_is_named(words: tuple[str, ...], option: str) -> None:
    said = {"--samples": "ample", "--shard-size": "hard", "--sample-seed": "seed", "--seed": "seed", "--seeds": "seed"}
    said |= {"--draws": "draws", "--passes": "passes", "--epsilon": "", "--images": "image", "--steps": "step"}
    _check(words, said.get(option, option), {2})


@pytest.mark.parametrize(("words", "culprit"), NAMES, ids=lambda each: ascii(each)[:60])
def test_a_name_of_nothing_is_named(words: tuple[str, ...], culprit: str) -> None:
    _check(words, culprit, {1, 2})


@pytest.mark.parametrize(("words", "culprit"), PLACES, ids=lambda each: ascii(each)[:60])
def test_a_place_that_cannot_be_used_is_named(words: tuple[str, ...], culprit: str) -> None:
    _check(words, culprit, {1, 2})
