"""The page in a real browser: what its script does, for hands, keyboards, ears and small screens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from bench.analysis.boards.leaderboards import leaderboards
from bench.analysis.boards.tables import tabulate
from bench.domain.plan import Spec
from bench.pages.export.text_tables import csv_text, json_text, latex_text, markdown_text
from bench.pages.page import render
from bench.store.store import Store
from tests import needs
from tests.analysis.made import add, make_plan, small_plan

pytestmark = needs.chromium

NAME = "digits-transfer-1024"
EVIL = "</script><script>window.caught = 1</script><img src=x onerror='window.caught = 2'>\"'&{{ 7 * 7 }}"
Open = Callable[..., Page]


def share(part: float) -> list[bool]:
    return [number < part * 1024 for number in range(1024)]


def fill(store: Store) -> Store:
    """Five defenses under two attacks on one leaderboard, one incomplete and one invalid; a random one apart."""
    robust = {"resnet": 0.1, "tmdc": 0.9, "vit": 0.5, "pgd-at": 0.7, "smoothing": 0.6}
    for number, (defense, part) in enumerate(robust.items()):
        shards = [0, 1] if defense == "smoothing" else None
        invalid = "2 images left the budget." if defense == "vit" else None
        clean = share(1 - number / 50)
        add(store, make_plan(defense, "fgsm-linf"), clean, share(part), passes=(3, 2), seconds=number + 1.0)
        add(store, make_plan(defense), clean, share(part - 0.1), shards=shards, invalid=invalid)
    add(store, small_plan(draws=4), [(1, 1, 1, 1)] * 8, [(1, 1, 1, 0)] * 8)
    return store


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill(Store(tmp_path_factory.mktemp("browser") / "results.db"))


@pytest.fixture(scope="module")
def address(stored: Store) -> str:
    return render(stored, Path(stored.location).with_name("index.html")).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A container's root may not use the sandbox, and the only page that is opened is our own.
        browser = playwright.chromium.launch(executable_path=needs.CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Opens the page; in the end nothing was said on a console, and nothing was asked of anyone."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    requests: list[str] = []

    def visit(url: str = address, *, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.set_default_timeout(10000)
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert len({url.partition("#")[0] for url in requests if url.startswith("file:")}) == 1


def board(page: Page, name: str = NAME) -> Locator:
    return page.locator(f"section[aria-labelledby=board-{name}]")


def defenses(page: Page) -> list[str]:
    """The names of the rows that are shown, from the top."""
    return board(page).locator(".ranking > tbody > tr:not(.opened):visible .opener").all_inner_texts()


def head(page: Page, title: str) -> Locator:
    return board(page).locator(".ranking > thead th").filter(has_text=re.compile(f"^{title} "))


def sort(page: Page, title: str) -> Locator:
    return board(page).locator(".ranking > thead").get_by_role("button", name=re.compile(f"^{title}"))


def box(page: Page, title: str) -> Locator:
    """The mark that shows a column."""
    return board(page).get_by_role("checkbox", name=re.compile(f"^{title}"))


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order(visit: Open) -> None:
    page = visit()
    assert defenses(page) == ["tmdc", "pgd-at", "resnet", "smoothing", "vit"]
    sort(page, "fgsm-linf").click()
    assert defenses(page) == ["tmdc", "pgd-at", "smoothing", "vit", "resnet"]
    sorted_heads = board(page).locator(".ranking [aria-sort]")
    assert sorted_heads.count() == 1
    assert sorted_heads.get_attribute("aria-sort") == "descending"
    sort(page, "fgsm-linf").click()
    assert defenses(page) == ["resnet", "vit", "smoothing", "pgd-at", "tmdc"]
    assert sorted_heads.get_attribute("aria-sort") == "ascending"
    sort(page, "Defense").click()
    assert defenses(page) == ["pgd-at", "resnet", "smoothing", "tmdc", "vit"]
    sort(page, "Time").click()
    assert defenses(page)[0] == "resnet"


def test_what_has_no_valid_figure_stands_last_whichever_way(visit: Open) -> None:
    page = visit()
    for _ in range(2):
        sort(page, "aa-linf").click()
        assert defenses(page)[-1] == "vit"
        sort(page, "Worst case").click()
        assert set(defenses(page)[-2:]) == {"smoothing", "vit"}


def test_filters_narrow_the_rows_and_say_how_many_are_left(visit: Open) -> None:
    page = visit()
    tools, count = board(page).locator(".tools"), board(page).get_by_role("status")
    assert count.inner_text() == "5 of 5 rows"
    tools.get_by_label("Family").select_option("standard nets")
    assert defenses(page) == ["resnet", "vit"]
    assert count.inner_text() == "2 of 5 rows"
    tools.get_by_role("combobox", name="Assurance").select_option("white-box")
    assert defenses(page) == ["resnet"]
    tools.get_by_role("button", name="Reset").click()
    assert len(defenses(page)) == 5
    tools.get_by_label("Search").fill("PGD-AT width=32")
    assert defenses(page) == ["pgd-at"]
    tools.get_by_label("Search").fill(make_plan("tmdc").digest[:10])
    assert defenses(page) == ["tmdc"]
    tools.get_by_label("Search").fill("nothing like it")
    assert count.inner_text() == "0 of 5 rows"


def test_columns_can_be_put_away(visit: Open) -> None:
    page = visit()
    board(page).get_by_text("Columns", exact=True).click()
    box(page, "fgsm-linf").uncheck()
    assert not head(page, "fgsm-linf").is_visible()
    assert head(page, "aa-linf").is_visible()
    shown = board(page).locator(".ranking > tbody > tr").first.locator("> :visible").count()
    assert shown == board(page).locator(".ranking > thead th:visible").count()
    box(page, "fgsm-linf").check()
    assert head(page, "fgsm-linf").is_visible()


def test_a_row_opens_to_its_card_and_closes_again(visit: Open) -> None:
    page = visit()
    opener = board(page).get_by_role("button", name="tmdc", exact=True)
    opener.click()
    card = board(page).locator(".opened .card")
    assert opener.get_attribute("aria-expanded") == "true"
    assert opener.get_attribute("aria-controls") == card.get_attribute("id")
    assert "diffusion classifier" in card.locator(".what").inner_text()
    assert "bench evaluate --defense tmdc -D width=32 --attack aa-linf" in card.locator(".commands").inner_text()
    sort(page, "Clean").click()
    following = board(page).locator("tr:has(.opener[aria-expanded=true]) + tr")
    assert following.get_attribute("class") == "opened"
    opener.click()
    assert board(page).locator(".opened").count() == 0
    assert opener.get_attribute("aria-expanded") == "false"


def test_a_link_brings_back_what_was_seen(visit: Open) -> None:
    page = visit()
    sort(page, "Clean").click()
    board(page).get_by_label("Search").fill("linf")
    board(page).get_by_label("Family").select_option("standard nets")
    board(page).get_by_text("Columns", exact=True).click()
    box(page, "aa-linf").uncheck()
    board(page).get_by_role("button", name="vit", exact=True).click()
    again = visit(page.url)
    assert again.url == page.url
    assert defenses(again) == defenses(page) == ["resnet", "vit"]
    assert head(again, "Clean").get_attribute("aria-sort") == "descending"
    assert board(again).get_by_label("Search").input_value() == "linf"
    assert not head(again, "aa-linf").is_visible()
    assert again.locator(".opened .card").count() == 1
    board(again).get_by_role("button", name="Reset").click()
    assert again.url == visit().url
    again.goto(page.url)
    assert defenses(again) == ["resnet", "vit"]


def test_a_link_to_a_row_opens_it(visit: Open, address: str) -> None:
    assert visit(f"{address}#{NAME}--tmdc").locator(f".opened #{NAME}--tmdc").is_visible()


@pytest.mark.parametrize(
    "wrong", ["sort=nothing+up", "sort=setting+up", "hide=rank", "open=nobody", "family=%3Cb%3E", "%", "x=%E0%A4%A"]
)
def test_a_link_with_nonsense_shows_the_page_as_it_is(visit: Open, address: str, wrong: str) -> None:
    assert len(defenses(visit(f"{address}#{NAME}.{wrong}"))) == 5


@pytest.mark.parametrize(("kind", "ending"), [("CSV", "csv"), ("JSON", "json"), ("LaTeX", "tex"), ("Markdown", "md")])
def test_a_download_is_the_table_that_bench_writes(visit: Open, stored: Store, kind: str, ending: str) -> None:
    page = visit()
    table = tabulate(leaderboards(stored)[0])
    assert table.name == NAME
    board(page).get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        board(page).get_by_role("button", name=f"Download as {kind}").click()
    assert download.value.suggested_filename == f"{NAME}.{ending}"
    text = Path(download.value.path()).read_bytes().decode()
    if kind == "JSON":
        assert json.loads(text) == json.loads(json_text(table))
    else:
        assert text == {"CSV": csv_text, "LaTeX": latex_text, "Markdown": markdown_text}[kind](table)
    assert board(page).get_by_role("status").inner_text() == f"Saved as {NAME}.{ending}."


def test_a_copy_holds_the_rows_and_columns_that_are_shown(visit: Open, stored: Store) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    sort(page, "Defense").click()
    board(page).get_by_label("Family").select_option("standard nets")
    board(page).get_by_text("Columns", exact=True).click()
    for label in ("Worst", "Clean", "fgsm", "Forward", "Backward", "Time", "Memory", "Assurance", "Seeds"):
        box(page, label).uncheck()
    board(page).get_by_text("Export", exact=True).click()
    board(page).get_by_role("button", name="Copy as Markdown").click()
    page.wait_for_function("document.querySelector('.count').textContent === 'Copied Markdown.'")
    table = tabulate(leaderboards(stored)[0])
    rows = sorted((row for row in table.rows if row[3] == "standard nets"), key=lambda row: str(row[1]))
    expected = markdown_text(replace(table, rows=tuple(rows)), ["rank", "defense", "aa-linf"])
    assert page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n") == expected


def test_everything_can_be_done_from_the_keyboard_and_focus_is_seen(visit: Open) -> None:
    page = visit()
    board(page).get_by_label("Search").focus()
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            "(() => { const now = document.activeElement, style = getComputedStyle(now); return ["
            "now.textContent.trim().replace(/\\s+/g, ' '), style.outlineStyle, parseFloat(style.outlineWidth)]; })()"
        )
        assert focus[1] != "none", focus
        assert focus[2] >= 2, focus
        seen.append(focus[0])
        if focus[0] == "vit":
            break
    order = ["Columns", "Export", "Copy link", "Reset", "Defense", "tmdc", "resnet", "vit"]
    places = [seen.index(name) for name in order]
    assert places == sorted(places)
    page.keyboard.press("Enter")
    assert page.locator(".opened .card").is_visible()
    page.keyboard.press("Space")
    assert page.locator(".opened").count() == 0
    sort(page, "Clean").focus()
    page.keyboard.press("Enter")
    assert head(page, "Clean").get_attribute("aria-sort") == "descending"
    assert "Clean" in page.evaluate("document.activeElement.textContent")
    columns = board(page).get_by_text("Columns", exact=True)
    columns.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert not head(page, "Worst case").is_visible()
    page.keyboard.press("Escape")
    assert not board(page).locator(".columns").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Columns"


@pytest.mark.parametrize("width", [400, 320])
def test_a_telephone_never_scrolls_the_page_sideways(visit: Open, width: int) -> None:
    page = visit(width=width)
    board(page).get_by_role("button", name="resnet", exact=True).click()
    for menu in ("Columns", "Export"):
        board(page).get_by_text(menu, exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".opened .card").bounding_box()["width"] <= width  # type: ignore[index]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_axe_finds_no_serious_fault(visit: Open, width: int, scheme: str) -> None:
    page = visit(width=width, color_scheme=scheme, reduced_motion="reduce")
    for name in ("resnet", "vit"):
        board(page).get_by_role("button", name=name, exact=True).click()
    board(page).get_by_text("Columns", exact=True).click()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []


def test_without_a_script_the_table_and_the_cards_are_read_all_the_same(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    assert not board(page).locator(".tools").is_visible()
    assert board(page).locator(".ranking > tbody > tr:visible").count() == 5
    page.get_by_role("link", name="tmdc").first.click()
    assert board(page).locator(".card:visible").count() == 1
    assert "defenses.tmdc:TMDC" in board(page).locator(".card:visible").inner_text()


def test_hostile_names_do_no_harm(visit: Open, tmp_path: Path) -> None:
    store = Store(tmp_path / "hostile.db")
    hostile = Spec(EVIL, {EVIL: EVIL, "__proto__": "="}, EVIL, {EVIL: EVIL})
    plan = replace(small_plan(), defense=hostile, source=hostile, dataset=hostile, attack=hostile)
    for each in (plan, replace(plan, defense=Spec("=1+1")), replace(plan, attack=Spec("__proto__"))):
        add(store, each, [True] * 8, [True] * 8, remarks=(EVIL,), environment={EVIL: EVIL})
    page = visit(render(store, tmp_path / "hostile.html", title=EVIL).as_uri())
    section = page.locator("section.board").first
    assert page.evaluate("window.caught") is None
    assert page.title() == EVIL
    assert EVIL in section.locator(".opener").all_inner_texts()
    for button in section.locator(".ranking .sort, .opener").all():
        button.click()
    section.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        section.get_by_role("button", name="Download as CSV").click()
    assert "'=1+1" in Path(download.value.path()).read_text()
    page.reload()
    assert page.evaluate("window.caught") is None
    assert page.locator("img").count() == 0
