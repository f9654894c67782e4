"""What people write on plans is kept beside them, is no part of them, and comes along when stores are merged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.domain.errors import UsageError
from bench.domain.labels import Labels
from bench.store.others.lend import lend
from bench.store.others.merge import Examined, merge
from bench.store.store import Store
from tests.store.honest import edit, fill, honest_plan
from tests.store.test_store import plan_of, result_of


def accept(*_: Any) -> Examined:
    """An examiner that finds nothing wrong."""
    return Examined()


def test_labels_are_added_once_in_order_and_taken_off_again(store: Store) -> None:
    plan = plan_of()
    store.labels.add([plan], Labels.of(["b", "a", " b "], ["first"]))
    assert store.plans() == []  # what is written on a plan makes no result
    store.add(plan, result_of(plan, 0))
    store.labels.add([plan], Labels.of(["c", "a"], ["second", "first"]))
    assert store.labels.of(plan.digest) == Labels(("a", "b", "c"), ("first", "second"))
    assert (store.plans(), store.find(plan.digest).digest) == ([plan], plan.digest)
    assert set(store.labels.remove(plan.digest, ["a", "first", "nothing"])) == {"a", "first"}
    assert store.labels.all() == {plan.digest: Labels(("b", "c"), ("second",))}
    assert store.labels.of("of no plan") == Labels()


def test_the_longest_note_is_kept_whole(store: Store) -> None:
    note = "\N{SNOWMAN}" * 2000
    store.labels.add([plan_of()], Labels.of(notes=[note]))
    assert store.labels.of(plan_of().digest).notes == (note,)


@pytest.mark.parametrize(
    ("tags", "notes", "sentence"),
    [
        ([""], [], "A tag is at most 40"),
        (["a,b"], [], "without comma or semicolon"),
        (["two\nlines"], [], "A tag is at most 40"),
        (["\x1b[31mred"], [], "A tag is at most 40"),
        (["\N{RIGHT-TO-LEFT OVERRIDE}gpj"], [], "A tag is at most 40"),
        (["t" * 41], [], "A tag is at most 40"),
        ([], [" "], "A note is at most 2000 characters of plain text; got 0"),
        ([], ["n" * 2001], "got 2001"),
        ([], ["\x1b]0;title\x07"], "plain text"),
    ],
)
def test_what_cannot_be_shown_as_it_is_is_not_written(tags: list[str], notes: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as raised:
        Labels.of(tags, notes)
    assert str(raised.value).isprintable()


def test_a_merge_brings_labels_along_and_leaves_out_what_nobody_could_write(store: Store, tmp_path: Path) -> None:
    plan = honest_plan()
    fill(store, plan)
    store.labels.add([plan], Labels.of(["mine"], ["a note of mine"]))
    theirs = fill(Store(tmp_path / "theirs.db"), plan, honest_plan(seed=3))
    theirs.labels.add([plan, honest_plan(seed=3)], Labels.of(["theirs"], ["a note of theirs"]))
    edit(theirs, f"UPDATE labels SET text = char(27) || '[2J' WHERE text = 'theirs' AND plan = '{plan.digest}'")
    for _ in range(2):
        with lend(str(tmp_path / "theirs.db")) as other:
            merged = merge(store, other, accept)
        assert store.labels.all() == {
            plan.digest: Labels(("mine",), ("a note of mine", "a note of theirs")),
            honest_plan(seed=3).digest: Labels(("theirs",), ("a note of theirs",)),
        }
        (refusal,) = merged.refused
        assert "A tag is at most 40 printable characters" in str(refusal)
        assert str(refusal).isprintable()
        assert json.dumps(merged.document())
