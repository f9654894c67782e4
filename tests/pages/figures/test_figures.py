"""The pictures: legible, harmless, small, and equal where the stores are equal."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Spec
from bench.pages.figures.sheet.canvas import colour, sheet
from bench.pages.figures.sheet.svg import PLACEHOLDERS, inline
from bench.pages.page import render
from bench.store.store import Store
from tests.pages.figures.drawn import albums, fill, panels, white

EVIL = '</text></svg><script>alert("1")</script>\'&amp;$x^2$ \x1b]0;\x07\ud83d'
TEMPLATES = Path(render.__code__.co_filename).with_name("templates")


def test_every_picture_is_drawn_where_there_are_data(rich: Store) -> None:
    headings = {drawing.heading for album in albums(rich) for drawing in album.drawings}
    assert headings == {
        *("Clean against robust accuracy", "Under each attack", "Accuracy against budget"),
        *("Certified accuracy against radius", "Accuracy against a setting", "Attack success by iteration"),
        *("Accuracy by class", "What is taken for what"),
    }


def test_panels_are_svg_that_a_strict_policy_allows(rich: Store) -> None:
    style = (TEMPLATES / "figures.css").read_text()
    ids: list[str] = []
    for panel in panels(rich):
        root = ElementTree.fromstring(panel)
        assert root.get("role") == "img"
        assert root.find("title") is not None
        assert len((root.findtext("desc") or "").split()) > 3
        assert {node.tag for node in root.iter()} <= {"svg", "title", "desc", "g", "path", "use", "text", "defs"}
        assert not re.search(r"style=|url\(|//|xmlns|#0a..fe|clip-path|font-family", panel)
        ids += [name for node in root.iter() if (name := node.get("id"))]
        used = {node.get("href") for node in root.iter("use")}
        assert used <= {f"#{name}" for name in ids}
        for name in {name for node in root.iter() for name in (node.get("class") or "").split()}:
            assert re.search(rf"\.{name}\b", style), f"the style has no rule for {name}"
    assert len(ids) == len(set(ids))


def test_equal_stores_give_equal_pictures_whatever_was_drawn_before(rich: Store, tmp_path: Path) -> None:
    first = render(rich, tmp_path / "a.html").read_bytes()
    with sheet(100, 100, (10, 10, 10, 10)) as canvas:
        canvas.svg("other", "Other", "drawn in between")
    assert render(Store(rich.location, create=False), tmp_path / "b.html").read_bytes() == first
    program = (
        "import sys; from pathlib import Path; from bench.pages.page import render\n"
        "from bench.store.store import Store; render(Store(sys.argv[1], create=False), Path(sys.argv[2]))"
    )
    place = tmp_path / "c.html"
    subprocess.run([sys.executable, "-c", program, rich.location, str(place)], check=True, env={"PYTHONHASHSEED": "7"})
    assert place.read_bytes() == first


def test_names_with_markup_formulas_and_controls_do_no_harm(store: Store, tmp_path: Path) -> None:
    for number, attack in enumerate(("fgsm-linf", "pgd-linf")):
        for name in (EVIL[:-1], f"{EVIL[:-1]} too", "_hidden", "$\\frac{$"):
            fill(
                store,
                replace(white(name, attack), defense=Spec(name)),
                range(number),
                measures=lambda at: {"broken_at": at},
            )
    for panel in panels(store):
        ElementTree.fromstring(panel)
        assert "<script" not in panel
        assert "\x1b" not in panel
    text = render(store, tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'alert("1")</script>' not in text
    assert any("$x^2$" in panel for panel in panels(store))
    assert any("_hidden" in panel for panel in panels(store))


def test_letters_that_xml_cannot_hold_become_spaces() -> None:
    with sheet(100, 100, (10, 10, 10, 10)) as canvas:
        canvas.write(0, 0, "a\x00b\ud800c\n<d>")
        assert ">a b c &lt;d&gt;</text>" in canvas.svg("x", "t\x01", "d")


def test_placeholders_become_classes_and_hints_become_titles() -> None:
    with sheet(100, 100, (10, 10, 10, 10)) as canvas:
        canvas.axes.set_xlim(0, 1)
        canvas.axes.set_ylim(0, 1)
        (line,) = canvas.axes.plot([0, 1], [0, 1], color=colour("a3"))
        canvas.hint(line, "a < b")
        svg = canvas.svg("x", "t", "d")
    assert re.search(r'<g><title>a &lt; b</title><path class="s-a3" d="M10 90L90 10"[^>]*/></g>', svg)


def test_styles_of_unknown_colours_stay_as_attributes() -> None:
    path = '<path d="M 0 0" style="fill: #123456; opacity: 0.5"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{path}</svg>'
    assert '<path d="M0 0" fill="#123456" opacity="0.5"/>' in inline(svg, "x", "t", "d", {})


def test_colours_of_the_pictures_are_those_of_the_page() -> None:
    page, figures = ((TEMPLATES / name).read_text() for name in ("page.css", "figures.css"))
    used = set(re.findall(r"var\(--([a-z0-9]+)\)", figures))
    assert {f"--{name}:" in page for name in used} == {True}
    assert set(re.findall(r"\.[fs]-([a-z0-9]+)", figures)) <= set(PLACEHOLDERS)


def test_invalid_and_incomplete_results_are_in_no_picture(store: Store) -> None:
    for defense in ("tmdc", "vit"):
        plan = white(defense)
        outcomes = tuple(Outcome(sample, 0, (0,), (1,), 9.0, broken_at=2) for sample in plan.shards()[0].indices)
        store.add(plan, ShardResult(0, outcomes, 0, 0, 1.0, 1, "c0" * 32, environment={"device": "test"}))
    assert [album.drawings for album in albums(store)] == [()]


def test_of_many_defenses_the_first_are_drawn_and_the_caption_says_so(store: Store) -> None:
    for number in range(30):
        fill(store, white(f"defense-{number}"), range(number % 8), measures=lambda at: {"broken_at": at})
    (album,) = albums(store)
    captions = {drawing.heading: drawing.caption for drawing in album.drawings}
    assert "only the front has crosses" in captions["Clean against robust accuracy"]
    assert "The first 6 of 30 defenses are drawn." in captions["Attack success by iteration"]
    assert "The first 12 of 30 defenses are drawn." in captions["Accuracy by class"]
    assert sum(len(panel) for drawing in album.drawings for panel in drawing.panels) < 60_000


def test_pictures_can_be_left_out(rich: Store, tmp_path: Path) -> None:
    text = render(rich, tmp_path / "index.html", pictures=False).read_text(encoding="utf-8")
    assert "<figure" not in text
