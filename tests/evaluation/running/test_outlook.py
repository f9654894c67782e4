"""How long the rest of a call takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.evaluation.evaluate import evaluate_all
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.agenda import Agenda
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.outlook import Kind, Lot, Outlook, remaining_seconds
from bench.evaluation.running.precedent import Precedents
from bench.evaluation.running.run import Site
from bench.store.store import Store
from tests.analysis.made import add
from tests.analysis.made import make_plan as made
from tests.evaluation.observers import Clairvoyant

SMALL = {"samples": 12, "shard_size": 4}


def test_every_kind_takes_what_is_known_of_it_and_others_what_their_defense_and_attack_suggest() -> None:
    rates = {
        Kind("slow", "aa"): 10.0,
        Kind("slow", "pgd"): 2.0,
        Kind("quick", "aa"): 0.1,
        Kind("quick", "adaptive"): 7.0,
        Kind("odd", "square"): 3.0,
    }
    assert remaining_seconds([Lot(Kind("slow", "aa"), 3)], rates) == pytest.approx(3 * 10)
    # a hundred times slower where both are known
    assert remaining_seconds([Lot(Kind("slow", "adaptive"), 2)], rates) == pytest.approx(2 * 700)
    # nothing is known of both, so the attack's word counts
    assert remaining_seconds([Lot(Kind("odd", "adaptive"), 1)], rates) == pytest.approx(7)
    # nobody knows the attack, so the defense's counts; or nothing does
    assert remaining_seconds([Lot(Kind("slow", "new"), 5)], rates) == pytest.approx(5 * 6)
    assert remaining_seconds([Lot(Kind("new", "new"), 1)], rates) == pytest.approx(22.1 / 5)
    assert remaining_seconds([Lot(Kind("new", "new"), 1)], {}) is None
    assert remaining_seconds([], {}) == 0


def test_the_store_s_word_counts_until_a_shard_of_the_kind_has_ended(store: Store) -> None:
    plan, unknown = made("resnet", **SMALL), made("resnet", "pgd-linf", **SMALL)
    add(store, made("resnet", **SMALL, seed=1), [True] * 12, [True] * 12, seconds=8.0)
    outlook = Outlook(Agenda.of([plan, unknown], store), Precedents(store))
    assert outlook.seconds(1) == pytest.approx(2.0 * 24)
    outlook.learn(plan, plan.shards()[0], 40.0)
    assert outlook.seconds(2) == pytest.approx(10.0 * 24 / 2)
    outlook.learn(unknown, unknown.shards()[0], 4.0)
    assert outlook.seconds(1) == pytest.approx(10.0 * 12 + 1.0 * 12)


def test_nothing_can_be_told_before_anything_has_ended(store: Store) -> None:
    assert Outlook(Agenda.of([made("resnet", **SMALL)], store), Precedents(store)).seconds(2) is None


def test_images_that_are_crafted_for_others_are_among_what_is_left(store: Store) -> None:
    judged = made("tmdc", **SMALL)
    agenda = Agenda.of([judged, made("vit", **SMALL)], store)
    assert sorted((plan.defense.name, count) for plan, count in agenda.left()) == [
        ("resnet", 3),
        ("tmdc", 3),
        ("vit", 3),
    ]
    (trip, *_) = agenda.trips
    agenda.done(trip, "ab" * 32, None)
    assert {plan.defense.name: count for plan, count in agenda.left()}["resnet"] == 2


def test_the_time_left_falls_to_nothing_as_shards_end(request_of_halves: Request, tmp_path: Path) -> None:
    judged = replace(request_of_halves, defense="tests.plugins:Rounded", source="tests.plugins:Hyperplane")
    plans, observer = [make_plan(request_of_halves), make_plan(judged)], Clairvoyant()
    with Crew(lambda: "cpu", 2) as crew, Archive(None) as archive:
        site = Site(crew, archive, Store(tmp_path / "results.db"), observer)
        list(evaluate_all(site, plans))
    known = [seconds for seconds, _ in observer.told if seconds is not None]
    assert observer.told[0][0] is None
    assert len(known) >= 5
    assert known[-1] == 0
    assert max(workers for _, workers in observer.told) == 2
