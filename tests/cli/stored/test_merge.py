from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.domain.plan import Spec
from bench.store.store import Store
from tests.cli.command import bench
from tests.store.honest import ELSEWHERE, edit, fill, honest_plan, honest_result

TMDC, VIT = honest_plan(defense=Spec("tmdc")), honest_plan(defense=Spec("vit"))


def test_two_stores_become_one_and_again_makes_no_difference() -> None:
    fill(Store("a.db"), TMDC)
    fill(Store("b.db"), VIT)
    code, out, _ = bench("merge", "a.db", "b.db", "--db", "both.db")
    assert code == 0
    assert "b.db holds 1 plan, 1 of them new: 2 shards copied" in out
    assert "bench report --db both.db" in out
    assert {plan.defense.name for plan in Store("both.db").plans()} == {"tmdc", "vit"}
    again = json.loads(bench("merge", "a.db", "b.db", "--db", "both.db", "--json")[1])
    assert [(merged["copied_shards"], merged["equal_shards"]) for merged in again["merged"]] == [(0, 2), (0, 2)]


def test_a_difference_is_one_sentence_and_exit_code_1() -> None:
    fill(Store("results.db"), TMDC)
    other = fill(Store("other.db"), TMDC, environment=ELSEWHERE)
    edit(other, "UPDATE outcomes SET perturbed = json_array(label) WHERE position = 0 AND shard = 1")
    code, out, _ = bench("merge", "other.db")
    assert code == 1
    (sentence,) = (line for line in out.splitlines() if line.startswith("Different"))
    assert "1 of 4 samples of tmdc under pgd-linf on digits differ in other.db" in sentence
    assert "CPU of the tests with torch 2.0 here, on another machine with torch 2.9 there" in sentence
    code, out, _ = bench("merge", "other.db", "--json")
    assert code == 1
    (difference,) = json.loads(out)["merged"][0]["differences"]
    assert (difference["samples"], difference["compared"], difference["shards"]) == (1, 4, [0])
    (conflict,) = difference["conflicts"]
    assert (conflict["plan"], conflict["number"], conflict["origin"]) == (TMDC.digest, 0, "other.db")
    assert [kept.sentence for kept in Store("results.db").conflicts()] == [conflict["sentence"]]


def test_an_edited_store_is_one_sentence_and_exit_code_1_and_nothing_of_it_is_taken() -> None:
    fill(Store("honest.db"), VIT)
    store = Store("edited.db")
    for number in (0, 1):
        store.add(TMDC, honest_result(TMDC, number, store, epsilon=0.3, invalid="Too far."))
    edit(store, "UPDATE shards SET invalid = NULL")
    code, out, _ = bench("merge", "edited.db", "honest.db", "--claimed")
    assert code == 1
    (sentence,) = (line for line in out.splitlines() if line.startswith("Refused"))
    assert "shard 0: it is said to be valid, but 4 of 4 images that pgd-linf proposed lie outside" in sentence
    assert Store("results.db").plans() == [VIT]
    document = json.loads(bench("merge", "edited.db", "--json")[1])["merged"][0]
    assert document["refused"] == [
        {"plan": TMDC.digest, "shards": None, "reason": sentence.removeprefix("Refused "), "claimable": False}
    ]


def test_what_cannot_be_checked_is_taken_as_a_claim_when_it_is_asked_for() -> None:
    store = fill(Store("other.db"), TMDC)
    for path in store.artifacts.folder.rglob("*.safetensors"):
        path.unlink()
    code, out, _ = bench("merge", "other.db")
    assert code == 1
    assert "file of crafted images is missing. --claimed takes them all the same, marked as claimed." in out
    assert Store("results.db").plans() == []
    code, out, _ = bench("merge", "other.db", "--claimed")
    assert code == 0
    assert "Claimed 2 shards could not be checked" in out
    assert "Missing 2 files of crafted images" in out
    assert {shard.claimed for shard in Store("results.db").shards(TMDC)} == {True}


def test_a_data_set_is_looked_for_where_it_is_said_to_be(digit_folders: Callable[[Path], None]) -> None:
    digit_folders(Path("data"))
    from bench.datasets.folder import Folder

    images = Folder(channels=1).load("test", Path("data"))
    plan = replace(TMDC, dataset=Spec("folder", {"size": None, "channels": 1}), size=len(images), samples=4)
    plan = replace(plan, images=images.fingerprint(plan.indices), shard_size=4)
    store = Store("other.db")
    result = honest_result(TMDC, 0, store)
    pixels, labels = images.arrays(plan.indices)
    outcomes = [
        replace(outcome, index=index, label=label, clean=(label,), perturbed=(label,), distance=0.0)
        for outcome, index, label in zip(result.outcomes, plan.indices, labels.tolist(), strict=True)
    ]
    assert result.facts is not None
    assert result.facts.crafting is not None
    facts = replace(result.facts, crafting=replace(result.facts.crafting, unmoved=4))
    sha256 = store.artifacts.write(pixels)
    store.add(plan, replace(result, outcomes=tuple(outcomes), perturbed_sha256=sha256, facts=facts))
    store.close()
    code, out, _ = bench("merge", "other.db")
    assert code == 1
    assert "the data set folder is not at hand" in out
    assert bench("merge", "other.db", "--data-dir", "data")[0] == 0
    assert [shard.claimed for shard in Store("results.db").shards(plan)] == [False]


@pytest.fixture
def digit_folders() -> Callable[[Path], None]:
    """Writes a few digits as a folder of images."""

    def write(folder: Path) -> None:
        import numpy as np
        from PIL import Image

        from tests.store.honest import DIGITS

        for index in range(12):
            image, label = DIGITS.decode(index), DIGITS.labels[index]
            place = folder / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.round(image[0] * 255).astype(np.uint8)).save(place / f"{index}.png")

    return write


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["merge"], 2, "OTHER"),
        (["merge", "nothing.db"], 2, "no results database at nothing.db"),
        (["merge", "a.db", "nothing.db"], 2, "no results database at nothing.db"),
        (["merge", "."], 2, "no results database"),
        (["merge", "notes.db"], 1, "not a database"),
        (["merge", "foreign.db"], 1, "another program"),
        (["merge", "a.db", "--db", "a.db"], 2, "is the store that is merged into"),
        (["merge", "a.db", "--db", "nowhere/results.db"], 1, "does not exist"),
        (["merge", "mysql://host/results"], 2, "SQLite files"),
    ],
)
def test_what_cannot_be_merged_is_one_sentence_and_nothing_is_written(words: list[str], code: int, hint: str) -> None:
    import sqlite3

    fill(Store("a.db"), TMDC)
    Path("notes.db").write_text("my notes, more than sixteen bytes of them")
    with sqlite3.connect("foreign.db") as connection:
        connection.execute("CREATE TABLE plans (id INTEGER)")
    connection.close()
    found, out, err = bench(*words)
    assert found == code
    assert hint in out + err
    assert not Path("results.db").exists()
