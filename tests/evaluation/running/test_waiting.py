from __future__ import annotations

from bench.evaluation.running.waiting import BEGINS, FOLLOWS, Job, Waiting
from bench.executors.contract import Role


def job(role: Role, model: str, stage: int, *rank: int) -> Job:
    return Job(role, lambda: None, None, model, f"plan of {model}", stage, rank)


def taken(waiting: Waiting, *held: tuple[Role, str]) -> tuple[Role, str, tuple[int, ...]] | None:
    found = waiting.take(lambda kind: True, set(held))
    return None if found is None else (found.role, found.model, found.rank)


def test_what_is_nearest_to_its_end_comes_first_then_a_model_that_is_there_then_the_turn() -> None:
    waiting = Waiting()
    for each in (
        job("craft", "net", BEGINS, 0, 1),
        job("craft", "other", BEGINS, 1, 0),
        job("craft", "other", BEGINS, 0, 2),
        job("judge", "third", FOLLOWS, 9, 9),
    ):
        waiting.put(each)
    assert taken(waiting, ("craft", "other")) == ("judge", "third", (9, 9))
    assert taken(waiting, ("craft", "other")) == ("craft", "other", (0, 2))
    assert taken(waiting, ("judge", "other")) == ("craft", "net", (0, 1))
    assert taken(waiting) == ("craft", "other", (1, 0))
    assert taken(waiting) is None
    assert len(waiting) == 0


def test_what_is_not_allowed_stays_and_can_be_taken_out() -> None:
    waiting = Waiting()
    waiting.put(job("craft", "net", BEGINS, 0))
    assert waiting.take(lambda kind: kind[2] != "plan of net", set()) is None
    assert [each.model for each in waiting.discard(lambda kind: kind[2] == "plan of net")] == ["net"]
    assert len(waiting) == 0
