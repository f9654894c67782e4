"""Clumsy and hostile words on the command line: one sentence with what to do, an exit code, and nothing lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.cli.console import escape
from bench.domain.threat import exact
from bench.plugins.settings import configure
from bench.store.store import Store
from tests import needs
from tests.analysis.made import add, small_plan
from tests.cli.command import bench
from tests.hostile.words import PATIENCE
from tests.plugins import Hyperplane

EVALUATE = ("evaluate", "--defense", "resnet", "--attack", "fgsm-linf", "--source", "self", "--samples", "2")
USAGE: list[tuple[tuple[str, ...], str]] = [
    ((*EVALUATE, "--epsilon", "1e999999999"), "is not a number; write it like 8/255"),
    ((*EVALUATE, "--epsilon", "1e-999999999"), "is not a number"),
    ((*EVALUATE, "--epsilon", "9" * 5000), "is not a number"),
    ((*EVALUATE, "--epsilon", "1/0"), "is not a number"),
    ((*EVALUATE, "--epsilon", "nan"), "is not a number"),
    ((*EVALUATE, "--epsilon", "8//255"), "is not a number"),
    ((*EVALUATE, "--seeds", "1000000000"), "at most 1,000 seeds"),
    ((*EVALUATE, "--seeds", "0"), "must be at least 1; got 0"),
    ((*EVALUATE, "--fail-under", "2"), "Invalid value for"),
    ((*EVALUATE, "--defense", "vit"), "--defense is given 2 times, and evaluate measures one"),
    ((*EVALUATE, "--attack=pgd-linf"), "--attack is given 2 times"),
    ((*EVALUATE, "--sampling", "all"), "must be random or first"),
    ((*EVALUATE, "--protocol", "nobody"), "No protocol is called 'nobody'"),
    ((*EVALUATE, "--protocol", "nowhere.toml"), "cannot be read"),
    (("evaluate", "--defense", "./nowhere.py", "--attack", "fgsm-linf"), "is a file; name the defense in it as well"),
    (("evaluate", "--defense", ":D", "--attack", "fgsm-linf"), "':D' names no class"),
    (("evaluate", "--defense", "./nowhere.py:", "--attack", "fgsm-linf"), "names no class"),
    (("evaluate", "--defense", "./nowhere.py:D", "--attack", "fgsm-linf"), "There is no file nowhere.py"),
    (("evaluate", "--defense", "resnett", "--attack", "fgsm-linf"), "Did you mean 'resnet'?"),
    (("evaluate", "--defense", "resnet:x", "--attack", "fgsm-linf"), "has no members; leave out ':x'"),
    (("sweep", "white-box-1024", "--defense", "all", "--defense", "resnet"), "leave the others out"),
    (("sweep", "white-box-1024", "--defense", "resnet", "--seed", "1", "--seed", "2", "--seeds", "2"), "Give either"),
    (("train", "resnet", "-T", "learning_rate=nan", "-o", "run"), "learning_rate must be a number; got 'nan'"),
    (("train", "resnet", "-T", "epochs=many", "-o", "run"), "must be a whole number; got 'many'"),
    (("train", "resnett", "-o", "run"), "Did you mean 'resnet'?"),
    (("reproduce", "nobody"), "No study is called 'nobody'"),
    (("reproduce", "tmdc", "-o", "page.json"), "is where the page's figures would go"),
    (("show", "zzzz"), "No plan in"),
    (("report", "-o", "results.db"), "is a database's, and would be lost"),
    (("report", "-o", "results.db-wal"), "is a database's, and would be lost"),
    (("report", "--until-idle", "3"), "add --watch"),
    (("compare", "tmdc", "jem", "-o", "results.db"), "is a database's, and would be lost"),
    (("compare", "tmdc"), "two"),
    (("export", "results.db-shm", "--format", "csv"), "is a database's"),
]
MEMBERS = (("torchattacks:Nothing", "has no member 'Nothing'"), ("torchattacks", "is a family; name a member"))
FAILED: list[tuple[tuple[str, ...], str]] = [
    ((*EVALUATE, "--db", ""), "would keep nothing; give --db a file"),
    ((*EVALUATE, "--db", "  "), "would keep nothing"),
    ((*EVALUATE, "--db", ":memory:"), "would keep nothing"),
    ((*EVALUATE, "--db", "sqlite://"), "would keep nothing"),
    ((*EVALUATE, "--db", "sqlite:///"), "would keep nothing"),
    ((*EVALUATE, "--db", "sqlite:///:memory:"), "would keep nothing"),
    ((*EVALUATE, "--db", "a" * 300), "can be no database (File name too long)"),
    ((*EVALUATE, "--db", "/dev/null"), "is no file"),
    ((*EVALUATE, "--db", "."), "is a folder"),
    ((*EVALUATE, "--db", "no/such/folder.db"), "does not exist"),
    ((*EVALUATE, "--db", "mysql://user:secret@host/name"), "names a database that bench does not know"),
    ((*EVALUATE, "--db", "notes.txt"), "not a results database"),
    (("list", "plans", "--db", "nowhere.db"), "There is no results database at nowhere.db"),
    (("report", "--db", "notes.txt"), "not a results database"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store and somebody's notes."""
    monkeypatch.chdir(tmp_path)
    store = Store("results.db")
    for name in ("tmdc", "jem"):
        add(store, small_plan(name), [True] * 8, [True] * 8)
    Path("notes.txt").write_text("these are my notes")
    for end in ("-wal", "-shm"):
        Path(f"results.db{end}").touch()
    return tmp_path


@pytest.mark.parametrize(("words", "sentence"), USAGE, ids=lambda given: " ".join(given)[:60] if given else "")
def test_what_cannot_be_asked_for_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    _check(words, sentence, 2)


@needs.torchattacks
@pytest.mark.parametrize(("attack", "sentence"), MEMBERS)
def test_what_a_library_does_not_have_is_one_sentence(attack: str, sentence: str) -> None:
    _check(("evaluate", "--defense", "resnet", "--attack", attack), sentence, 2)


@pytest.mark.parametrize(("words", "sentence"), FAILED, ids=lambda given: " ".join(given)[:60] if given else "")
def test_what_cannot_be_done_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    _check(words, sentence, 1)


def _check(words: tuple[str, ...], sentence: str, wanted: int) -> None:
    before = {path: path.read_bytes() for path in Path.cwd().iterdir() if path.name in ("results.db", "notes.txt")}
    started = time.monotonic()
    code, out, err = bench(*words)
    assert time.monotonic() - started < PATIENCE
    said = " ".join((out + err).split())
    assert sentence in said
    assert code == wanted, said
    assert "Traceback" not in said
    assert "secret" not in said
    assert {path: path.read_bytes() for path in before} == before
    assert len(Store("results.db").plans()) == 2


HOSTILE = {
    "\x1b[31mred": r"\x1b[31mred",
    "bell\x07": r"bell\x07",
    "back\x08\x08": r"back\x08\x08",
    "\u202eevil": r"\u202eevil",
    "\u2066isolated\u2069": r"\u2066isolated\u2069",
    "\x9b2J": r"\x9b2J",
    "\x7f": r"\x7f",
    "carriage\rreturn": r"carriage\rreturn",
    "two\nlines": "two\nlines",
    "naïve 名前": "naïve 名前",
    ":A:": ":A:",
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items(), ids=map(ascii, HOSTILE))
def test_text_of_others_gives_a_terminal_no_orders(name: str, shown: str) -> None:
    assert escape(name).replace("\\[", "[") == shown
    assert escape("[bold]x") == r"\[bold]x"


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\n" not in name], ids=ascii)
def test_a_hostile_name_reaches_neither_the_terminal_nor_the_page_as_an_order(name: str) -> None:
    add(Store("results.db"), small_plan(f"{name}<script>"), [True] * 8, [True] * 8)
    for words in (("list", "plans"), ("report", "--no-pictures")):
        code, out, err = bench(*words)
        assert code == 0, err
        assert not {"\x1b", "\x07", "\x08", "\x7f", "\x9b", "\u202e"} & set(out + err)
    page = Path("reports/index.html").read_text(encoding="utf-8")
    assert f"{name}<script>" not in page
    assert not {"\x1b", "\x07", "\x08", "\x7f", "\x9b", "\u202e"} & set(page)


@pytest.mark.parametrize("text", ["1e100", "1e+999", "1E-100", "0x10", "", "1/2/3", "inf", "9" * 201])
def test_no_number_is_worked_out_that_is_none_of_ordinary_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        exact(text)


def test_numbers_of_ordinary_size_are_exact() -> None:
    assert (exact(" 8/255 ") * 255, exact("0.05") * 20, exact("1e-3") * 1000) == (8, 1, 1)


def test_no_setting_is_not_a_number() -> None:
    with pytest.raises(Exception, match="scale must be a number; got 'nan'"):
        configure(Hyperplane, {"scale": "nan"}, "Hyperplane")
