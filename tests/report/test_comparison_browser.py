"""A comparison's page in a real browser: no request, no word on the console, no sideways scroll, no fault for ears."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from bench.domain.plan import Spec
from bench.report.comparison import compare
from bench.report.comparison_page import render
from bench.report.exhibits import Gallery
from bench.store.store import Store
from tests.report.test_comparison_page import craft, plan_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed: no chromium or google-chrome on PATH"
)
LONG = "./a/folder/of/mine/with_a_module.py:AndADefenseWhoseNameIsLongerThanAnyTelephone"
EVIL = '<script>document.title = "caught"</script>"\'&{{ 7 * 7 }}'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three defenses under two attacks, the names long and hostile."""
    store = Store(tmp_path_factory.mktemp("comparison") / "results.db")
    for name, right, darker in ((LONG, 35, 0.05), (EVIL, 20, 0.05), ("tmdc", 25, 0.03)):
        plan = replace(plan_of("tmdc"), defense=Spec(name))
        craft(store, plan, right, darker)
        craft(store, replace(plan, attack=Spec("torchattacks:AnAttackWithALongName")), right - 5, darker)
    comparisons = compare(store, [LONG, EVIL, "tmdc"])
    return render(comparisons, Gallery(store), Path(store.location).with_name("index.html")).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A container's root may not use the sandbox, and the only page that is opened is our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (400, "dark"), (1200, "light")])
def test_the_page_is_quiet_fits_and_can_be_read_by_ear(browser: Browser, address: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.title() != "caught"
    assert page.evaluate("[...document.images].every(image => image.naturalWidth === 8)")
    assert page.locator(".specimen img").count() > 0
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    context.close()
