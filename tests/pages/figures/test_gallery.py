"""The gallery: the samples that it chooses, and what it says where it can show none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.boards.leaderboards import leaderboards
from bench.pages.exhibits import Gallery
from bench.pages.figures.drawing import reader
from bench.pages.figures.gallery import Allowance, exhibition
from bench.pages.page import render
from bench.plugins.registry import datasets
from bench.store.store import Store
from tests.pages.figures.drawn import albums, fill, white


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
    assert "not shown, for crafted images are missing; the same evaluations with --images" in text
    assert "What is taken for what" in text


def test_without_its_data_set_the_page_names_the_option(store: Store, tmp_path: Path) -> None:
    fill(store, white("tmdc"), [0])  # a fingerprint that no data set has
    text = render(store, tmp_path / "index.html").read_text(encoding="utf-8")
    assert "the images of digits are not here and no host is asked; --data-dir names their folder" in text
