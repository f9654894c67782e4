"""Tags and notes from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.api.result import Result
from bench.api.work import Work
from bench.domain.errors import UsageError
from bench.pages.page import render
from bench.store.store import Store
from tests.pages.figures.drawn import fill, white


def test_a_call_writes_its_tags_on_the_plan_and_its_result_has_them(store: Store, tmp_path: Path) -> None:
    plan = fill(store, white("tmdc"), [0])
    (evaluation,) = Work(store.location, tags="nightly", note="why").run([plan], store)
    (again,) = Work(store.location, tags=["h100"]).run([plan], store)
    found = Result(again, store)
    assert (evaluation.computed, found.tags, found.notes) == (0, ("h100", "nightly"), ("why",))
    assert "nightly" in render(store, tmp_path / "page.html", pictures=False, tags=["h100"]).read_text("utf-8")


def test_what_is_no_tag_is_told_before_anything_is_computed() -> None:
    with pytest.raises(UsageError, match="A tag is at most 40"):
        Work(tags=["a;b"])
