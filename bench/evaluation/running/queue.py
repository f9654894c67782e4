"""One queue over all plans of a call: their shards' errands, from the first job to the store."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from bench.domain.errors import BenchError, StoreError
from bench.domain.plan import Plan
from bench.evaluation.running.agenda import Agenda, Trip
from bench.evaluation.running.outlook import Outlook
from bench.evaluation.running.precedent import Precedents
from bench.evaluation.running.run import Evaluation, Site
from bench.evaluation.running.sharing import Share
from bench.evaluation.running.untouched import Untouched
from bench.evaluation.running.waiting import BEGINS, FOLLOWS, REPLAYED, Job, model_of
from bench.evaluation.shard.errand import Errand
from bench.executors.contract import Report, Role
from bench.store.images.artifacts import LackingError
from bench.store.rows.records import ShardRecord

STAGES = {"judge": "judging", "replay": "judging again"}
"""What is told of the stages whose own notes say nothing to a reader; an attack's do."""


PAUSE = 0.2
"""Seconds to wait where there is nothing to do but what other runs are at."""


class Queue:
    """The errands of many plans, which go their way side by side; only here is anything stored."""

    def __init__(self, site: Site, agenda: Agenda, share: Share) -> None:
        self._site, self._agenda, self._share = site, agenda, share
        self._aside: list[Trip] = []
        self._untouched = Untouched(site.store)
        self._models: dict[str, str] = {}
        self._outlook = Outlook(agenda, Precedents(site.store))

    def ended(self) -> Iterator[tuple[int, Evaluation]]:
        """Run everything to its end; the evaluations by their position in the call, as they end."""
        crew = self._site.crew
        try:
            for trip in self._agenda.trips:
                self._await(trip)
            yield from self._agenda.ended()
            while True:
                for job, report in crew.reports():
                    self._heed(job, report)
                    self._look()
                    self._site.observer.ahead(self._left)
                    yield from self._agenda.ended()
                if not self._aside:
                    break
                self._look()
                yield from self._agenda.ended()
                if self._aside:
                    time.sleep(PAUSE)
        finally:
            crew.abandon()
        yield from self._agenda.ended()

    def _await(self, trip: Trip) -> None:
        """Let a shard wait for the worker that begins it: with its attack, or at once where the images are there."""
        fresh = not trip.plan.is_untouched and trip.crafted is None
        self._submit("craft" if fresh else "judge", BEGINS, trip)

    def _submit(self, role: Role, stage: int, trip: Trip) -> None:
        limit, plan = self._site.shard_timeout, trip.plan
        seconds = None if limit is None else max(limit - trip.worked, 0.001)
        self._site.crew.submit(
            Job(role, lambda: self._task(role, trip), trip, self._model(plan), plan.digest, stage, trip.rank, seconds)
        )

    def _task(self, role: Role, trip: Trip) -> Any:
        """What a worker is to do for a shard now; None where nothing is left to do, or not yet."""
        if not self._agenda.is_left(trip):
            return None
        if trip.errand is None and not self._takes(trip):
            self._aside.append(trip)
            return None
        try:
            return self._guarded(trip, lambda: self._asked(role, trip, trip.errand or self._begun(trip)))
        except LackingError:
            if trip.shard.index in self._agenda.uncrafted.get(trip.plan.digest, ()):
                raise  # they were just made
            first = self._agenda.craft_first(trip)
            if first is not None:
                self._await(first)
            return None

    def _takes(self, trip: Trip) -> bool:
        self._share.doing = f"{trip.plan.attack.name} on {trip.plan.defense.name}"
        return self._share.take(trip.plan, trip.shard.index, lambda: self._agenda.following(trip), again=trip.again)

    def _look(self) -> None:
        """Take up again what other runs have finished or left lying, of the shards that they were at."""
        others = self._share.look() if self._aside else None
        if others is None:
            return
        numbers: dict[str, frozenset[int]] = {}
        stored: dict[str, dict[int, ShardRecord]] = {}
        aside, self._aside = self._aside, []
        for trip in aside:
            digest, number = trip.plan.digest, trip.shard.index
            if digest not in numbers:
                numbers[digest] = self._site.store.shard_numbers(trip.plan)
            if number in numbers[digest] and digest not in stored:  # records are many and long
                stored[digest] = {record.number: record for record in self._site.store.shards(trip.plan)}
            record = stored.get(digest, {}).get(number)
            if record is None and (digest, number) in others:
                self._aside.append(trip)
            elif record is None or self._agenda.lacks_images(trip, record, self._site.store):
                trip.again = record is not None
                self._await(trip)
            else:
                self._tell(trip.plan)
                for waiting in self._agenda.done(trip, record.perturbed_sha256, None, here=False):
                    self._await(waiting)
                self._site.observer.finished(trip.plan, number, record)

    def _begun(self, trip: Trip) -> Errand:
        site, plan, shard = self._site, trip.plan, trip.shard
        self._tell(plan)
        images, labels = site.archive.arrays(plan, shard.indices)
        errand = Errand(plan, shard, site.archive.task(plan), images, labels, site.replayed)
        if plan.is_untouched:
            errand.untouched()
        elif trip.crafted is not None:
            errand.crafted(site.store.artifacts.read_all(trip.crafted), trip.crafted)
        trip.errand = errand
        return errand

    def _asked(self, role: Role, trip: Trip, errand: Errand) -> Any:
        if role == "craft":
            return errand.craft()
        if role == "replay":
            return errand.asked_again(introduced=self._model(errand.plan) not in self._site.crew.introductions)
        known = None if trip.plan.is_untouched else self._untouched.known(trip)
        if known is not None:
            errand.clean, errand.doubted = known
        elif not self._untouched.is_free(trip):
            return None
        return errand.hearing()

    def _heed(self, job: Job, report: Report) -> None:
        """What a worker says of a job: progress, a failure, or what the next stage needs."""
        trip: Trip = job.of
        plan, shard = trip.plan, trip.shard
        if not report.finished:
            note = STAGES.get(job.role, report.note)
            self._site.observer.progressed(plan.digest, shard.index, report.done, report.total, note)
        elif report.failure is not None:
            whose = f"In it {plan.attack.name} attacked" if job.role == "craft" else "In it answered"
            sentence = f"{report.failure} {whose} {plan.defense.name}." if report.spent else report.failure
            self._failed(trip, sentence, report.details)
        else:
            trip.worked += report.seconds
            self._guarded(trip, lambda: self._advance(job.role, trip, report.data))

    def _advance(self, role: Role, trip: Trip, data: Any) -> None:
        errand = trip.errand
        assert errand is not None  # it has begun
        if role == "craft":
            errand.proposed(data, self._site.store.artifacts.write)
            self._submit("judge", FOLLOWS, trip)
        elif role == "judge":
            errand.answered(data)
            self._submit("replay", REPLAYED, trip)
        else:
            self._outlook.learn(trip.plan, trip.shard, trip.worked)
            known = self._site.crew.introductions.setdefault(self._model(trip.plan), data.introduction)
            decided = errand.decided(data, known)
            for (plan, result), conflict in zip(decided, self._site.store.add_all(decided), strict=True):
                self._share.give_back(plan, result.index, is_stored=True)
                if plan.is_untouched:
                    self._untouched.learn(plan, result)
                if plan.digest == trip.plan.digest:
                    for waiting in self._agenda.done(trip, result.perturbed_sha256, conflict):
                        self._await(waiting)
                elif self._agenda.elsewhere(plan, trip.shard):
                    self._tell(plan)
                else:
                    continue
                self._site.observer.finished(plan, result.index, result)
            self._over(trip)

    def _guarded(self, trip: Trip, stage: Callable[[], Any]) -> Any:
        """Run a stage; what is wrong with a plugin or its images fails the shard, what is wrong with the store all."""
        try:
            return stage()
        except StoreError:
            raise
        except BenchError as error:
            self._failed(trip, str(error), traceback.format_exc())
        except (ValueError, TypeError, IndexError, AssertionError) as error:
            sentence = f"What {trip.plan.defense.name} answered cannot be read ({type(error).__name__}: {error})."
            self._failed(trip, sentence, traceback.format_exc())
        return None

    def _failed(self, trip: Trip, sentence: str, details: str) -> None:
        self._tell(trip.plan)
        self._agenda.failed(trip, sentence, details)
        self._share.give_back(trip.plan, trip.shard.index, is_stored=False)
        self._site.observer.finished(trip.plan, trip.shard.index, None)
        self._over(trip)

    def _over(self, trip: Trip) -> None:
        """A shard has ended, well or not: others need not wait for its clean predictions any more."""
        trip.errand = None
        for waiting in self._untouched.settled(trip):
            self._submit("judge", FOLLOWS, waiting)

    def _tell(self, plan: Plan) -> None:
        """Tell the observer of a plan at its first shard."""
        begun = self._agenda.begun(plan)
        if begun is not None:
            self._site.observer.started(plan, *begun)

    def _left(self) -> tuple[float | None, int]:
        workers = self._site.crew.workers(sum(count for _, count in self._agenda.left()))
        return self._outlook.seconds(workers), workers

    def _model(self, plan: Plan) -> str:
        """`model_of`, found out once."""
        if plan.digest not in self._models:
            self._models[plan.digest] = model_of(plan)
        return self._models[plan.digest]
