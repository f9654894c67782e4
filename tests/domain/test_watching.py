"""Progress inside one call of a classifier reaches whoever watches the shard."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from bench import Watch, tick
from bench.datasets.digits import TASK, Digits
from bench.domain.queries.watching import watched
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.shard.crafting import craft
from bench.evaluation.shard.hearing import Hearing, Question
from bench.evaluation.shard.judging import hear
from bench.evaluation.shard.proposal import Craft
from bench.loading.classifiers import Shelf
from bench.plugins.registry import defenses
from bench.protocols import find_protocol

Told = list[tuple[float, float, str]]


def into(told: Told) -> Watch:
    def watch(done: float, total: float, note: str = "") -> None:
        told.append((done, total, note))

    return watch


def test_a_tick_is_a_note_beside_the_last_that_was_told() -> None:
    told: Told = []
    tick(1, 2, "nobody watches")
    with watched(into(told)) as watch:
        tick(1, 4, "rows")
        watch(3, 40, "step")
        tick(1000, 20000, "rows")
    tick(2, 2, "nobody watches any more")
    assert told == [(0, 1, "1 of 4 rows"), (3, 40, "step"), (3, 40, "step: 1,000 of 20,000 rows")]


def test_an_inner_watch_hears_what_happens_inside_and_a_failure_ends_it() -> None:
    outer: Told = []
    inner: Told = []

    def fail() -> None:
        with watched(into(inner)):
            tick(1, 2)
            raise ZeroDivisionError

    with watched(into(outer)):
        with pytest.raises(ZeroDivisionError):
            fail()
        tick(2, 2)
    assert inner == [(0, 1, "1 of 2")]
    assert outer == [(0, 1, "2 of 2")]


def test_other_threads_are_heard_for_autograd_goes_back_in_its_own() -> None:
    told: Told = []
    with watched(into(told)):
        thread = threading.Thread(target=tick, args=(1, 2, "back"))
        thread.start()
        thread.join()
    assert told == [(0, 1, "1 of 2 back")]


def test_a_judge_tells_how_far_a_diffusion_classifier_is_within_one_question() -> None:
    told: Told = []
    spec = defenses.spec(
        "diffusion-classifier",
        defenses.make("diffusion-classifier", {"rows": 20, "search": "full", "timesteps": 6}),
        TASK,
    )
    images = Digits().load("test", None).read(range(2)).images.numpy()
    hear(Hearing(spec, TASK, (Question(images, (1,)),)), Shelf("cpu"), into(told))
    notes = [note for _, _, note in told]
    assert "asked: 20 of 120 denoised" in notes
    assert {(done, total) for done, total, _ in told} <= {(0, 1)}


def test_crafting_tells_how_far_the_gradient_of_one_step_is() -> None:
    told: Told = []
    request = Request(
        "diffusion-classifier",
        "pgd-linf",
        replace(find_protocol("white-box-1024"), samples=1),
        defense_settings={"rows": 20, "timesteps": 6, "search": "full"},
        attack_settings={"steps": 2},
    )
    plan = make_plan(request, lambda: "cpu")
    (shard,) = plan.shards()
    images, labels = Digits().load("test", None).arrays(shard.indices)
    craft(Craft(plan, shard, TASK, images, labels), Shelf("cpu"), into(told))
    steps = {note.partition(":")[0]: (done, total) for done, total, note in told if note.endswith("of 60 denoised")}
    assert any(note.endswith("differentiated") for _, _, note in told)
    assert len(steps) > 1
    assert all(0 <= done <= total for done, total in steps.values())
