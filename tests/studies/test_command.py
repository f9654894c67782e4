"""`bench reproduce`: from nothing to the page, and again; what it says where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import bench
from tests.studies.written import TEXT, written

HALVES = "tests.plugins:Halves"


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
    code, text, errors = bench(*words, "--json")
    assert code == 0, errors
    assert Path("page.html").read_bytes() == first
    found = json.loads(text)
    assert len(found["cells"]) == 6
    assert {claim["verdict"] for claim in found["claims"]} <= {"holds", "does not hold", "cannot be told"}
    assert all(cell["measured"]["samples"] == 16 for cell in found["cells"])


def test_weights_are_trained_once_and_met_by_their_row(tmp_path: Path) -> None:
    fast = TEXT.replace('attack = "pgd-linf"\nparams = { steps = 4 }', 'attack = "fgsm-linf"')
    fast = fast.replace("on.quick = { params = { steps = 2 } }", "").replace("epochs = 2", "epochs = 1")
    words = ("reproduce", str(written(tmp_path, fast)), "--dataset", "digits", "--scale", "quick", "--json")
    code, text, errors = bench(*words)
    assert code == 0, errors
    (card,) = Path("runs/mine-digits").glob("better-*/resnet.json")
    written_at = card.stat().st_mtime_ns
    weights = card.with_suffix(".safetensors")
    found = json.loads(text)
    assert found["page"] == "reports/mine-digits/index.html"
    code, text, _ = bench(*words)
    assert code == 0
    assert card.stat().st_mtime_ns == written_at
    code, shown, _ = bench("show", found["cells"][0]["measured"]["plan"], "--json")
    assert code == 0
    hashes = json.loads(shown)["document"]["defense"]["weights"]
    assert json.loads(card.read_text())["sha256"] in hashes.values()
    assert weights.is_file()


def test_a_dry_run_prices_the_cells_names_the_trainings_and_leaves_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path).parent
    before = sorted(folder.rglob("*"))
    code, said, errors = bench(
        *("reproduce", "mine.toml", "--dataset", "digits", "--scale", "quick", "--dry-run"),
    )
    assert code == 0, errors
    assert "Still to be trained, and not priced: better." in errors
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
    assert json.loads(text)[0]["name"] == "tmdc"
    assert bench("list", "studies")[0] == 0
