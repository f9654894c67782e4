"""The pictures: what they count, that they stay legible and harmless, and that equal stores give equal ones."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.registry import datasets
from bench.report.exhibits import Gallery
from bench.report.figures.album import Album, album_maker
from bench.report.figures.bars import bars
from bench.report.figures.budgets import budgets
from bench.report.figures.canvas import colour, sheet
from bench.report.figures.classes import classes, confusion
from bench.report.figures.curves import counted, survival, ticks
from bench.report.figures.drawing import Drawing, reader
from bench.report.figures.frontier import frontier
from bench.report.figures.gallery import Allowance, exhibition
from bench.report.figures.iterations import iterations
from bench.report.figures.labels import Box, beside, shorten, spread, width
from bench.report.figures.radii import radii
from bench.report.figures.settings import settings
from bench.report.figures.svg import PLACEHOLDERS, inline
from bench.report.leaderboards import Leaderboard, leaderboards
from bench.report.page import render
from bench.stats import wilson
from bench.store.store import Store
from tests.report.made import small_plan

EVIL = '</text></svg><script>alert("1")</script>\'&amp;$x^2$ \x1b]0;\x07\ud83d'
TEMPLATES = Path(render.__code__.co_filename).with_name("templates")
LABELS = (0, 1, 2, 3, 0, 1, 2, 3)


def fill(
    store: Store,
    plan: Plan,
    wrong: Sequence[int] = (),
    *,
    labels: Sequence[int] = LABELS,
    measures: Callable[[int], Mapping[str, float | None]] = lambda at: {},
    images: str = "c0" * 32,
) -> Plan:
    """Finish a plan whose samples at the places `wrong` are taken for the next class."""
    places = {sample: at for at, sample in enumerate(plan.indices)}
    for shard in plan.shards():
        outcomes = []
        for sample in shard.indices:
            at = places[sample]
            seen = (labels[at] + (at in wrong)) % 4
            outcomes.append(Outcome(sample, labels[at], (labels[at],), (seen,), 0.05, **measures(at)))  # type: ignore[arg-type]
        store.add(plan, ShardResult(shard.index, tuple(outcomes), 0, 0, 1.0, 1, images, environment={"device": "test"}))
    return plan


def white(defense: str, attack: str = "pgd-linf", **changes: Any) -> Plan:
    """A white-box plan of eight samples, all sources alike."""
    return small_plan(defense, attack, source=None, **changes)


def at_budget(epsilon: str, norm: str = "linf") -> ThreatModel:
    return ThreatModel(norm, Fraction(epsilon))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results.db")


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three defenses with something for every picture: budgets, seeds, a step, minimal distances, radii, iterations."""
    store = Store(tmp_path_factory.mktemp("rich") / "results.db")
    for rank, defense in enumerate(("tmdc", "vit", "resnet")):
        for budget, lost in (("0.05", 1), ("0.1", 3)):
            known = {at: {"broken_at": 1 + at if at <= rank + lost else -1} for at in range(8)}
            fill(*(store, white(defense, threat=at_budget(budget)), range(rank + lost)), measures=known.__getitem__)
        for seed in (0, 1, 2):
            fill(store, white(defense, "fgsm-linf", seed=seed), range(rank + seed))
        fill(
            *(store, white(defense, "cw-l2", threat=at_budget("0.5", "l2")), range(rank)),
            measures=lambda at: {"minimal": 0.2 * at if at < 6 else float("inf")},
        )
    for step in (100, 200, 500):
        fill(
            store,
            replace(white("tmdc", sample_seed=1), defense=Spec("tmdc", {"step": step}, "1", {"lora": f"{step:064d}"})),
            range(step // 100),
        )
    fill(
        *(store, white("smoothing", "certify-l2", sample_seed=2, knowledge="certified", threat=at_budget("0.5", "l2"))),
        measures=lambda at: {"radius": 0.25 * at},
    )
    return store


def board_with(store: Store, attack: str) -> Leaderboard:
    """The leaderboard on which an attack stands."""
    return next(b for b in leaderboards(store) if any(column.attack.name == attack for column in b.columns))


def albums(store: Store) -> list[Album]:
    make = album_maker(store)
    return [make(board, f"board{number}-") for number, board in enumerate(leaderboards(store))]


def panels(store: Store) -> list[str]:
    return [panel for album in albums(store) for drawing in album.drawings for panel in drawing.panels]


def words(drawing: Drawing | None, panel: int = 0) -> str:
    """What a panel tells those who listen."""
    assert drawing is not None
    svg = ElementTree.fromstring(drawing.panels[panel])
    return " ".join(part.text or "" for part in svg if part.tag in ("title", "desc"))


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
        "import sys; from pathlib import Path; from bench.report.page import render\n"
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


def test_the_front_holds_whom_nobody_beats(store: Store) -> None:
    for defense, lost in (("tmdc", 1), ("vit", 2), ("resnet", 2)):
        fill(store, white(defense), range(lost))
    told = words(frontier(board_with(store, "pgd-linf"), "x"))
    assert told == "Clean accuracy against worst case of 3 defenses tmdc: clean 100.0 %, worst case 87.5 %."


def test_a_lone_defense_has_no_front_and_no_bars(store: Store) -> None:
    fill(store, white("tmdc"), [0])
    board = board_with(store, "pgd-linf")
    assert frontier(board, "x") is None
    assert bars(board, "x") is None


def test_bars_of_several_seeds_show_their_mean(rich: Store) -> None:
    drawing = bars(board_with(rich, "fgsm-linf"), "x")
    assert "tmdc, fgsm-linf: 87.5 %." in words(drawing)
    assert drawing is not None
    assert "mean over seeds" in drawing.caption


def test_accuracy_against_budget_starts_at_the_clean_accuracy(rich: Store) -> None:
    drawing = budgets(board_with(rich, "pgd-linf"), reader(rich), "x")
    assert "tmdc: 100.0 % at 0, 87.5 % at 0.05, 62.5 % at 0.1." in words(drawing, panel=1)


def test_minimal_distances_count_the_samples_beyond_a_budget() -> None:
    distances = np.array([0.0, 0.1, 0.2, np.inf])
    curve = survival(distances, np.array([0.0, 0.1, 0.15, 5.0]), "x")
    assert curve.y == [0.75, 0.5, 0.5, 0.25]
    assert (curve.low[0], curve.high[0]) == (wilson(3, 4).low, wilson(3, 4).high)


def test_certified_accuracy_counts_radii_above_zero_alone(rich: Store) -> None:
    told = words(radii(board_with(rich, "certify-l2"), reader(rich), "x"))
    assert "smoothing: 87.5 % at 0," in told  # seven of eight have a radius


def test_iterations_count_what_is_broken_so_far(store: Store) -> None:
    fill(store, white("tmdc"), range(4), measures=lambda at: {"broken_at": (0, 1, 1, 3, -1, -1, -1, -1)[at]})
    told = words(iterations(board_with(store, "pgd-linf"), reader(store), "x"))
    assert "tmdc: 12.5 % at 0, 37.5 % at 1, 37.5 % at 2, 50.0 % at 3." in told


def test_a_defense_whose_iterations_are_unknown_in_part_is_not_drawn(store: Store) -> None:
    fill(store, white("tmdc"), range(4), measures=lambda at: {"broken_at": None if at else 1})
    assert iterations(board_with(store, "pgd-linf"), reader(store), "x") is None


def test_a_numeric_setting_that_varies_alone_makes_a_curve(rich: Store) -> None:
    stepped = next(board for board in leaderboards(rich) if board.example.sample_seed == 1)
    told = words(settings(stepped, "x"))
    assert told.startswith("tmdc: correct, % against step")
    assert "87.5 % at 100, 75.0 % at 200, 37.5 % at 500." in told


def test_settings_that_vary_together_make_none(store: Store) -> None:
    for step, rank in ((1, 2), (2, 4)):
        fill(store, replace(white("tmdc"), defense=Spec("tmdc", {"step": step, "rank": rank})), [0])
    assert settings(board_with(store, "pgd-linf"), "x") is None


def test_classes_are_counted_one_by_one(store: Store) -> None:
    fill(store, white("tmdc"), [0, 1])
    board = board_with(store, "pgd-linf")
    drawing = classes(board, reader(store), "x", ("zero", "one"))
    assert "tmdc: zero 50.0 %, one 50.0 %, 2 100.0 %, 3 100.0 %" in words(drawing, 1)
    assert "Most frequent errors: 1 for 2 50.0 %, 0 for 1 50.0 %." in words(confusion(board, reader(store), "x"))


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


@pytest.fixture
def crafted(store: Store) -> Store:
    """Two defenses on eight digits with their crafted images: one falls to all of them, the other to the first six."""
    images = datasets.make("digits", {}).load("test", None)
    for defense, wrong in (("tmdc", range(6)), ("vit", range(8))):
        plan = white(defense, shard_size=8)
        plan = replace(plan, images=images.fingerprint(plan.indices))
        clean, labels = images.arrays(plan.indices)
        sha256 = store.artifacts.write(np.clip(clean + np.float32(0.05), 0, 1))
        fill(store, plan, wrong, labels=[int(label) % 4 for label in labels], images=sha256)
    return store


def test_the_gallery_shows_the_hardest_and_the_most_disputed_samples(crafted: Store, tmp_path: Path) -> None:
    (album,) = albums(crafted)
    assert album.exhibition is not None
    hardest, disputed = album.exhibition.rooms
    assert [len(hardest.specimens), hardest.specimens[0].fallen, hardest.specimens[0].victim] == [6, 2, "tmdc"]
    assert {(one.fallen, one.defenses, one.victim) for one in disputed.specimens} == {(1, 2, "vit")}
    samples = [one.exhibit.sample for room in (hardest, disputed) for one in room.specimens]
    assert len(samples) == len(set(samples))
    text = render(crafted, tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count('<img src="data:image/png;base64,') == 3 * len(samples)
    assert "falls to 2 of 2; change ×10" in text


def test_images_that_would_make_the_page_too_large_stay_away(crafted: Store) -> None:
    (board,) = leaderboards(crafted)
    gallery = Gallery(crafted)
    shown = exhibition(board, reader(crafted), gallery, Allowance())
    assert shown is not None
    one = shown.rooms[0].specimens[0].exhibit
    room = len(one.clean) + len(one.perturbed) + len(one.difference)
    less = exhibition(board, reader(crafted), gallery, Allowance(room))
    assert less is not None
    assert [room.specimens for room in less.rooms] == [shown.rooms[0].specimens[:1]]
    assert less.reason == "more images would make the page too large."


def test_without_images_the_page_says_why_and_shows_the_rest(crafted: Store, tmp_path: Path) -> None:
    for file in crafted.artifacts.folder.rglob("*.safetensors"):
        file.unlink()
    text = render(crafted, tmp_path / "index.html").read_text(encoding="utf-8")
    assert "not shown, for crafted images are missing beside the store" in text
    assert "What is taken for what" in text


def test_without_its_data_set_the_page_names_the_option(store: Store, tmp_path: Path) -> None:
    fill(store, white("tmdc"), [0])  # a fingerprint that no data set has
    text = render(store, tmp_path / "index.html").read_text(encoding="utf-8")
    assert "the images of digits are not at hand; --data-dir names the folder" in text


def test_pictures_can_be_left_out(rich: Store, tmp_path: Path) -> None:
    text = render(rich, tmp_path / "index.html", pictures=False).read_text(encoding="utf-8")
    assert "<figure" not in text


@given(st.lists(st.floats(0, 100), max_size=12), st.floats(0.5, 30))
def test_labels_in_a_column_keep_their_order_distance_and_bounds(wanted: list[float], gap: float) -> None:
    heights = spread(wanted, gap, 0, 100)
    fitting = min(gap, 100 / max(len(wanted) - 1, 1))
    assert all(-1e-6 <= height <= 100 + 1e-6 for height in heights)
    ordered = [height for _, height in sorted(zip(wanted, heights, strict=True))]
    assert all(upper - lower >= fitting - 1e-6 for lower, upper in zip(ordered, sorted(ordered)[1:], strict=False))


@given(st.lists(st.tuples(st.floats(20, 280), st.floats(20, 180)), max_size=15))
def test_names_beside_points_cover_neither_points_nor_names(points: list[tuple[float, float]]) -> None:
    boxes = [box for box in beside(points, [(60.0, 12.0)] * len(points), Box(0, 0, 300, 200)) if box is not None]
    assert all(one.overlap(other) == 0 for at, one in enumerate(boxes) for other in boxes[:at])
    assert all(not (box.left < x < box.right and box.bottom < y < box.top) for box in boxes for x, y in points)


def test_long_names_are_cut_in_their_middle() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("a-very-long-name step=200", 12) == "a-very-…=200"
    assert len(shorten("x" * 99, 20)) == 20
    assert width("abc", 10) == pytest.approx(16.8)


def test_ticks_are_round_and_whole_where_asked() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0, 0.3) == [0, 0.1, 0.2, 0.3]
    assert ticks(0, 2, whole=True) == [0, 1, 2]
    assert ticks(3, 3) == [3]


def test_a_counted_curve_has_wilson_intervals() -> None:
    curve = counted("x", [0, 1], [4, 1], 4)
    assert curve.y == [1.0, 0.25]
    assert curve.low == [wilson(4, 4).low, wilson(1, 4).low]
