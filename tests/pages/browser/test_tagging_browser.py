"""Tags in a real browser: chips that filter the table, and hostile ones that do nothing."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from bench.domain.labels import Labels
from bench.pages.page import render
from bench.store.store import Store
from tests import needs
from tests.browsing import browser as browser
from tests.browsing import quiet
from tests.pages.figures.drawn import fill, white
from tests.store.honest import edit

pytestmark = needs.chromium
EVIL = "<img src=x onerror=''document.title = `caught`''>"


def test_chips_filter_the_rows_and_a_link_brings_them_back(browser: Browser, store: Store, tmp_path: Path) -> None:
    for defense, tags in (("tmdc", ["a b"]), ("vit", ["a b", "evil"]), ("resnet", [])):
        store.labels.add([fill(store, white(defense), [0])], Labels.of(tags))
    edit(store, f"UPDATE labels SET text = '{EVIL}' WHERE text = 'evil'")
    address = render(store, tmp_path / "index.html", pictures=False).as_uri()
    names = ".ranking > tbody > tr:visible .opener"
    with quiet(browser, address, 1200, "light") as page:
        assert (page.locator(".chip").count(), page.locator(names).count()) == (2, 3)
        page.locator(".chip").get_by_text("a b", exact=True).click()
        assert sorted(page.locator(names).all_inner_texts()) == ["tmdc", "vit"]
        page.locator(".chip").filter(has_text="onerror").click()
        assert page.locator(names).all_inner_texts() == ["vit"]
        link = page.url
    with quiet(browser, link, 320, "dark") as again:
        assert again.locator(names).all_inner_texts() == ["vit"]
        assert again.locator('.chip[aria-pressed="true"]').count() == 2
        assert again.locator("img").count() == 0
        again.get_by_role("button", name="Reset").click()
        assert again.locator(names).count() == 3
