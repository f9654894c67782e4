"""Stores of strangers, damaged, merged and edited ones: what cannot be read is named, and hides nothing else."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

import bench
from bench.domain.errors import BenchError, StoreError
from bench.evaluation.rejudge import Rejudge
from bench.store.database import opening
from bench.store.others.lend import lend
from bench.store.others.merge import merge
from bench.store.store import Store
from tests.hostile.edits import DOCUMENTS, EDITS
from tests.hostile.spoilt import BAD, CLEAN, GOOD, KINDS, ask, change, flipped, make, rewrite, ways
from tests.hostile.words import PATIENCE


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three plans, to be copied."""
    path = tmp_path_factory.mktemp("sound") / "results.db"
    make(path)
    return path


@pytest.fixture(autouse=True)
def here(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of it."""
    monkeypatch.chdir(tmp_path)
    return shutil.copyfile(sound, tmp_path / "results.db")


def _check_that_it_is_left_out(digest: str) -> None:
    with_others = Store("results.db", create=False)
    began, others = time.monotonic(), ways(with_others)
    shown = others.pop("list")()
    assert isinstance(shown, list)
    assert len(shown) == 2
    [*others.values()][int(digest[:4], 16) % len(others) if digest != BAD.digest else 0]()
    assert time.monotonic() - began < PATIENCE
    assert {plan.digest for plan in with_others.plans()} == {GOOD.digest, CLEAN.digest}
    assert list(with_others.skipped) == [digest]
    sentence = with_others.skipped[digest]
    assert f"Plan {digest[:12]} of results.db is left out, for " in sentence
    assert f"`bench remove {digest[:12]}`" in sentence
    assert len(sentence) < 700
    assert "\n" not in sentence
    with_others.close()


@pytest.mark.parametrize("statement", EDITS, ids=lambda statement: statement[7:90])
def test_an_edited_row_is_left_out_and_named_and_all_others_are_read(statement: str) -> None:
    change(Path("results.db"), statement)
    with sqlite3.connect("results.db") as link:
        ((digest,),) = link.execute(
            "SELECT plan FROM shards WHERE plan NOT IN (?, ?) LIMIT 1", (GOOD.digest, CLEAN.digest)
        )
    _check_that_it_is_left_out(digest)


@pytest.mark.parametrize(("where", "value"), DOCUMENTS, ids=lambda given: str(given)[:40])
def test_a_plan_that_no_bench_writes_is_left_out_though_its_digest_is_right(where: tuple[str, ...], value: Any) -> None:
    def edit(document: dict[str, Any]) -> None:
        for name in where[:-1]:
            document = document[name]
        document[where[-1]] = value

    _check_that_it_is_left_out(rewrite(Path("results.db"), edit))


VERBS = [
    ("list", "plans"),
    ("list", "plans", "--json"),
    ("show", GOOD.digest[:12]),
    ("report", "--no-pictures"),
    ("report", "--no-pictures", "--json"),
    ("compare", "jem", BAD.defense.name),
    ("export", "-", "--what", "outcomes"),
    ("export", "results.csv"),
    ("export", "board.md"),
    ("prune", "--dry-run", "--json"),
    ("status", "--json"),
]
"""What only reads."""


@pytest.mark.parametrize("words", [words for words in VERBS if words[0] != "show"], ids=" ".join)
def test_every_verb_that_reads_names_what_it_leaves_out(words: tuple[str, ...]) -> None:
    change(Path("results.db"), EDITS[0], "INSERT INTO claims VALUES (:bad, 0, 'me', 0, unixepoch() + 100)")
    code, said = ask(*words)
    assert code == (2 if words[0] == "compare" else 0), said
    assert f"Left out Plan {BAD.digest[:12]} of results.db is left out, for it cannot be read" in said
    if words[0] in ("status", "prune") or words[-2:] == ("--no-pictures", "--json"):
        ((skipped,),) = (json.loads(said.partition("Left out")[0])["skipped"],)
        assert skipped["plan"] == BAD.digest


def test_the_page_and_python_name_it_too() -> None:
    change(Path("results.db"), EDITS[0])
    sentence = f"Left out: Plan {BAD.digest[:12]} of results.db"
    with pytest.warns(UserWarning, match=sentence):
        page = bench.report("page.html", pictures=False)
    assert f"Left out: <bdi>Plan {BAD.digest[:12]} of results.db" in page.read_text()
    notebook = bench.Store("results.db")
    assert sentence in notebook._repr_html_()
    with pytest.warns(UserWarning, match=sentence):
        assert len(notebook.results()) == 2


@pytest.mark.parametrize("words", VERBS[::4], ids=" ".join)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_store_is_one_sentence_and_left_as_it_is(kind: str, words: tuple[str, ...]) -> None:
    KINDS[kind](Path("other.db"))
    before = Path("other.db").read_bytes() if Path("other.db").is_file() else None
    began = time.monotonic()
    code, said = ask(*words, "--db", "other.db")
    assert time.monotonic() - began < PATIENCE
    assert code in (1, 2) or (kind == "tables that are missing" and code == 0), said
    assert code == 0 or said.count("Error ") == 1, said
    assert code == 0 or "other.db" in said or "schemas" in said, said
    assert before is None or Path("other.db").read_bytes() == before
    assert not [path for path in Path.cwd().iterdir() if path.name.startswith(("other.db-", "other.artifacts"))]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("an empty file", "a link to nothing")])
def test_nothing_is_merged_into_what_is_no_store_nor_out_of_it(kind: str) -> None:
    KINDS[kind](Path("other.db"))
    before = Path("other.db").read_bytes() if Path("other.db").is_file() else None
    for words in (("merge", "results.db", "--db", "other.db"), ("merge", "other.db", "--db", "mine.db")):
        code, said = ask(*words)
        assert code in (1, 2), said
        assert before is None or Path("other.db").read_bytes() == before or kind == "tables that are missing"


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_flipped_bytes_is_read_or_refused(seed: int) -> None:
    path = Path("results.db")
    path.write_bytes(flipped(path.read_bytes(), seed))
    with suppress(BenchError), closing(Store(path, create=False)) as store:
        for name in ("list", "outcomes"):
            ways(store)[name]()
    if seed % 2:
        code, said = ask(*VERBS[seed % len(VERBS)])
        assert code == 0 or (code in (1, 2) and said.count("Error ") == 1), said


@pytest.mark.parametrize("byte", [0xFE, 0x80])
def test_a_byte_in_the_schema_that_is_no_text_lets_nothing_but_sentences_out(byte: int) -> None:
    path, refused = Path("results.db"), []
    sound = path.read_bytes()
    for place in range(100, 4096, 50):
        spoilt = sound[:place] + bytes([byte]) + sound[place + 1 :]
        path.write_bytes(spoilt)
        try:
            with closing(Store(path, create=False)) as store:
                for name in ("list", "outcomes"):
                    ways(store)[name]()
        except BenchError as error:
            refused.append(str(error))
        assert path.read_bytes() == spoilt
    assert len(refused) > 20
    assert any("results.db is not a results database (it holds names that are no text);" in said for said in refused)


@pytest.mark.parametrize("words", [("show", GOOD.digest[:12]), ("report",), ("upgrade",)], ids=" ".join)
def test_a_name_in_the_schema_that_is_no_text_is_one_sentence_and_nothing_is_written(words: tuple[str, ...]) -> None:
    path = Path("results.db")
    spoilt = path.read_bytes().replace(b"tableplans", b"table\xfelans", 1)
    path.write_bytes(spoilt)
    with pytest.raises(StoreError, match="names that are no text"):
        Store(path)
    code, said = ask(*words)
    assert code == 1, said
    assert said.count("Error ") == 1, said
    assert "results.db is not a results database (it holds names that are no text); name another file" in said
    assert path.read_bytes() == spoilt
    assert [*Path.cwd().iterdir()] == [path.absolute()]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(BAD.document())), value=ANY, part=st.sampled_from(["", "params", "name", "norm"]))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_plan_no_verb_stumbles_over_it(field: str, value: Any, part: str, sound: Path) -> None:
    path = Path(shutil.copyfile(sound, "any.db"))

    def edit(document: dict[str, Any]) -> None:
        if part and isinstance(document[field], dict) and part in document[field]:
            document[field][part] = value
        else:
            document[field] = value

    rewrite(path, edit)
    store = Store(path, create=False)
    read = store.plans()
    assert len(read) + len(store.skipped) == 3
    for name in ("list", "show", "page") if len(read) == 3 else ():
        ways(store)[name]()
    store.close()


def test_a_bad_row_of_another_store_is_refused_and_one_of_ours_lets_nothing_stand_beside_it() -> None:
    shutil.copyfile("results.db", "mine.db")
    change(Path("results.db"), EDITS[0])
    mine = Store("empty.db")
    with lend("results.db") as lent:
        found = merge(mine, lent, Rejudge(None))
    assert any(BAD.digest[:12] in str(refusal) and "cannot be read" in str(refusal) for refusal in found.refused)
    assert BAD.digest not in mine.digests()
    spoilt = Store("results.db")
    with lend("mine.db") as lent:
        found = merge(spoilt, lent, Rejudge(None), claimed=True)
    assert any("of what is here already, it cannot be read" in str(refusal) for refusal in found.refused)


@pytest.mark.parametrize("name", ["a%20b.db", "a?b.db", "a#b.db", "a b.db", "ä;rm x.db", "file:x.db"])
def test_a_path_is_no_url_and_a_hint_is_quoted_for_the_shell(name: str) -> None:
    shutil.move("results.db", name)
    change(Path(name).absolute(), EDITS[0])
    code, said = ask("list", "plans", "--db", name)
    assert code == 0
    assert BAD.digest[:12] in said
    hint = said.partition("take it out: `bench ")[2].partition("`")[0]
    import shlex

    assert ask(*shlex.split(hint), "--yes")[0] == 0
    assert ask("list", "plans", "--db", name)[0] == 0
    assert {path.name for path in Path.cwd().iterdir()} == {name}


@pytest.mark.parametrize("words", VERBS[:9], ids=" ".join)
def test_reading_needs_no_writing(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    first, ways_tried = opening.look, []

    def refuse(engine: Any, shown: str) -> str | None:
        ways_tried.append(engine.url.query.get("immutable"))
        if ways_tried[-1] is None:
            try:
                raise OperationalError("", {}, sqlite3.OperationalError("attempt to write a readonly database"))
            except OperationalError:
                raise opening.LockedAwayError("It cannot be opened.") from None
        return first(engine, shown)

    monkeypatch.setattr(opening, "look", refuse)
    code, said = ask(*words)
    assert code == 0, said
    assert ways_tried == [None, "1"]


def test_what_is_in_the_log_is_read_too_where_nothing_can_be_written(tmp_path: Path) -> None:
    writer = sqlite3.connect("results.db")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("DELETE FROM plans WHERE digest = ?", (BAD.digest,))
    writer.commit()
    opened = opening._read_locked_away(opening.Address.of("results.db"), Path("results.db"))
    with opened.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM plans").scalar() == 2
    opened.engine.dispose()
    writer.close()
