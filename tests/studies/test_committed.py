"""The pages that come with bench: each of a study as it is now, and fit for a browser."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from bench.protocols.studies import builtin_studies, find_study, heading
from tests import needs
from tests.browsing import SCREENS, browser, quiet

__all__ = ["browser"]
REPORTS = Path(__file__).parents[2] / "reports"
PAGES = [
    pytest.param(name, dataset, id=f"{name}-{dataset}")
    for name, path in builtin_studies().items()
    for dataset in heading(path).datasets
    if (REPORTS / f"{name}-{dataset}").is_dir()
]


def test_there_are_pages_and_each_is_a_study_s() -> None:
    known = {str(page.id) for page in PAGES}
    on_digits = {f"{name}-digits" for name, path in builtin_studies().items() if "digits" in heading(path).datasets}
    assert {*on_digits, "tmdc-pixels-cifar10"} <= known
    assert {path.parent.name for path in REPORTS.glob("*/index.json")} == known


def figures(name: str, dataset: str) -> Any:
    """What lies beside a page."""
    return json.loads((REPORTS / f"{name}-{dataset}" / "index.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "dataset"), PAGES)
def test_a_page_is_of_the_study_as_it_is_and_lacks_nothing(name: str, dataset: str) -> None:
    study, found = find_study(name, dataset), figures(name, dataset)
    assert (found["study"], found["version"], found["scale"]) == (name, study.version, "full")
    assert [claim["claim"] for claim in found["claims"]] == [claim.text for claim in study.claims]
    assert {(cell["row"], cell["column"]) for cell in found["cells"]} == set(study.cells())
    assert all(cell["figure"] is not None for cell in found["cells"] if not cell["refused"])
    assert "not measured" not in {claim["verdict"] for claim in found["claims"]}
    page = unescape((REPORTS / f"{name}-{dataset}" / "index.html").read_text(encoding="utf-8"))
    for claim in found["claims"]:
        assert claim["claim"] in page
    assert f"bench reproduce {name} --dataset {dataset}" in page
    assert f"{name}-{dataset}" in (REPORTS / "README.md").read_text(encoding="utf-8")


@needs.chromium
@pytest.mark.parametrize(("name", "dataset"), PAGES)
def test_a_page_is_quiet_fits_and_can_be_read_by_ear(name: str, dataset: str, browser: Browser) -> None:
    address = (REPORTS / f"{name}-{dataset}" / "index.html").as_uri()
    for width, scheme in SCREENS:
        with quiet(browser, address, width, scheme) as page:
            told = page.locator("#claims ~ .claims .verdict").all_inner_texts()
            assert [text.split("\n")[-1].strip() for text in told] == [
                c["verdict"] for c in figures(name, dataset)["claims"]
            ]
