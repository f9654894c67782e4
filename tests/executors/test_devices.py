from __future__ import annotations

import pytest

from bench import UsageError
from bench.executors.choice import find_executor
from bench.executors.devices import VISIBLE, cores, places_of


def test_a_gpu_runs_one_job_at_a_time_and_is_the_only_one_that_its_worker_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    found = places_of("cuda", None, 100, cards=3)
    assert [(place.device, place.at_once, place.visible[VISIBLE]) for place in found.values()] == [
        ("cuda", 1, "0"),
        ("cuda", 1, "1"),
        ("cuda", 1, "2"),
    ]
    assert list(places_of("cuda", None, 2, cards=3)) == ["cuda:0", "cuda:1"]


def test_a_choice_of_gpus_that_was_made_outside_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "5,GPU-7")
    assert [place.visible[VISIBLE] for place in places_of("cuda", None, 9, cards=2).values()] == ["5", "GPU-7"]
    assert places_of("cuda:1", None, 9)["cuda:1"].visible == {}


def test_more_workers_than_gpus_share_them_evenly() -> None:
    assert [place.at_once for place in places_of("cuda", 5, 100, cards=2).values()] == [3, 2]
    assert [place.at_once for place in places_of("cuda", 1, 100, cards=2).values()] == [1]


def test_the_cpu_is_one_place_for_as_many_as_asked_for_and_no_more_than_there_are_jobs() -> None:
    assert places_of("cpu", 7, 100)["cpu"].at_once == 7
    assert places_of("cpu", None, 1)["cpu"].at_once == 1


def test_few_shards_share_the_cores_of_a_cpu_unless_it_is_said_how_many_work() -> None:
    assert places_of("cpu", None, 1)["cpu"].cores == cores()
    assert places_of("cpu", None, 10_000)["cpu"].cores == 1
    assert places_of("cpu", 1, 1)["cpu"].cores == 1
    assert places_of("cuda", None, 1, cards=1)["cuda:0"].cores == 1


def test_an_unknown_executor_and_workers_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'processes'"):
        find_executor("proceses", lambda: "cpu")
    with pytest.raises(UsageError, match="one job at a time"):
        find_executor("here", lambda: "cpu", 2)
