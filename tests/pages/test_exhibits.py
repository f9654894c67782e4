"""Exhibits: pixels come back as they were, differences are legible, and other images than the plan's are refused."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.domain.errors import DataError, StoreError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.pages.exhibits import Gallery, encode, magnify, pick
from bench.plugins.registry import datasets
from bench.store.store import Store
from tests.analysis.made import small_plan


def decoded(uri: str) -> NDArray[np.uint8]:
    """The pixels (H, W) or (H, W, 3) of a data URI."""
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


@pytest.fixture
def crafted(store: Store) -> Plan:
    """A finished plan on eight digits, each brightened by 0.05."""
    images = datasets.make("digits", {}).load("test", None)
    plan = small_plan()
    plan = replace(plan, images=images.fingerprint(plan.indices))
    for shard in plan.shards():
        clean, labels = images.arrays(shard.indices)
        sha256 = store.artifacts.write(np.clip(clean + np.float32(0.05), 0, 1))
        outcomes = [Outcome(i, int(label), (1,), (2,), 0.05) for i, label in zip(shard.indices, labels, strict=True)]
        store.add(plan, ShardResult(shard.index, tuple(outcomes), 0, 0, 1.0, 1, sha256))
    return plan


def test_an_image_is_encoded_pixel_for_pixel_and_always_alike() -> None:
    grey = np.arange(64, dtype=np.float32).reshape(1, 8, 8) / 63
    colour = np.random.default_rng(1).random((3, 5, 7), dtype=np.float32)
    assert (decoded(encode(grey)) == np.round(grey[0] * 255)).all()
    assert (decoded(encode(colour)) == np.round(colour * 255).transpose(1, 2, 0)).all()
    assert encode(colour) == encode(colour.copy())


def test_odd_channels_values_and_sizes_can_be_shown() -> None:
    assert decoded(encode(np.full((4, 6, 6), 0.5, dtype=np.float32))).shape == (6, 6)
    assert decoded(encode(np.array([[[np.nan, -3.0, 7.0]]], dtype=np.float32))).tolist() == [[0, 0, 255]]
    assert decoded(encode(np.zeros((3, 500, 300), dtype=np.float32))).shape == (167, 100, 3)


@pytest.mark.parametrize(("change", "factor"), [(0.05, 10), (8 / 255, 10), (0.2, 2), (0.5, 1), (1.0, 1), (1e-6, 500)])
def test_a_difference_is_magnified_as_far_as_it_fits_around_grey(change: float, factor: int) -> None:
    clean = np.full((1, 2, 2), 0.4, dtype=np.float32)
    perturbed = clean.copy()
    perturbed[0, 0, 0] += change
    difference, found = magnify(clean, perturbed)
    assert found == factor
    assert difference[0, 0, 0] == pytest.approx(min(1.0, 0.5 + factor * change), abs=1e-4)
    assert difference[0, 1, 1] == 0.5


def test_equal_images_differ_by_plain_grey() -> None:
    clean = np.random.default_rng(2).random((3, 4, 4), dtype=np.float32)
    difference, factor = magnify(clean, clean)
    assert factor == 1
    assert (difference == 0.5).all()


def test_the_highest_scores_are_picked_one_of_each_label_first() -> None:
    samples, labels = [10, 11, 12, 13, 14], [0, 0, 0, 1, 2]
    assert pick(samples, labels, [3, 2, 9, 1, 1], 4) == (12, 13, 14, 10)
    assert pick(samples, labels, [1] * 5, 2) == (10, 13)
    assert pick([], [], [], 3) == ()


def test_an_exhibit_shows_a_sample_as_it_was_and_as_it_was_attacked(store: Store, crafted: Plan) -> None:
    sample = crafted.indices[6]
    images, labels = datasets.make("digits", {}).load("test", None).arrays([sample])
    exhibit = Gallery(store).show(crafted, sample, [("tmdc", (3, 10)), ("resnet", (-1,))])
    assert (decoded(exhibit.clean) == np.round(images[0, 0] * 255)).all()
    assert (decoded(exhibit.perturbed) == np.round(np.clip(images[0, 0] + np.float32(0.05), 0, 1) * 255)).all()
    assert exhibit.magnification == 10
    assert decoded(exhibit.difference).max() == 255
    assert exhibit.label == str(labels[0])
    assert exhibit.predictions == (("tmdc", ("3", "abstains")), ("resnet", ("abstains",)))


def test_missing_or_damaged_crafted_images_are_named(store: Store, crafted: Plan) -> None:
    for path in store.artifacts.folder.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="missing or damaged"):
        Gallery(store).perturbed(crafted, crafted.indices[0])


def test_images_that_are_not_the_plans_are_refused(store: Store, crafted: Plan) -> None:
    with pytest.raises(DataError, match="not those that plan"):
        Gallery(store).show(replace(crafted, images="0" * 64), crafted.indices[0], [])


def test_reading_a_store_runs_no_code_that_it_names(store: Store, crafted: Plan, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    with pytest.raises(DataError, match="not registered"):
        Gallery(store).name(replace(crafted, dataset=Spec(f"{tmp_path}/mine.py:Mine")), 1)


def test_a_data_set_that_cannot_be_had_is_looked_for_once(crafted: Plan, store: Store) -> None:
    gallery, other = Gallery(store), replace(crafted, images="0" * 64)
    with pytest.raises(DataError) as first:
        gallery.name(other, 1)
    with pytest.raises(DataError) as second:
        gallery.show(other, crafted.indices[0], [])
    assert second.value is first.value
    assert gallery.name(crafted, 1) == "1"
