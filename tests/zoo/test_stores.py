"""Stores that were edited, truncated, or are somebody else's: none of it is taken for a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.analysis.boards.leaderboards import leaderboards
from bench.domain.errors import BenchError
from bench.evaluation.rejudge import Rejudge
from bench.store.others.lend import lend
from bench.store.others.merge import merge
from bench.store.store import Store
from tests.store.honest import edit, fill, honest_plan, honest_result

WHITE = honest_plan()
EDITED_PLAN = "UPDATE plans SET document = json_set(document, '$.seed', 7)"


@dataclass(frozen=True)
class StoreCase:
    """What was done to a store before it is merged, and the sentence that it meets."""

    title: str
    words: str
    done: Callable[[Store], None]
    ending: str = "refused"

    @property
    def culprit(self) -> str:
        return "other.db"


def _sql(*statements: str) -> Callable[[Store], None]:
    return lambda store: edit(store, *statements)


def _too_far(store: Store) -> None:
    edit(store, "DELETE FROM outcomes", "DELETE FROM shards")
    for shard in WHITE.shards():
        store.add(WHITE, honest_result(WHITE, shard.index, store, epsilon=0.3, invalid="4 of 4 images lie outside."))
    edit(store, "UPDATE shards SET invalid = NULL")


def _files(change: Callable[[Path], None]) -> Callable[[Store], None]:
    def done(store: Store) -> None:
        for path in store.artifacts.folder.rglob("*.safetensors"):
            change(path)

    return done


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _truncated(store: Store) -> None:
    store.close()
    path = Path(store.location)
    path.write_bytes(path.read_bytes()[:5000])


def _foreign(store: Store) -> None:
    store.close()
    for path in Path(store.location).parent.glob("other.db*"):
        if path.is_file():
            path.unlink()
    Path(store.location).write_text("defense,attack,robust\nmine,aa-linf,1.0\n")


CASES = [
    StoreCase("an invalid result that was set valid", "it is said to be valid, but", _too_far),
    StoreCase("predictions beyond the classes", "predictions beyond", _sql("UPDATE outcomes SET perturbed = '[10]'")),
    StoreCase("a flipped label", "labels are not those", _sql("UPDATE outcomes SET label = (label + 1) % 10")),
    StoreCase("distances set to zero", "distances are not those", _sql("UPDATE outcomes SET distance = 0")),
    StoreCase("radii without a proof", "certified radii", _sql("UPDATE outcomes SET radius = 1")),
    StoreCase("facts taken away", "says nothing of what was observed", _sql("UPDATE shards SET facts = NULL")),
    StoreCase("images of another name", "no hash", _sql("UPDATE shards SET perturbed_sha256 = '../../x'")),
    StoreCase(
        "a plan edited under its digest", "digest", _sql("UPDATE plans SET document = json_set(document, '$.seed', 7)")
    ),
    StoreCase("crafted images that are absent", "missing", _files(Path.unlink)),
    StoreCase("crafted images that were cut short", "damaged", _files(_half)),
    StoreCase("a database that was cut short", "cannot be|not a results|malformed|could not", _truncated),
    StoreCase("a file that is no database", "cannot be read|not a results", _foreign),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_store_that_is_not_what_it_says_gives_no_result(case: StoreCase, tmp_path: Path) -> None:
    import re

    mine, other = Store(tmp_path / "mine.db"), Store(tmp_path / "other.db")
    fill(other, WHITE)
    case.done(other)
    other.close()
    try:
        with lend(str(tmp_path / "other.db")) as lent:
            sentences = [str(refusal) for refusal in merge(mine, lent, Rejudge(None)).refused]
    except BenchError as error:
        sentences = [str(error)]
    assert any(re.search(case.words, sentence) for sentence in sentences), sentences
    assert any("other.db" in sentence for sentence in sentences), sentences
    assert mine.plans() == []


def test_a_result_that_contradicts_ours_is_kept_as_a_conflict_and_off_the_ranking(tmp_path: Path) -> None:
    mine, other = Store(tmp_path / "mine.db"), Store(tmp_path / "other.db")
    fill(mine, WHITE)
    fill(other, WHITE)
    edit(other, "UPDATE outcomes SET perturbed = json_array(label) WHERE shard = 1")
    with lend(str(tmp_path / "other.db")) as lent:
        merge(mine, lent, Rejudge(None))
    assert [conflict.origin for conflict in mine.conflicts()] == ["other.db"]
    rows = [row for board in leaderboards(mine) for row in board.rows]
    assert [row.rank for row in rows] == [None]
