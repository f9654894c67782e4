from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.evaluation.running.crew import Crew
from bench.evaluation.running.waiting import Job
from bench.executors.contract import TRIES, Report, Role, Seat


@dataclass
class Desk:
    """A seat that keeps what it is given."""

    role: Role
    place: str
    job: Any = None
    closed: bool = False

    def start(self, job: Any) -> None:
        self.job = job

    def close(self) -> None:
        self.closed = True


@dataclass
class Office:
    """Two places; each job is a report by place, said at once."""

    desks: list[Desk] = field(default_factory=list)

    def places(self, jobs: int) -> Mapping[str, int]:
        return {"large": 1, "small": 1}

    def seat(self, role: Role, place: str) -> Seat:
        self.desks.append(Desk(role, place))
        return self.desks[-1]

    def hear(self, busy: Sequence[Seat], seconds: float | None) -> Sequence[tuple[Seat, Report]]:
        return [(seat, seat.job[seat.place]) for seat in busy]  # type: ignore[attr-defined]  # all are desks

    def close(self) -> None: ...


DONE = Report(finished=True, data="done")
TOO_LARGE = Report(finished=True, failure="It does not fit.", local=True)
LOST = Report(finished=True, failure="It ended.", spent=True, lost=True)


def said(jobs: Sequence[tuple[str, Mapping[str, Report]]], office: Office) -> list[tuple[str, Any]]:
    """What is said of jobs of plans, each of a plan of its own model."""
    with Crew(lambda: "cpu", executor=office) as crew:
        for plan, task in jobs:
            crew.submit(Job("judge", lambda task=task: task, plan, plan, plan))  # type: ignore[misc]
        return [(job.of, report.data or report.failure) for job, report in crew.reports()]


def test_a_place_that_cannot_load_a_plan_is_barred_for_it_and_the_others_do_it() -> None:
    office = Office()
    task = {"small": TOO_LARGE, "large": DONE}
    assert said([("big", task)] * 6, office) == [("big", "done")] * 6
    assert sum(desk.place == "small" for desk in office.desks) <= 1


def test_what_no_place_can_load_fails_with_the_sentence_and_holds_nobody_up() -> None:
    nowhere, anywhere = dict.fromkeys(("small", "large"), TOO_LARGE), dict.fromkeys(("small", "large"), DONE)
    found = said([("huge", nowhere), ("huge", nowhere), ("tiny", anywhere)], Office())
    assert sorted(found) == [("huge", "It does not fit."), ("huge", "It does not fit."), ("tiny", "done")]


def test_a_lost_job_is_tried_again_in_a_new_process_and_then_given_up() -> None:
    office = Office()
    assert said([("poison", dict.fromkeys(("small", "large"), LOST))], office) == [("poison", "It ended.")]
    assert len(office.desks) == TRIES
    assert all(desk.closed for desk in office.desks)


def test_a_process_is_given_jobs_whose_model_it_holds() -> None:
    office = Office()
    both = dict.fromkeys(("small", "large"), DONE)
    said([(name, both) for name in ("a", "b", "a", "b", "a", "b")], office)
    assert len(office.desks) == 2


@dataclass
class Silence(Office):
    """Nobody says anything."""

    def hear(self, busy: Sequence[Seat], seconds: float | None) -> Sequence[tuple[Seat, Report]]:
        return []


def test_a_job_that_is_overdue_is_ended_with_its_own_sentence() -> None:
    office = Silence()
    with Crew(lambda: "cpu", executor=office) as crew:
        crew.submit(Job("craft", lambda: {}, "late", seconds=0.05, overdue="It took too long."))
        ((job, report),) = crew.reports()
    assert (job.of, report.failure, report.finished) == ("late", "It took too long.", True)
    assert [desk.closed for desk in office.desks] == [True]


def test_no_more_workers_are_counted_than_there_are_jobs() -> None:
    with Crew(lambda: "cpu", executor=Office()) as crew:
        assert [crew.workers(jobs) for jobs in (0, 1, 2, 9)] == [1, 1, 2, 2]
