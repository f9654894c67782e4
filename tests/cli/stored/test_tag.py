"""Tags and notes from the command line: written by runs, edited later, shown and chosen by."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bench.store.store import Store
from tests.cli.command import bench
from tests.pages.figures.drawn import fill, white

RUN = ("--defense", "tests.plugins:Hyperplane", "--dataset", "tests.plugins:Halves", "--samples", "4", "--workers", "1")


def as_json(*words: str) -> Any:
    """What a command answers as JSON; it must end well."""
    code, out, err = bench(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_a_repeated_run_adds_tags_and_computes_nothing() -> None:
    words = ("evaluate", *RUN, "--attack", "none")
    first = as_json(*words, "--tag", "nightly", "--tag", "h100", "--note", "before the driver was new")
    assert (first["tags"], first["notes"]) == (["h100", "nightly"], ["before the driver was new"])
    (again,) = as_json("sweep", "transfer-1024", *RUN, "--attack", "none", "--tag", "paper", "--note", "and after")
    assert (again["plan"], again["computed"], again["tags"]) == (first["plan"], 0, ["h100", "nightly", "paper"])
    assert again["notes"] == ["before the driver was new", "and after"]
    code, _, err = bench(*words, "--tag", "a,b")
    assert (code, "without comma" in err) == (2, True)


@pytest.fixture
def digest() -> str:
    """Of one of two plans in the store of this folder."""
    store = Store("results.db")
    plan = fill(store, white("tmdc"), [0])
    fill(store, white("vit"), [0])
    store.close()
    return plan.digest


def test_a_stored_plan_is_tagged_and_its_tags_are_taken_off(digest: str) -> None:
    assert as_json("tag", digest[:12]) == {"plan": digest, "tags": [], "notes": []}
    assert as_json("tag", digest[:12], "--tag", "x", "--tag", "y", "--note", "why")["tags"] == ["x", "y"]
    assert as_json("tag", digest[:12], "--remove", "y", "--remove", "why") == {
        "plan": digest,
        "tags": ["x"],
        "notes": [],
    }
    code, out, _ = bench("tag", digest[:12])
    assert (code, out.strip()) == (0, f"Plan {digest[:12]}: x")
    code, _, err = bench("tag", digest[:12], "--remove", "z")
    assert (code, "has no tag or note 'z'; it has 'x'." in err) == (2, True)
    code, _, err = bench("tag", "ffffffff", "--tag", "x")
    assert (code, "No plan in results.db starts with" in err) == (2, True)


def test_tags_are_shown_exported_and_chosen_by(digest: str, tmp_path: Path) -> None:
    bench("tag", digest, "--tag", "nightly", "--note", "why [bold]not[/]")
    _, out, _ = bench("show", digest)
    assert "tags: nightly" in out
    assert "why [bold]not[/]" in out
    assert as_json("show", digest)["tags"] == ["nightly"]
    _, out, _ = bench("list", "plans")
    assert out.count("nightly") == 1
    assert "vit" in out
    assert [found["plan"] for found in as_json("list", "plans", "--tag", "nightly")] == [digest]
    assert bench("export", str(tmp_path / "rows.csv"))[0] == 0
    rows = {row["plan"]: row for row in csv.DictReader((tmp_path / "rows.csv").read_text("utf-8").splitlines())}
    assert (rows[digest]["tags"], rows[digest]["notes"]) == ("nightly", "why [bold]not[/]")
    page = tmp_path / "page.html"
    assert bench("report", "-o", str(page), "--tag", "nightly", "--no-pictures")[0] == 0
    assert "images-from" not in page.read_text("utf-8")
    assert ">vit<" not in page.read_text("utf-8")
    for words, sentence in (
        (("list", "plans", "--tag", "nihgtly"), "Did you mean 'nightly'"),
        (("report", "--tag", "x"), "No plan here is tagged 'x'. Known are: nightly."),
        (("list", "attacks", "--tag", "x"), "Only plans have tags; leave out --tag to list attacks."),
    ):
        code, _, err = bench(*words)
        assert (code, sentence in err) == (2, True), err
