"""`bench reproduce`: from nothing to the page, and again; what it says where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.protocols.studies import builtin_studies
from tests.cli.command import bench
from tests.studies.written import TEXT, written

HALVES = "tests.plugins:Halves"
EXAMPLE = Path(__file__).parents[2] / "examples" / "study.toml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_goes_from_nothing_to_a_page_and_again_to_the_same(tmp_path: Path) -> None:
    words = ("reproduce", str(written(tmp_path)), "--dataset", HALVES, "--scale", "quick", "-o", "page.html")
    code, said, errors = bench(*words)
    assert code == 0, errors
    assert "Attacks hurt." in said
    assert "The page is page.html." in said
    first = Path("page.html").read_bytes()
    assert b"A paper of mine" in first
    figures = Path("page.json").read_bytes()
    code, text, errors = bench(*words, "--json")
    assert code == 0, errors
    assert Path("page.html").read_bytes() == first
    assert Path("page.json").read_bytes() == figures
    found = json.loads(text)
    assert len(found["cells"]) == 6
    assert json.loads(figures)["cells"] == found["cells"]
    code, _, errors = bench(*words[:-1], "page.json")
    assert code == 2
    assert "is where the page's figures would go" in " ".join(errors.split())
    assert {claim["verdict"] for claim in found["claims"]} <= {"holds", "does not hold", "cannot be told"}
    assert all(cell["measured"]["samples"] == 16 for cell in found["cells"])


def test_the_example_trains_its_weights_once_and_its_row_meets_them() -> None:
    words = ("reproduce", str(EXAMPLE), "--dataset", "digits", "--scale", "quick", "--json")
    code, text, errors = bench(*words)
    assert code == 0, errors
    (card,) = Path("runs/at-home-digits").glob("small-budget-*/pgd-at.json")
    written_at = card.stat().st_mtime_ns
    found = json.loads(text)
    assert found["page"] == "reports/at-home-digits/index.html"
    assert found["claims"][0]["verdict"] in ("holds", "cannot be told")
    code, text, _ = bench(*words)
    assert code == 0
    assert json.loads(text) == found
    assert card.stat().st_mtime_ns == written_at
    plans = {cell["row"]: cell["measured"]["plan"] for cell in found["cells"]}
    code, shown, _ = bench("show", plans["adversarially trained"], "--json")
    assert code == 0
    hashes = json.loads(shown)["document"]["defense"]["weights"]
    assert json.loads(card.read_text())["sha256"] in hashes.values()


def test_a_dry_run_prices_the_cells_names_the_trainings_and_leaves_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path).parent
    before = sorted(folder.rglob("*"))
    code, said, errors = bench(
        *("reproduce", "mine.toml", "--dataset", "digits", "--scale", "quick", "--dry-run"),
    )
    assert code == 0, errors
    assert "better" in said
    assert "for 1 training and" in " ".join(said.split())
    assert "PGD" in said
    assert sorted(folder.rglob("*")) == before


def test_a_cell_that_fails_is_told_and_the_page_is_written_all_the_same(tmp_path: Path) -> None:
    broken = TEXT.replace('name = "scaled"\ndefense = "tests.plugins:Hyperplane"\nparams = { scale = 4.0 }', "@")
    broken = broken.replace("@", 'name = "scaled"\ndefense = "tests.plugins:Faulty"\nparams = { fault = "nan" }')
    code, said, errors = bench(
        *("reproduce", str(written(tmp_path, broken)), "--dataset", HALVES, "--scale", "quick"),
    )
    assert code == 1
    assert "Failed scaled, PGD" in errors
    assert "not measured" in said
    assert Path("reports/mine-tests.plugins:Halves/index.html").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("tmcd",), "No study is called 'tmcd'. Did you mean 'tmdc'?"),
        (("tmdc", "--dataset", "cifar100"), "has no data set 'cifar100'; there are digits, cifar10."),
        (("tmdc", "--scale", "tiny"), "has no scale 'tiny'; there are full, quick."),
    ],
)
def test_what_is_not_there_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    code, _, errors = bench("reproduce", *words)
    assert code == 2
    assert sentence in " ".join(errors.split())


def test_studies_are_listed() -> None:
    code, text, _ = bench("list", "studies", "--json")
    assert code == 0
    assert [study["name"] for study in json.loads(text)] == sorted(builtin_studies())
    assert bench("list", "studies")[0] == 0
