"""Published figures stand on the page as what they are, apart from measured ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from bench.domain.defense import Published
from bench.pages.page import render
from bench.pages.references import references
from bench.store.store import Store
from tests.analysis.made import add, make_plan
from tests.pages.test_page import EVIL, Reader

FINE = Published("Fine", "digits", "linf", Fraction(8, 255), 0.95, 0.7, "Fine Nets", "ICML 2023", "A zoo 1.0")
FINER = replace(FINE, name="Finer", robust=0.71)
FOGGY = replace(FINE, name="Foggy", norm="corruptions", epsilon=None)
ELSEWHERE = replace(FINE, name="Elsewhere", dataset="cifar10")


def test_there_is_one_table_a_budget_with_the_most_robust_model_first() -> None:
    first, second = references([FINE, FOGGY, ELSEWHERE, FINER], ["digits"])
    assert first.models == (FINER, FINE)
    assert (first.norm, first.budget) == ("linf", "8/255")
    assert second.models == (FOGGY,)
    assert second.budget == ""


def test_the_page_shows_published_figures_apart_and_marked(store: Store, tmp_path: Path) -> None:
    add(store, make_plan("resnet"), [True] * 1024, [True] * 1024)
    measured = render(store, tmp_path / "measured.html").read_text()
    text = render(store, tmp_path / "both.html", published=[FINE, ELSEWHERE, replace(FOGGY, title=EVIL)]).read_text()
    page = Reader(text)
    assert page.tags["script"] == 1 + page.values("type").count("application/json")
    assert "Published elsewhere" in page.text
    assert "Nothing below was measured here" in page.text
    assert "as A zoo 1.0 publishes it" in page.text
    assert "70.00" in page.text
    assert "Elsewhere" not in page.text.replace("Published elsewhere", "")
    before, _, after = text.partition('<section class="board" aria-labelledby="published">')
    assert measured == before + after[after.index("</section>") + len("</section>\n") :]


def test_a_page_without_any_for_its_data_sets_says_nothing_of_them(store: Store, tmp_path: Path) -> None:
    add(store, make_plan("resnet"), [True] * 1024, [True] * 1024)
    page = render(store, tmp_path / "page.html", published=[ELSEWHERE])
    assert page.read_bytes() == render(store, tmp_path / "plain.html").read_bytes()
