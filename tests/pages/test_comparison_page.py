"""The page of a comparison: self-contained, harmless, deterministic, and showing the images in dispute."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.comparisons.comparison import compare
from bench.domain.errors import BenchError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.pages.comparison_page import render
from bench.pages.exhibits import Gallery, encode
from bench.pages.forest import plant
from bench.plugins.registry import datasets
from bench.store.store import Store
from tests.analysis.made import add, honest, make_plan
from tests.pages.test_page import EVIL, Reader

N = 40


def plan_of(defense: str, **changes: object) -> Plan:
    """A plan of the first 40 test digits as they really are."""
    plan = make_plan(defense, samples=N, shard_size=20)
    images = datasets.make("digits", {}).load("test", None)
    return replace(plan, images=images.fingerprint(plan.indices), **changes)


def craft(store: Store, plan: Plan, right: int, darker: float) -> None:
    """Judge the plan's digits, each darker by so much: the first ones right, the others taken for their successor."""
    for shard in plan.shards():
        clean, labels = datasets.make("digits", {}).load("test", None).arrays(shard.indices)
        images = np.clip(clean - np.float32(darker), 0, 1)
        sha256 = store.artifacts.write(images)
        distances = np.abs(images.astype(float) - clean.astype(float)).reshape(len(images), -1).max(1)
        outcomes = []
        for place, (index, label) in enumerate(zip(shard.indices, labels.tolist(), strict=True)):
            is_right = shard.index * plan.shard_size + place < right
            seen = label if is_right else (label + 1) % 10
            outcomes.append(Outcome(index, label, (label,), (seen,), float(distances[place])))
        store.add(plan, ShardResult(shard.index, tuple(outcomes), 400, 320, 1.0, 1, sha256, facts=honest(plan)))


def page(store: Store, folder: Path, *references: str) -> tuple[str, Reader]:
    path = render(compare(store, references), Gallery(store), folder / "pages" / "index.html")
    text = path.read_text(encoding="utf-8")
    return text, Reader(re.sub("<img ([^>]*)>", r"<img \1/>", text))


@pytest.fixture
def disputed(store: Store) -> Store:
    """vit and tmdc on the same images, rdc on its own."""
    craft(store, plan_of("tmdc", source=None), 35, 0.05)
    craft(store, plan_of("vit", source=None), 20, 0.05)
    craft(store, plan_of("rdc", source=None), 25, 0.03)
    return store


def test_the_page_asks_no_host_for_anything_and_runs_nothing(disputed: Store, tmp_path: Path) -> None:
    text, reader = page(disputed, tmp_path, "tmdc", "vit", "rdc")
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"data:image/png;base64,[\w+/=]*", "", text))
    assert reader.tags["script"] == reader.tags["iframe"] == 0
    assert not [key for key, _ in reader.attributes if key == "style" or key.startswith("on")]
    assert all(value.startswith("data:image/png;base64,") for value in reader.values("src"))
    assert all(href.startswith("#") or href == "data:," for href in reader.values("href"))


def test_its_policy_allows_its_own_style_and_nothing_else(disputed: Store, tmp_path: Path) -> None:
    text, reader = page(disputed, tmp_path, "tmdc", "vit")
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [value for value in reader.values("content") if "default-src" in value]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_equal_stores_give_equal_bytes(disputed: Store, tmp_path: Path) -> None:
    first, _ = page(disputed, tmp_path / "a", "tmdc", "vit", "rdc")
    again, _ = page(Store(disputed.location, create=False), tmp_path / "b", "tmdc", "vit", "rdc")
    assert first == again


def test_every_link_has_its_target_and_every_name_is_unique(disputed: Store, tmp_path: Path) -> None:
    _, reader = page(disputed, tmp_path, "tmdc", "vit", "rdc")
    names = reader.values("id")
    assert len(names) == len(set(names))
    assert {href[1:] for href in reader.values("href") if href.startswith("#")} <= set(names)
    assert set(reader.values("aria-labelledby")) <= set(names)
    assert len(reader.values("alt")) == reader.tags["img"] > 0


def test_counts_intervals_tests_and_verdicts_are_there(disputed: Store, tmp_path: Path) -> None:
    _, reader = page(disputed, tmp_path, "tmdc", "vit")
    assert "aa-linf tmdc is better by 37.5 points [22.5, 52.5]" in reader.text
    assert "clean cannot be told apart; n=40 would show" in reader.text
    assert re.search(r"aa-linf ℓ∞ ≤ 0.05 87.5 73.9–94.5 50.0 35.2–64.8 15 0 20 5 \+37.5 \+22.5 to \+52.5", reader.text)
    assert "Tests corrected together 2" in reader.text
    assert "Bootstrap seed 0" in reader.text


def test_more_than_two_defenses_stand_in_a_grid_first(disputed: Store, tmp_path: Path) -> None:
    text, reader = page(disputed, tmp_path, "tmdc", "vit", "rdc")
    assert reader.tags["table"] == 4
    assert "tmdc, vit and rdc compared" in reader.text
    assert "vit \N{MINUS SIGN}37.5 · ≈ \N{MINUS SIGN}12.5" in reader.text
    assert "the evidence is of different strength" not in reader.text.lower()
    assert [href for href in reader.values("href") if href.startswith("#pair")] == [
        *("#pair-1-1", "#pair-1-2", "#pair-1-1", "#pair-1-3", "#pair-1-2", "#pair-1-3")
    ]
    assert text.index('<table class="standings">') < text.index('<article class="versus"')


def test_what_breaks_one_and_not_the_other_is_shown_once_where_both_saw_the_same(
    disputed: Store, tmp_path: Path
) -> None:
    text, reader = page(disputed, tmp_path, "tmdc", "vit")
    assert "aa-linf breaks vit and not tmdc on 15 samples, among them" in reader.text
    assert reader.values("class").count("specimen") == 4
    assert reader.tags["img"] == 4 * 3
    images, labels = datasets.make("digits", {}).load("test", None).arrays(plan_of("tmdc").indices[20:35])
    shown = {encode(image) for image in images} & set(reader.values("src"))
    assert len(shown) == 4
    assert len(set(re.findall(r"labelled <b>(\d)</b>", text))) == 4
    assert set(re.findall(r"labelled <b>(\d)</b>", text)) <= {str(label) for label in labels}
    assert re.search(r"vit sees \d, tmdc sees \d", re.sub(" +,", ",", reader.text))


def test_where_each_was_attacked_with_its_own_images_both_are_shown(disputed: Store, tmp_path: Path) -> None:
    _, reader = page(disputed, tmp_path, "tmdc", "rdc")
    assert reader.tags["img"] == 4 * 6


def test_images_that_are_missing_are_told_and_no_failure(disputed: Store, tmp_path: Path) -> None:
    for path in disputed.artifacts.folder.rglob("*.safetensors"):
        path.unlink()
    _, reader = page(disputed, tmp_path, "tmdc", "vit")
    assert reader.tags["img"] == 0
    assert reader.text.count("Images are not shown: The crafted images") == 1
    assert "missing or damaged" in reader.text


def test_a_data_set_that_is_not_installed_is_told_and_no_failure(store: Store, tmp_path: Path) -> None:
    for defense, right in (("tmdc", 30), ("vit", 10)):
        craft(store, plan_of(defense, dataset=Spec("elsewhere")), right, 0.05)
    _, reader = page(store, tmp_path, "tmdc", "vit")
    assert reader.text.count("Images are not shown: The data set elsewhere is not registered here") == 1


def test_unequal_evidence_and_gaps_are_told(store: Store, tmp_path: Path) -> None:
    for defense in ("tmdc", "resnet"):
        add(store, plan_of(defense), [True] * N, [True] * N)
    add(
        store,
        make_plan("tmdc", "aa-l2", samples=N, shard_size=20, images=plan_of("tmdc").images),
        [True] * N,
        [True] * N,
    )
    _, reader = page(store, tmp_path, "tmdc", "resnet")
    assert "Under aa-linf tmdc is transfer and resnet white-box : evidence of different strength" in reader.text
    assert "Left out is aa-l2: resnet was not run" in reader.text


def test_the_grid_marks_pairs_of_unequal_evidence(store: Store, tmp_path: Path) -> None:
    for defense in ("tmdc", "resnet", "vit"):
        add(store, plan_of(defense), [True] * N, [True] * N)
    _, reader = page(store, tmp_path, "tmdc", "resnet", "vit")
    assert "tmdc · ≈ 0.0 * ≈ 0.0 resnet ≈ 0.0 * · ≈ 0.0 * vit ≈ 0.0 ≈ 0.0 * ·" in reader.text
    assert "* The evidence is of different strength" in reader.text


def test_names_settings_and_notes_with_markup_are_harmless(store: Store, tmp_path: Path) -> None:
    hostile = Spec(EVIL, {EVIL: EVIL}, EVIL, {EVIL: EVIL})
    first = replace(plan_of("tmdc"), defense=hostile, source=hostile, dataset=hostile, attack=hostile, images=EVIL)
    second = replace(first, defense=replace(hostile, params={EVIL: 1}))
    for plan, right in ((first, 30), (second, 10)):
        add(store, plan, [True] * N, [i < right for i in range(N)])
        other = replace(plan, attack=replace(hostile, version="2"))
        add(store, other, [True] * N, [True] * N, invalid=EVIL, remarks=(EVIL,), environment={EVIL: EVIL})
    for references in ([first.digest, second.digest], [EVIL]):
        _, reader = page(store, tmp_path, *references)
        assert reader.tags["script"] == 0
        assert EVIL in reader.text
        assert not re.findall(r"\b49\b", reader.text)


def test_one_difference_reaches_from_its_low_to_its_high_end_around_nought(disputed: Store) -> None:
    ((duel,),) = [comparison.duels for comparison in compare(disputed, ["tmdc", "vit"])]
    forest = plant(duel.contrasts)
    clean, attacked = forest.lanes
    assert clean.mark == clean.low == clean.high == 0.5
    assert [points for _, points in forest.ticks] == ["100", "50", "0", "50", "100"]
    assert (attacked.low, attacked.mark, attacked.high) == pytest.approx((0.6125, 0.6875, 0.7625))


def test_a_place_that_cannot_be_written_is_named(disputed: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="could not be written"):
        render(compare(disputed, ["tmdc", "vit"]), Gallery(disputed), tmp_path / "file" / "index.html")
