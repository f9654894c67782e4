"""A real browser, and what every page that runs no script must be in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.needs import CHROMIUM

SCREENS = [(320, "light"), (400, "dark"), (1200, "light")]
"""Widths, and what the reader's system prefers."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; to be imported where it is used."""
    with sync_playwright() as playwright:
        # A container's root may not use the sandbox, and the only page that is opened is our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def quiet(browser: Browser, address: str, width: int, scheme: str) -> Iterator[Page]:
    """The page at an address: no word on the console, no request, no sideways scroll, no fault for ears."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
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
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    yield page
    context.close()
