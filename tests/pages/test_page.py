"""The page: self-contained, harmless, deterministic, and saying what it must."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.analysis.boards.leaderboards import Leaderboard
from bench.analysis.boards.ranking import ranked
from bench.analysis.boards.rows import make_row
from bench.analysis.results.entries import Entry
from bench.analysis.results.summary import summarise
from bench.domain.errors import BenchError
from bench.domain.outcome import Outcome
from bench.domain.outcomes import Outcomes
from bench.domain.plan import Spec
from bench.pages.page import compose, render
from bench.store.store import ShardRecord, Store
from tests.analysis.made import ENVIRONMENT, add, honest, make_plan, small_plan

VOID = {"meta", "link", "input", "br"}
EVIL = '<script>alert("1")</script>\'&{{ 7777 * 7 }}'


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three defenses under two attacks: one complete, one incomplete, one invalid; and a random one apart."""
    store = Store(tmp_path_factory.mktemp("filled") / "results.db")
    right, half = [True] * 1024, [i % 2 == 0 for i in range(1024)]
    for defense in ("resnet", "tmdc", "vit"):
        add(store, make_plan(defense, "fgsm-linf"), right, half, passes=(7852, 1910) if defense == "resnet" else (0, 0))
    add(store, make_plan("resnet"), right, [i % 4 == 0 for i in range(1024)], remarks=("Square found more.",))
    add(store, make_plan("tmdc"), right, right, shards=[0, 1, 2])
    add(store, make_plan("vit"), right, half, invalid="2 images left the budget.")
    add(store, small_plan(draws=4), [(1, 1, 1, 1)] * 8, [(1, 1, 1, 0)] * 8)
    return store


def inner(text: str, tag: str) -> str:
    """The content of the last element of this name without attributes."""
    return text.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]


def page(store: Store, folder: Path) -> tuple[str, Reader]:
    text = render(store, folder / "reports" / "index.html").read_text(encoding="utf-8")
    return text, Reader(text)


def test_the_page_asks_no_host_for_anything_and_runs_its_own_script_alone(filled: Store, tmp_path: Path) -> None:
    text, reader = page(filled, tmp_path)
    assert not re.search(r"https?:|@import|url\(|import\(|fetch\(|XMLHttpRequest|eval\(|innerHTML", text)
    assert reader.tags["script"] == 1 + reader.values("type").count("application/json")
    assert reader.tags["img"] == reader.tags["iframe"] == 0
    assert reader.tags["link"] == 1
    assert not [key for key, _ in reader.attributes if key == "style" or key.startswith("on") or key == "src"]
    assert all(href.startswith("#") or href == "data:," for href in reader.values("href"))


def test_its_policy_allows_its_own_style_and_script_and_nothing_else(filled: Store, tmp_path: Path) -> None:
    text, reader = page(filled, tmp_path)
    style, script = (
        base64.b64encode(hashlib.sha256(inner(text, tag).encode()).digest()).decode() for tag in ("style", "script")
    )
    (policy,) = [value for value in reader.values("content") if "default-src" in value]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_every_link_has_its_target_and_every_name_is_unique(filled: Store, tmp_path: Path) -> None:
    _, reader = page(filled, tmp_path)
    names = reader.values("id")
    assert len(names) == len(set(names))
    assert {href[1:] for href in reader.values("href") if href.startswith("#")} <= set(names)
    assert set(reader.values("aria-labelledby")) <= set(names)
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)


def test_equal_stores_give_equal_bytes(filled: Store, tmp_path: Path) -> None:
    first = render(filled, tmp_path / "a.html").read_bytes()
    again = Store(filled.location, create=False)
    assert render(again, tmp_path / "b.html").read_bytes() == first


def test_no_number_stands_alone(filled: Store, tmp_path: Path) -> None:
    _, reader = page(filled, tmp_path)
    text = reader.text
    assert "50.0 46.9–53.1" in text
    assert "Samples 1024 of 1024" in text
    assert "Drawn seed 2024" in text
    assert "Budget ℓ∞ ≤ 0.05" in text
    assert "Source of the images resnet" in text
    assert "Attack seed 0" in text
    assert {"badge transfer", "badge white-box", "badge invalid"} <= set(reader.values("class"))


def test_tables_can_be_read_by_ear(filled: Store, tmp_path: Path) -> None:
    _, reader = page(filled, tmp_path)
    boards, cards, attacks = 2, 4, 1
    assert reader.tags["table"] == boards + cards + attacks
    assert reader.tags["caption"] == boards
    heads = (4 + 2 + 6) + (4 + 1 + 6) + 3 * 9 + 10 + 9
    assert Counter(reader.values("scope")) == {"col": heads, "row": cards + 7 + 2}
    assert reader.values("role").count("region") == boards + cards + attacks


def test_every_table_has_a_heading_over_every_cell(filled: Store, tmp_path: Path) -> None:
    text, _ = page(filled, tmp_path)
    for table in re.findall("<table.*?</table>", text, re.DOTALL):
        lines = [len(re.findall("<t[hd][ >]", line)) for line in re.findall("<tr>.*?</tr>", table, re.DOTALL)]
        assert len(set(lines)) == 1
        assert len(lines) > 1


def test_incomplete_and_invalid_results_are_shown_as_such(filled: Store, tmp_path: Path) -> None:
    text, reader = page(filled, tmp_path)
    assert "384 of 1024" in reader.text
    assert "tmdc is not ranked: aa-linf at linf 0.05 is incomplete: 384 of 1024 samples." in reader.text
    assert "vit is not ranked: aa-linf at linf 0.05 is invalid: 2 images left the budget." in reader.text
    assert re.search(r'<td class="invalid"><s>.*50\.0.*</s>', text)
    assert "The protocol also asks for pgd-linf, aa-l2, which no row has been run under yet" in reader.text


def test_ranks_across_evidence_of_different_strength_carry_a_warning(filled: Store, tmp_path: Path) -> None:
    _, reader = page(filled, tmp_path)
    assert reader.text.count("evidence of different strength (transfer; white-box)") == 1


def test_the_details_hold_draws_remarks_cost_environment_and_command(filled: Store, tmp_path: Path) -> None:
    _, reader = page(filled, tmp_path)
    assert "First, worst, majority of 4 draws" in reader.text
    assert "100.0, 0.0, 100.0" in reader.text
    assert "aa-linf Square found more." in reader.text
    assert "7,852, 1,910 16.0 s 300 MiB" in reader.text
    assert "device CPU of the tests" in reader.text
    assert "bench evaluate --defense tmdc -D width=32 --attack fgsm-linf" in reader.text


def test_a_defense_judged_on_two_machines_shows_which_result_came_from_which(store: Store, tmp_path: Path) -> None:
    for attack, device in (("fgsm-linf", "one machine"), ("aa-linf", "another machine")):
        add(store, small_plan(attack=attack), [True] * 8, [True] * 8, environment={"device": device})
    _, reader = page(store, tmp_path)
    assert "Environment 1 device another machine Environment 2 device one machine" in reader.text
    assert len(re.findall(r"aa-linf ℓ∞\s≤\s0.05 transfer .*? UTC 1 ", reader.text)) == 1
    assert len(re.findall(r"fgsm-linf ℓ∞\s≤\s0.05 transfer .*? UTC 2 ", reader.text)) == 1


def test_names_settings_and_remarks_with_markup_are_harmless(store: Store, tmp_path: Path) -> None:
    hostile = Spec(EVIL, {EVIL: EVIL}, EVIL, {EVIL: EVIL})
    plan = replace(small_plan(), defense=hostile, source=hostile, dataset=hostile, attack=hostile, images=EVIL)
    twin = replace(plan, defense=replace(hostile, params={EVIL: 1}, version="2", weights={EVIL: "0" * 64}))
    for each in (plan, twin):
        add(store, each, [True] * 8, [True] * 8, invalid=EVIL, remarks=(EVIL,), environment={EVIL: EVIL})
    path = render(store, tmp_path / "index.html", title=EVIL)
    reader = Reader(path.read_text(encoding="utf-8"))
    assert reader.tags["script"] == 1 + reader.values("type").count("application/json")
    assert EVIL in reader.text
    assert "54439" not in reader.text  # no template either


@pytest.mark.parametrize("role", ["defense", "attack", "source", "dataset"])
def test_a_page_runs_no_code_that_a_store_names(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("raise SystemExit('this ran')")
    add(store, replace(small_plan(), **{role: Spec("./mine.py:Mine")}), [True] * 8, [True] * 8)
    _, reader = page(store, tmp_path)
    assert "./mine.py:Mine" in reader.text


def test_several_seeds_stand_below_their_figure(store: Store, tmp_path: Path) -> None:
    for seed in (0, 1):
        add(store, small_plan(attack="fgsm-linf", seed=seed), [True] * 8, [number > seed for number in range(8)])
    _, reader = page(store, tmp_path)
    assert "mean of 2 seeds 81.2" in reader.text
    assert "worst 75.0" in reader.text


def test_fifty_defenses_under_twenty_attacks_make_a_page_below_two_megabytes() -> None:
    rows, columns = 50, 20
    base = small_plan(attack="pgd-linf", source=None)
    attacks = [replace(base.attack, params={**base.attack.params, "steps": steps}) for steps in range(columns)]
    shards = [ShardRecord(0, "c0" * 32, None, (), 8, 8, 2.0, 300 * 2**20, datetime(2026, 1, 1), ENVIRONMENT)]
    entries = []
    for row in range(rows):
        for column, attack in enumerate(attacks):
            plan = replace(base, defense=replace(base.defense, name=f"defense-{row}"), attack=attack)
            outcomes = Outcomes.of([Outcome(index, 1, (1,), (int(row > column),), 0.05) for index in plan.indices])
            entries.append(Entry(summarise(plan, outcomes, shards), outcomes))
    heads = [entry.column for entry in entries[:columns]]
    found = [make_row(entries[start : start + columns], heads, heads) for start in range(0, len(entries), columns)]
    board = Leaderboard(None, None, entries[0].result.plan, tuple(heads), ranked(found), ())
    text = compose((board,), "Many")
    assert text.count('<tr><th scope="row"') == rows * columns
    assert len(text.encode()) < 2_000_000


def test_an_empty_store_says_what_to_do(store: Store, tmp_path: Path) -> None:
    _, reader = page(store, tmp_path)
    assert "Nothing has been evaluated yet" in reader.text
    assert "bench evaluate --defense tmdc --attack aa-linf" in reader.text


def test_a_place_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="could not be written"):
        render(store, tmp_path / "file" / "index.html")


def test_the_card_holds_doubts_and_what_the_harness_saw(store: Store, tmp_path: Path) -> None:
    plan = small_plan(attack="aa-linf", source=None)
    facts = honest(plan, random=True, declared_random=True)
    parts = ["apgd-ce", "apgd-ce", "square", "", "", "", "", "clean"]
    add(store, plan, [True] * 7 + [False], [False] * 3 + [True] * 4 + [False], facts=facts, fell_to=parts)
    add(store, plan.untouched(), [True] * 8, [True] * 8, distances=[0.0] * 8)
    text, reader = page(store, tmp_path)
    assert '<span class="badge white-box weak"><span>white-box,</span> <span>fixed noise</span></span>' in text
    assert (
        "aa-linf tmdc is random, and every gradient (80 in all) was taken under one frozen draw a shard" in reader.text
    )
    assert "Ranked below Random, and attacked by gradient under one frozen draw" in reader.text
    assert "random yes differentiable yes contracts 1 of 1 kept" in reader.text
    assert "queries 82 gradients 80 own draws of noise 2 in 2 shards beats noise in 16 of 16" in reader.text
    assert "judged again 32 images asked again 8 queries" in reader.text
    assert "apgd-ce 2 square 1 wrong before 1 survive 4" in reader.text
    assert 'class="part0" d="M0.00 4H25.00"' in text
    assert "none no change clean" in reader.text
    assert "--attack none" in reader.text


def test_what_is_disputed_stands_on_the_row_and_says_who_disputes_it(store: Store, tmp_path: Path) -> None:
    plan = small_plan()
    add(store, plan, [True] * 8, [True] * 8)
    add(store, plan, [True] * 8, [False] * 8)
    _, reader = page(store, tmp_path)
    (conflict, *_) = store.conflicts(plan)
    assert "tmdc generative classifiers in dispute" in reader.text
    assert f"aa-linf {conflict.sentence}" in reader.text


def test_an_older_store_is_shown_with_the_same_numbers_and_marked(store: Store, tmp_path: Path) -> None:
    add(store, replace(small_plan(), harness="1"), [True] * 8, [True] * 6 + [False] * 2, facts=None)
    _, reader = page(store, tmp_path)
    assert "75.0 40.9–92.9" in reader.text
    assert "transfer, older evidence" in reader.text
    assert "What the harness saw judged" not in reader.text


def test_a_store_of_untouched_images_alone_has_a_board_of_its_own(store: Store, tmp_path: Path) -> None:
    add(store, small_plan().untouched(), [True] * 6 + [False] * 2, [True] * 6 + [False] * 2, distances=[0.0] * 8)
    _, reader = page(store, tmp_path)
    assert "digits · 8 samples, clean images" in reader.text
    assert "nobody attacks, and nobody is ranked" in reader.text
    assert "75.0 40.9–92.9" in reader.text


def test_columns_that_do_not_count_are_called_so(store: Store, tmp_path: Path) -> None:
    for defense in ("vit", "tmdc"):
        add(store, small_plan(defense, "fgsm-linf"), [True] * 8, [True] * 8)
    add(store, small_plan("vit"), [True] * 8, [False] * 8)
    _, reader = page(store, tmp_path)
    assert "aa-linf ℓ∞ ≤ 0.05 not counted" in reader.text.replace("\u00a0", " ")
    assert "The worst case is over fgsm-linf, which most rows have." in reader.text
