from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.analysis.made import add, make_plan
from tests.cli.command import bench

N = 1024


@pytest.fixture(autouse=True)
def filled(somewhere: None) -> None:
    """Three defenses of transfer-1024, two of them under two attacks; made-up names hold markup."""
    store = Store("results.db")
    for defense, linf, l2 in (("tmdc", 900, 700), ("vit", 700, 690), ("[bold]<b>", 890, None)):
        add(store, make_plan(defense), [True] * N, [i < linf for i in range(N)])
        if l2 is not None:
            add(store, make_plan(defense, "aa-l2"), [True] * N, [i < l2 for i in range(N)])


def test_a_table_says_what_is_shown_and_what_cannot_be_told_apart() -> None:
    code, out, _ = bench("compare", "tmdc", "vit")
    assert code == 0
    assert "A tmdc against B vit on 1024 samples of digits under transfer-1024" in out
    assert "tmdc is better by 19.5 points" in out
    assert "cannot be told apart; n=1024 would show" in out
    assert "85.7–89.7" in out
    assert "Holm's over 4 tests" in out


def test_it_fits_into_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = bench("compare", "tmdc", "vit")
    assert "85.7–89.7" in out
    assert "+17.2 to +22.0" in out


def test_names_with_markup_are_printed_as_they_are() -> None:
    code, out, _ = bench("compare", "tmdc", "[bold]<b>")
    assert code == 0
    assert "against B [bold]<b> on" in out
    assert "Left out is aa-l2: [bold]<b> was not run" in out


def test_json_holds_everything_and_names_the_page() -> None:
    code, out, _ = bench("compare", "tmdc", "vit", "--json", "--attack", "aa-linf", "--seed", "7", "-o", "a/page.html")
    assert code == 0
    found = json.loads(out)
    assert found["page"] == "a/page.html"
    (comparison,) = found["comparisons"]
    assert comparison["bootstrap_seed"] == 7
    clean, attacked = comparison["pairs"][0]["contrasts"]
    assert attacked["measure"] == "aa-linf"
    assert len(attacked["only_first"]) == 200
    assert attacked["p_holm"] == pytest.approx(2 * attacked["p"])
    assert clean["verdict"].startswith("cannot be told apart")


def test_the_page_is_written_and_its_place_told() -> None:
    code, out, _ = bench("compare", "tmdc", "vit", "--output", "page.html")
    assert code == 0
    assert "The page is at page.html" in out
    assert "tmdc is better by 19.5 points" in Path("page.html").read_text(encoding="utf-8")


def test_a_protocol_can_be_chosen_by_name() -> None:
    assert bench("compare", "tmdc", "vit", "-p", "transfer-1024")[0] == 0
    code, _, err = bench("compare", "tmdc", "vit", "-p", "white-box-1024")
    assert code == 2
    assert "share no finished and valid result" in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["tmdc", "tmcd"], "Did you mean 'tmdc'"),
        (["tmdc"], "at least two"),
        (["tmdc", "vit", "--attack", "aa-lin"], "Did you mean 'aa-linf'"),
        (["tmdc", "vit", "-p", "transfer-1O24"], "transfer-1024"),
        ([], "A B"),
    ],
)
def test_requests_that_cannot_be_met_say_what_to_do(words: list[str], hint: str) -> None:
    code, out, err = bench("compare", *words)
    assert code == 2
    assert hint in out + err


def test_without_a_store_it_says_what_to_do() -> None:
    code, _, err = bench("compare", "tmdc", "vit", "--db", "other.db")
    assert code == 1
    assert "bench evaluate" in err
    assert not Path("other.db").exists()
