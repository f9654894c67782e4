"""Tags choose what a page shows, and text of others on it is harmless."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.boards.leaderboards import leaderboards
from bench.analysis.boards.tables import tabulate
from bench.analysis.results.summary import read
from bench.domain.errors import UsageError
from bench.domain.labels import Labels
from bench.pages.export.columns import result_row
from bench.pages.page import render
from bench.store.store import Store
from tests.analysis.made import add
from tests.pages.figures.drawn import fill, white
from tests.store.honest import edit


@pytest.fixture
def tagged(store: Store) -> Store:
    """Two defenses under two attacks; one attack on both is tagged, and one of them noted upon."""
    for rank, defense in enumerate(("tmdc", "vit")):
        for attack in ("fgsm-linf", "pgd-linf"):
            plan = fill(store, white(defense, attack), range(rank + 1))
        fill(store, plan.untouched())
        store.labels.add([plan], Labels.of(["nightly", defense]))
    store.labels.add([white("vit")], Labels.of(notes=["the driver was new"]))
    return store


def test_a_page_shows_the_plans_of_a_tag_and_their_clean_images(tagged: Store) -> None:
    (whole,) = leaderboards(tagged)
    (nightly,) = leaderboards(tagged, tags=["nightly"])
    (one,) = leaderboards(tagged, tags=["nightly", "vit"])
    assert [len(board.columns) for board in (whole, nightly, one)] == [2, 1, 1]
    assert [len(board.rows) for board in (whole, nightly, one)] == [2, 2, 1]
    assert all(row.untouched is not None for row in nightly.rows)
    for tags, sentence in ((["nihgtly"], "Did you mean 'nightly'"), (["tmdc", "vit"], "'tmdc' and 'vit'")):
        with pytest.raises(UsageError, match=sentence):
            leaderboards(tagged, tags=tags)


def test_what_is_doubtful_about_a_tagged_plan_is_told_from_the_rest_too(store: Store) -> None:
    for attack, step in (("fgsm-linf", 1), ("pgd-linf", 40)):
        plan = white("tmdc", attack, samples=24)
        add(store, plan, [True] * 24, [step > 1] * 24, passes=(step, step))  # one step does more than forty
    store.labels.add([plan], Labels.of(["nightly"]))
    for tags in ((), ("nightly",)):
        (board,) = leaderboards(store, tags=tags)
        assert any("the gradient may be masked" in str(note) for note in board.rows[0].notes), tags


def test_tags_and_notes_are_in_documents_tables_and_rows(tagged: Store) -> None:
    result = read(tagged, white("vit"))
    assert (result.document()["tags"], result.document()["notes"]) == (["nightly", "vit"], ["the driver was new"])
    row = result_row(result)
    assert (row["tags"], row["notes"]) == ("nightly, vit", "the driver was new")
    (board,) = leaderboards(tagged)
    keys = [heading.key for heading in tabulate(board).headings]
    assert [line[keys.index("tags")] for line in tabulate(board).rows] == ["nightly, tmdc", "nightly, vit"]


def test_a_page_has_a_chip_for_every_tag_and_the_notes_on_the_cards(tagged: Store, tmp_path: Path) -> None:
    text = render(tagged, tmp_path / "index.html", pictures=False).read_text("utf-8")
    assert re.findall(r'class="chip" value="(\w+)" aria-pressed="false"', text) == ["nightly", "tmdc", "vit"]
    assert text.count('<small class="tag">nightly</small>') == 2
    assert "<b>pgd-linf</b> the driver was new" in text
    plain = render(tagged, tmp_path / "index.html", pictures=False, tags=["tmdc"]).read_text("utf-8")
    assert "fgsm-linf" not in plain.replace("bench sweep", "")


def test_without_tags_there_are_no_chips_and_no_column(store: Store, tmp_path: Path) -> None:
    fill(store, white("tmdc"), [0])
    text = render(store, tmp_path / "index.html", pictures=False).read_text("utf-8")
    assert 'class="chip' not in text
    assert '"key":"tags"' not in text


def test_hostile_text_on_a_plan_is_shown_and_never_obeyed(tagged: Store, tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\u202e\u001b[2J"
    edit(tagged, f"UPDATE labels SET text = '{hostile}' WHERE kind = 'note' OR text = 'nightly'")
    text = render(tagged, tmp_path / "index.html", pictures=False).read_text("utf-8")
    assert "<img" not in text
    assert not {"\u202e", "\u001b"} & set(text)
    assert text.count("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;") >= 3
    data = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert hostile in json.loads(data[0])["json"][0][4]
    assert replace(white("vit")).digest in tagged.digests()
