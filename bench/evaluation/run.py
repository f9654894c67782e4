"""A run of one plan: its shards' errands, from the first job to the store."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bench.domain.errors import BenchError, StoreError
from bench.domain.outcome import ShardResult
from bench.domain.plan import Plan, Shard
from bench.evaluation.archive import Archive
from bench.evaluation.crew import Crew, Job
from bench.evaluation.work import Work
from bench.store.store import Store

if TYPE_CHECKING:
    from bench.evaluation.errand import Errand
    from bench.evaluation.workers import Report
    from bench.store.records import Conflict

STAGES = {"judge": "judging", "replay": "judging again"}
"""What is told of the stages whose own notes say nothing to a reader; an attack's do."""
REPLAYED = 8
"""How many images of a shard are judged again in another process, unless a run asks for more."""


class Observer(Protocol):
    """Told how an evaluation goes on."""

    def started(self, plan: Plan, role: str, total: int, pending: int) -> None:
        """A plan's shards are about to run; `role` is what they are for ('crafting', 'judging')."""

    def progressed(self, digest: str, shard: int, done: float, total: float, note: str) -> None:
        """A shard got further."""

    def finished(self, plan: Plan, shard: int, result: ShardResult | None) -> None:
        """A shard was stored (its result), or failed (None)."""


@dataclass(frozen=True)
class Failure:
    """A shard that has no result, and why."""

    shard: int
    sentence: str
    details: str = ""


@dataclass
class Evaluation:
    """What one call did: shards of the plan computed, shards crafted on its source, shards that came out otherwise
    than they are stored, failures, seconds."""

    plan: Plan
    computed: int = 0
    crafted: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Site:
    """What a run works with: its workers, its images, its store, who watches, and how much of a shard is replayed."""

    crew: Crew
    archive: Archive
    store: Store
    observer: Observer
    replayed: int = REPLAYED


Known = tuple[Mapping[int, tuple[int, ...]], str | None]
"""Predictions of untouched images by sample, and why they are no evidence, if they are none."""


class Run:
    """The errands of one plan, and of the plan that crafts for it."""

    def __init__(self, site: Site, evaluation: Evaluation) -> None:
        self._site, self._evaluation = site, evaluation
        self._clean: dict[str, dict[int, Known]] = {}

    def all(self, work: Work) -> None:
        """Run every errand to its end; images that are crafted begin the errand that needs them."""
        plan = self._evaluation.plan
        try:
            for shard in work.ready:
                self._begin(plan, shard, work.crafted.get(shard.index))
            for shard in work.to_craft:
                assert work.crafting is not None
                self._begin(work.crafting, shard, None)
            for job, report in self._site.crew.reports():
                self._heed(job, report)
        finally:
            self._site.crew.abandon()

    def _begin(self, plan: Plan, shard: Shard, crafted: str | None) -> None:
        """Start a shard: with its attack, or at once where the images are there."""
        from bench.evaluation.errand import Errand

        def begin() -> None:
            clean, doubted = self._untouched(plan).get(shard.index, (None, None))
            images, labels = self._site.archive.arrays(plan, shard.indices)
            task, replayed = self._site.archive.task(plan), self._site.replayed
            errand = Errand(plan, shard, task, images, labels, replayed, clean, doubted)
            if plan.is_untouched:
                errand.untouched()
                self._submit("judge", errand)
            elif crafted is not None:
                errand.crafted(self._site.store.artifacts.read_all(crafted), crafted)
                self._submit("judge", errand)
            else:
                self._submit("craft", errand)

        self._guarded(plan, shard, begin)

    def _heed(self, job: Job, report: Report) -> None:
        """What a worker says of a job: progress, a failure, or what the next stage needs."""
        errand: Errand = job.of
        plan, shard = errand.plan, errand.shard
        if not report.finished:
            note = STAGES.get(job.role, report.note)
            self._site.observer.progressed(plan.digest, shard.index, report.done, report.total, note)
        elif report.failure is not None:
            whose = f"In it {plan.attack.name} attacked" if job.role == "craft" else "In it answered"
            sentence = f"{report.failure} {whose} {plan.defense.name}." if report.spent else report.failure
            self._failed(plan, shard, sentence, report.details)
        else:
            self._guarded(plan, shard, lambda: self._advance(job, errand, report.data))

    def _advance(self, job: Job, errand: Errand, data: Any) -> None:
        if job.role == "craft":
            errand.proposed(data, self._site.store.artifacts.write)
            self._submit("judge", errand)
        elif job.role == "judge":
            errand.answered(data)
            self._submit("replay", errand)
        else:
            crew = self._site.crew
            known = crew.introductions.setdefault(_known_by(errand.plan), data.introduction)
            for plan, result in errand.decided(data, known):
                self._store(plan, result)

    def _submit(self, role: Any, errand: Errand) -> None:
        crew = self._site.crew

        def task() -> Any:
            if role == "craft":
                return errand.craft()
            if role == "judge":
                return errand.hearing()
            return errand.asked_again(introduced=_known_by(errand.plan) not in crew.introductions)

        crew.submit(Job(role, task, errand))

    def _store(self, plan: Plan, result: ShardResult) -> None:
        conflict = self._site.store.add(plan, result)
        if conflict is not None:
            self._evaluation.conflicts.append(conflict)
        if plan.digest == self._evaluation.plan.digest:
            self._evaluation.computed += 1
        elif plan.is_untouched:
            return
        else:
            self._evaluation.crafted += 1
            shard = plan.shards()[result.index]
            self._begin(self._evaluation.plan, shard, result.perturbed_sha256)
        self._site.observer.finished(plan, result.index, result)

    def _untouched(self, plan: Plan) -> dict[int, Known]:
        """What the store holds of a plan's untouched images by shard; what could not be checked is judged anew."""
        if plan.is_untouched:
            return {}
        untouched, store = plan.untouched(), self._site.store
        if untouched.digest not in self._clean:
            predictions = store.predictions(untouched)
            self._clean[untouched.digest] = {
                record.number: (predictions, _doubted(plan, record.invalid))
                for record in store.shards(untouched)
                if not record.claimed
            }
        return self._clean[untouched.digest]

    def _guarded(self, plan: Plan, shard: Shard, stage: Callable[[], None]) -> None:
        """Run a stage; what is wrong with a plugin or its images fails the shard, what is wrong with the store all."""
        try:
            stage()
        except StoreError:
            raise
        except BenchError as error:
            self._failed(plan, shard, str(error), traceback.format_exc())
        except (ValueError, TypeError, IndexError, AssertionError) as error:
            sentence = f"What {plan.defense.name} answered cannot be read ({type(error).__name__}: {error})."
            self._failed(plan, shard, sentence, traceback.format_exc())

    def _failed(self, plan: Plan, shard: Shard, sentence: str, details: str) -> None:
        self._evaluation.failures.append(Failure(shard.index, sentence, details))
        self._site.observer.finished(plan, shard.index, None)


def _doubted(plan: Plan, invalid: str | None) -> str | None:
    return None if invalid is None else f"The clean predictions of {plan.defense.name} are no evidence: {invalid}"


def _known_by(plan: Plan) -> str:
    """What an introduction holds for: the defense and the data set."""
    return str((plan.defense.document(), plan.dataset.document()))
