"""A study's page: one harmless file that a browser opens without a word, a request or a sideways scroll."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from bench.analysis.claims.reproduction import Reproduction, reproduce
from bench.domain.errors import BenchError
from bench.pages.study_page import compose, render
from bench.protocols.studies import Claim, Discrepancy, PublishedFigure, StudySeries
from bench.store.store import Store
from tests import needs
from tests.analysis.made import add, make_plan
from tests.browsing import SCREENS, browser, quiet
from tests.studies.test_reproduction import FIRST, SECOND, N, filled, over, share, study

__all__ = ["browser"]
EVIL = '<script>document.title = "caught"</script>"\'&{{ 7 * 7 }}'


def made(store: Store) -> Reproduction:
    """A study of hostile words, with a claim of every verdict and a figure on either side of an interval."""
    plans = filled(store, {FIRST: share(100), SECOND: share(60)})
    found = study(
        Claim(EVIL, FIRST, "above", SECOND),
        Claim("It is worse than it is.", FIRST, "below", 0.2),
        Claim("It is about half.", FIRST, "above", 0.49),
        Claim("It is clean.", ("first", "clean"), "equal", ("second", "clean"), 0.01),
        published=[PublishedFigure("first", "PGD", 0.52, "Table 1"), PublishedFigure("second", "PGD", 0.9, EVIL)],
    )
    return reproduce(replace(found, title=EVIL, description=EVIL), plans, store)


def test_the_page_says_what_holds_what_does_not_and_what_cannot_be_told(store: Store) -> None:
    page = compose(made(store), "bench reproduce mine")
    for sentence in (
        "<b>1</b>claim holds",
        "<b>1</b>does not hold",
        "<b>1</b>cannot be told",
        "<b>1</b>not measured",
        "a true difference of this size would take about 19,615 samples",
        '<span class="within">\N{MINUS SIGN}2.0</span>',
        '<span class="apart">\N{MINUS SIGN}60.0</span>',
        "printed 90.0",
        "bench reproduce mine",
    ):
        assert sentence in page
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page


def test_a_refused_figure_is_struck_out_and_text_and_code_stand_side_by_side(store: Store) -> None:
    plans = filled(store, {FIRST: share(100)})
    bent = make_plan("jem", "pgd-linf", samples=N, shard_size=N)
    add(store, bent, [True] * N, share(60), invalid="outside the budget", distances=[0.5] * N)
    found = replace(study(), discrepancies=(Discrepancy("Loss", "squared", "absolute", EVIL),))
    page = compose(reproduce(found, {**plans, SECOND: bent}, store), "bench reproduce mine")
    assert "<s><b>30.0</b></s>" in page
    assert "images up to 10.0 times the budget away" in page
    assert "<td>squared</td><td>absolute</td>" in page
    assert "<script" not in page


def test_a_series_is_drawn_and_can_be_read_by_ear(store: Store) -> None:
    plans = filled(store, {FIRST: share(100), SECOND: share(60)})
    drawn = StudySeries("Figure 1", "first", (0, 100), ("first", "second"), ("PGD", "clean"))
    page = compose(reproduce(replace(study(), series=(drawn,)), plans, store), "c")
    assert 'aria-label="PGD: step 0 50.0 %, step 100 30.0 %"' in page
    assert page.count("<circle") == 2
    assert 'aria-label="clean: "' in page


def test_equal_stores_give_equal_pages_and_a_full_disk_is_one_sentence(store: Store, tmp_path: Path) -> None:
    reproduction = made(store)
    one, two = (render(reproduction, tmp_path / name / "index.html", "c").read_bytes() for name in "ab")
    assert one == two
    with pytest.raises(BenchError, match="could not be written"):
        render(reproduction, tmp_path / "a" / "index.html" / "index.html", "c")


@needs.chromium
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_is_quiet_fits_and_can_be_read_by_ear(
    browser: Browser, width: int, scheme: str, store: Store, tmp_path: Path
) -> None:
    address = render(made(store), tmp_path / "page.html", "bench reproduce mine").as_uri()
    with quiet(browser, address, width, scheme) as page:
        assert page.locator(".claims li").count() > 4


def test_draws_are_strokes_beside_what_was_printed_and_a_draw_that_is_missing_leaves_a_dash(store: Store) -> None:
    found = over({"first": [150, 154], "second": [140, 141]}, store)
    draws = replace(found.study.draws[0], title=EVIL, printed={("first", "PGD"): 0.8})
    drawn = {(EVIL, row, column): each for (_, row, column), each in found.drawn.items()}
    drawn[EVIL, "second", "PGD"] = None
    page = compose(replace(found, study=replace(found.study, draws=(draws,), claims=()), drawn=drawn), "")
    assert page.count('<line class="drawn"') == 2
    assert "<small>75.0, 77.0</small><small>printed 80.0</small>" in page
    assert '<td class="none">\N{EN DASH}</td>' in page
    assert "2 draws of 200 samples each" in " ".join(page.split())
    assert EVIL not in page


def test_a_table_says_what_an_answer_takes_where_it_is_asked_to(store: Store) -> None:
    plans = filled(store, {FIRST: share(100), SECOND: share(60)})
    (table,) = study().tables
    found = reproduce(
        replace(study(), tables=(replace(table, cost=True),)), plans, store, {plans[FIRST].digest: 2750.0}
    )
    page = compose(found, "")
    assert "<small>2,750 passes an answer, 10 ms a sample</small>" in page  # shards of 200 samples that took 2 s
    assert "<small>10 ms a sample</small>" in page
    assert "a sample</small>" not in compose(reproduce(study(), plans, store), "")
