from __future__ import annotations

import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import bench
from bench import Store, UsageError
from bench.analysis.boards.leaderboards import leaderboards
from bench.api.notebook import SHOWN
from bench.domain.plan import Spec
from bench.pages.export.columns import RESULT_COLUMNS
from bench.pages.page import render
from tests.analysis.made import add, make_plan, small_plan
from tests.pages.test_comparison_page import craft, plan_of

RIGHT, WRONG = [True] * 8, [False] * 8


@pytest.fixture
def notebook(tmp_path: Path) -> Store:
    """A store as people make it."""
    return Store(tmp_path / "results.db")


def test_what_people_import_is_the_harness_own_store(notebook: Store, tmp_path: Path) -> None:
    assert isinstance(notebook, bench.store.store.Store)
    add(notebook, small_plan(), RIGHT, RIGHT)
    assert render(notebook, tmp_path / "page.html").is_file()


def test_a_leaderboard_is_a_frame_with_a_row_a_defense_and_the_ends_of_intervals(notebook: Store) -> None:
    for name, right in (("tmdc", 900), ("vit", 600)):
        for attack in ("pgd-linf", "aa-linf"):
            perturbed = [number < right for number in range(1024)]
            add(notebook, make_plan(name, attack), [True] * 1024, perturbed)
    frame = notebook.leaderboard(protocol="transfer-1024", dataset="digits")
    assert list(frame.index) == ["tmdc", "vit"]
    assert list(frame["rank"]) == [1, 2]
    (board,) = leaderboards(notebook)
    for name, result in zip(("pgd-linf", "aa-linf"), board.rows[0].found, strict=True):
        found = [frame.loc["tmdc", f"{name}{part}"] for part in ("", " low", " high")]
        assert found == [result.robust_accuracy, result.interval.low, result.interval.high]
    assert frame.loc["vit", "worst case"] == 600 / 1024
    assert frame.loc["vit", "worst case low"] < 600 / 1024 < frame.loc["vit", "worst case high"]
    assert list(frame["clean"]) == [1, 1]
    assert "percent of 1024 samples" in frame.attrs["caption"]
    assert list(frame["assurance"]) == ["transfer", "transfer"]


def test_what_was_not_measured_is_not_a_number_and_why_is_told(notebook: Store) -> None:
    add(notebook, small_plan("tmdc", "aa-linf"), RIGHT, RIGHT)
    add(notebook, small_plan("tmdc", "aa-l2"), RIGHT, RIGHT, invalid="One image lies outside.")
    add(notebook, small_plan("vit", "aa-l2"), RIGHT, RIGHT, invalid="One image lies outside.")
    add(notebook, small_plan("rdc", "aa-linf"), RIGHT, RIGHT)
    frame = notebook.leaderboard()
    assert frame["aa-l2"].isna().all()
    assert frame["worst case"].isna().all()
    assert frame["rank"].isna().all()
    assert "invalid: One image lies outside" in frame.loc["tmdc", "remarks"]
    assert "was not run" in frame.loc["vit", "remarks"]
    assert all(frame[name].dtype == float for name in ("aa-linf", "worst case", "worst case low"))


def test_defenses_of_one_name_are_told_apart(notebook: Store) -> None:
    for width in (32, 64):
        defense = Spec("tmdc", {"width": width}, "1", {"network": "ab" * 32})
        add(notebook, replace(small_plan(), defense=defense), RIGHT, RIGHT)
    assert sorted(notebook.leaderboard().index) == ["tmdc (width=32)", "tmdc (width=64)"]


def test_where_several_leaderboards_fit_their_names_are_told(notebook: Store) -> None:
    add(notebook, small_plan(), RIGHT, RIGHT)
    add(notebook, small_plan(sample_seed=7), RIGHT, RIGHT)
    with pytest.raises(UsageError, match="2 leaderboards fit"):
        notebook.leaderboard(dataset="digits")
    frames = notebook.leaderboards()
    assert list(frames) == ["digits · 8 samples, images from resnet", "digits · 8 samples, images from resnet 2"]
    assert [len(frame) for frame in frames.values()] == [1, 1]


def test_a_leaderboard_that_is_not_there_names_those_that_are(notebook: Store) -> None:
    with pytest.raises(UsageError, match="no results yet"):
        notebook.leaderboard()
    add(notebook, small_plan(), RIGHT, RIGHT)
    with pytest.raises(UsageError, match="it has these: digits · 8 samples"):
        notebook.leaderboard("transfer-1024")
    with pytest.raises(UsageError, match="Did you mean"):
        notebook.leaderboard("transfer1024")


def test_results_are_a_frame_with_a_row_a_plan(notebook: Store) -> None:
    assert list(notebook.results().columns) == list(RESULT_COLUMNS)
    add(notebook, small_plan(), RIGHT, RIGHT)
    add(notebook, small_plan("resnet"), RIGHT, WRONG)
    frame = notebook.results()
    assert list(frame["defense"]) == ["tmdc", "resnet"]
    assert list(frame["robust_accuracy"]) == [1, 0]
    assert frame["certified_0"].dtype == float
    assert str(frame["finished"].dt.tz) == "UTC"


def test_outcomes_are_a_frame_with_a_row_a_sample(notebook: Store) -> None:
    plan, random = small_plan(), small_plan("rdc", draws=2)
    add(notebook, plan, RIGHT, [True, False] * 4)
    add(notebook, random, [(1, 1)] * 8, [(1, 0)] * 8)
    frame = notebook.outcomes_frame(plan)
    assert list(frame["sample"]) == list(plan.indices)
    assert list(frame["perturbed"]) == [1, 0] * 4
    assert frame["broken_at"].isna().all()
    drawn = notebook.outcomes_frame(random.digest[:12])
    assert list(drawn["perturbed 1"]) == [1] * 8
    assert list(drawn["perturbed 2"]) == [0] * 8
    with pytest.raises(UsageError, match="bench list plans"):
        notebook.outcomes_frame("nothing")


def test_another_store_is_merged_by_its_name(notebook: Store, tmp_path: Path) -> None:
    craft(Store(tmp_path / "other.db"), plan_of("tmdc", source=None), 35, 0.05)
    assert notebook.merge(str(tmp_path / "other.db")).copied == 2
    assert len(notebook.results()) == 1


class Tags(HTMLParser):
    """Collects the elements and the text of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_the_newest_plans_and_escapes_what_they_say(notebook: Store) -> None:
    assert "no results yet" in notebook._repr_html_()
    name = "<script>alert('&')</script>"
    add(notebook, small_plan(name), RIGHT, RIGHT)
    add(notebook, small_plan("vit"), RIGHT, RIGHT, invalid="One image lies outside.")
    page = Tags(notebook._repr_html_())
    assert page.tags == {"div", "p", "b", "table", "thead", "tr", "th", "tbody", "td"}
    for part in (name, "2 plans", "ℓ∞ ≤ 0.05", "100.0 (67.6–100.0)", "invalid"):
        assert part.replace(" ≤ ", "\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}") in page.text
    for seed in range(SHOWN):
        add(notebook, small_plan(seed=seed), RIGHT, RIGHT, shards=[0])
    page = Tags(notebook._repr_html_())
    assert "22 plans, of which these are the newest 20" in page.text
    assert "script" not in page.text
    assert "4 of 8" in page.text


def test_without_pandas_a_sentence_says_what_to_install(notebook: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(notebook, small_plan(), RIGHT, RIGHT)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for frame in (notebook.results, notebook.leaderboard, notebook.leaderboards):
        with pytest.raises(UsageError, match=r"pip install 'defense-bench\[notebook\]'"):
            frame()
