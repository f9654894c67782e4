"""What every executor keeps, run over all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench import Plan, Store
from bench.evaluation.estimates.trial import Pace, Pacing, Trial, Tried
from bench.evaluation.evaluate import evaluate
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.archive import Archive
from bench.evaluation.shard.errand import Errand
from bench.evaluation.shard.proposal import Craft, Proposal
from bench.executors.choice import find_executor
from bench.executors.contract import Executor, Report, Seat
from tests import needs
from tests.evaluation.observers import Memory
from tests.evaluation.running.test_queue import unruly
from tests.executors.alone import alone

EXECUTORS = ["here", "processes", pytest.param("ray", marks=[needs.ray, pytest.mark.filterwarnings("ignore")])]
PATIENCE = 240.0


@pytest.fixture(autouse=True)
def by_itself(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of Ray is."""
    with alone() if request.node.name.endswith("[ray]") else nullcontext():
        yield


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    found = find_executor(request.param, lambda: "cpu", 1)
    yield found
    found.close()


def somewhere(executor: Executor) -> str:
    """A place, once there is one."""
    until = time.monotonic() + PATIENCE
    while not (places := executor.places(4)) and time.monotonic() < until:
        time.sleep(0.1)
    assert sum(places.values()) == 1
    return next(iter(places))


def outcome(executor: Executor, seat: Seat) -> Report:
    """The last report of a job."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for _, report in executor.hear([seat], 5.0):
            if report.finished:
                return report
    raise AssertionError("nothing was said in time")


def crafting(plan: Plan, shard: int) -> Craft:
    found = plan.shards()[shard]
    with Archive(None) as archive:
        return Errand(plan, found, archive.task(plan), *archive.arrays(plan, found.indices), 8).craft()


def test_jobs_follow_each_other_at_a_seat_and_end_in_data_or_a_sentence(
    executor: Executor, request_of_halves: Request, tmp_path: Path
) -> None:
    good, seat = make_plan(request_of_halves), executor.seat("craft", somewhere(executor))
    for shard in (0, 2):
        seat.start(crafting(good, shard))
        data = outcome(executor, seat).data
        assert isinstance(data, Proposal)
        assert data.perturbed.flags.writeable
    seat.start("no job")
    failed = outcome(executor, seat)
    assert (failed.data, failed.spent, failed.lost) == (None, False, False)
    assert "AttributeError" in str(failed.failure)


def test_a_process_that_dies_is_said_to_be_lost_and_another_takes_its_place(
    executor: Executor, request_of_halves: Request, tmp_path: Path
) -> None:
    job = crafting(unruly(request_of_halves, file=str(tmp_path / "deaths")), 1)
    first = executor.seat("craft", somewhere(executor))
    first.start(job)
    report = outcome(executor, first)
    assert (report.lost, report.spent, report.data) == (True, True, None)
    first.close()
    second = executor.seat("craft", somewhere(executor))
    second.start(job)
    assert isinstance(outcome(executor, second).data, Proposal)


def test_a_seat_is_closed_in_the_middle_of_its_job(executor: Executor, request_of_halves: Request) -> None:
    seat = executor.seat("craft", somewhere(executor))
    seat.start(crafting(unruly(request_of_halves, how="sleep"), 1))
    assert [report for _, report in executor.hear([seat], 3.0) if report.finished] == []
    since = time.monotonic()
    seat.close()
    assert time.monotonic() - since < 30
    again = executor.seat("craft", somewhere(executor))
    again.start(crafting(make_plan(request_of_halves), 0))
    assert isinstance(outcome(executor, again).data, Proposal)


@pytest.mark.parametrize("name", EXECUTORS)
def test_outcomes_are_the_same_whoever_runs_them(
    name: str, request_of_halves: Request, store: Store, tmp_path: Path
) -> None:
    plan, other = make_plan(request_of_halves), Store(tmp_path / "other.db")
    evaluate(plan, store, Memory(), lambda: "cpu", workers=2)
    found = evaluate(plan, other, Memory(), lambda: "cpu", workers=1, executor=name)
    assert (found.computed, found.failures) == (3, [])
    assert other.outcomes(plan) == store.outcomes(plan)
    assert [s.perturbed_sha256 for s in other.shards(plan)] == [s.perturbed_sha256 for s in store.shards(plan)]


def test_an_executor_leaves_no_process_behind(request_of_halves: Request, store: Store) -> None:
    before = children()
    evaluate(make_plan(request_of_halves), store, Memory(), lambda: "cpu", workers=2)
    assert children() <= before | forkservers()


def children() -> set[int]:
    """The processes that this one has started."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(number) for number in found.read_text().split()} if found.exists() else set()


def forkservers() -> set[int]:
    """The server that forks workers and the tracker of what they share, which end with this process."""
    return {pid for pid in children() if b"multiprocessing" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_a_trial_s_answer_is_data_whoever_runs_it(executor: Executor, request_of_halves: Request) -> None:
    plan, seat = make_plan(request_of_halves), executor.seat("craft", somewhere(executor))
    job = crafting(plan, 0)
    seat.start(Pacing(plan.defense, job.task, job.images, 1.0))
    assert isinstance(outcome(executor, seat).data, Pace)
    seat.start(Trial(plan, job.shard, job.task, job.images, job.labels, 2, 1.0))
    assert isinstance(outcome(executor, seat).data, Tried)
