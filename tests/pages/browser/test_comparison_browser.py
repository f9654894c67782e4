"""A comparison's page in a real browser: no request, no word on the console, no sideways scroll, no fault for ears."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from bench.analysis.comparisons.comparison import compare
from bench.domain.plan import Spec
from bench.pages.comparison_page import render
from bench.pages.exhibits import Gallery
from bench.store.store import Store
from tests import needs
from tests.browsing import SCREENS, browser, quiet
from tests.pages.test_comparison_page import craft, plan_of

pytestmark = needs.chromium
__all__ = ["browser"]
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


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_is_quiet_fits_and_can_be_read_by_ear(browser: Browser, address: str, width: int, scheme: str) -> None:
    with quiet(browser, address, width, scheme) as page:
        assert page.evaluate("[...document.images].every(image => image.naturalWidth === 8)")
        assert page.locator(".specimen img").count() > 0
