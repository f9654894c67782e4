"""The picture of the rooms is that of the imports, and there is none where they go round in a circle."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.docs.pages import DOCS, ROOT

PROJECT = '[tool.importlinter]\nroot_packages = ["house", "guests"]\n'


@pytest.fixture(scope="module")
def imports() -> Any:
    """The script that draws it."""
    spec = importlib.util.spec_from_file_location("imports_of_docs", DOCS / "imports.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def picture(imports: Any) -> str:
    """The picture of this checkout."""
    drawn: str = imports.draw(ROOT)
    return drawn


def house(folder: Path, **texts: str) -> Path:
    """A checkout with these modules in its harness, and a guest that knows the front door."""
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for package in ("house", "guests"):
        (folder / package).mkdir()
    for name, text in {"__init__": "from house.attic import view\n", **texts}.items():
        (folder / "house" / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "guests" / "one.py").write_text("def call():\n    from house import view\n", encoding="utf-8")
    return folder


def test_a_floor_is_the_longest_way_down_and_a_shorter_way_has_no_arrow(imports: Any, tmp_path: Path) -> None:
    found = imports.rooms(
        house(
            tmp_path,
            attic="import house.hall\nfrom house import cellar\n",
            hall="import os\nfrom house.cellar import x\n",
            cellar="x = 1\n",
        )
    )
    assert imports.floors(found) == {"house.cellar": 0, "house.hall": 1, "house.attic": 2, "house": 3, "guests": 4}
    assert set(imports.arrows(found)) == {
        ("guests", "house"),
        ("house", "house.attic"),
        ("house.attic", "house.hall"),
        ("house.hall", "house.cellar"),
    }
    assert found["house.attic"].lines == 2


def test_rooms_that_import_each_other_are_named(imports: Any, tmp_path: Path) -> None:
    root = house(tmp_path, attic="import house.hall\n", hall="import house.attic\n")
    with pytest.raises(ValueError, match=r"circle: house\.(attic|hall) -> house\."):
        imports.draw(root)


def test_every_room_of_bench_is_drawn_once_and_every_arrow_goes_downward(imports: Any, picture: str) -> None:
    found = imports.rooms(ROOT)
    children = {path.stem for path in (ROOT / "bench").iterdir() if path.suffix == ".py" or path.is_dir()}
    wanted = {"bench", "defenses", "attacks", *(f"bench.{name}" for name in children if not name.startswith("__"))}
    assert {name for name, room in found.items() if room.lines} == wanted
    heights = imports.floors(found)
    assert all(heights[above] > heights[below] for above, below in imports.arrows(found))
    root = ElementTree.fromstring(picture)
    boxes = root.findall("{*}g")
    assert sorted(str(box[1].text) for box in boxes) == sorted(name.rpartition(".")[2] for name in wanted)
    right = float(str(root.get("viewBox")).split()[2])
    for box in boxes:
        left, width = float(str(box[0].get("x"))), float(str(box[0].get("width")))
        assert left >= 0
        assert left + width <= right


def test_it_takes_its_colours_from_the_page(picture: str) -> None:
    assert "currentColor" in picture
    assert "#" not in picture.replace("url(#tip)", "")
