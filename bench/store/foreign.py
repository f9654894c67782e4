"""Reads what another store says, and believes nothing of its form."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

from bench.domain.dataset import Sampling
from bench.domain.errors import BenchError, StoreError, UsageError
from bench.domain.labels import Labels
from bench.domain.outcome import Outcome
from bench.domain.plan import FIRST_HARNESS, HARNESS, ROLES, Plan
from bench.store.records import ShardRecord, Whole

if TYPE_CHECKING:
    from bench.store.store import Store

UNREADABLE = (BenchError, ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What reading a row may raise that holds something else than bench has ever written."""


class UnfitError(Exception):
    """What another store says of a plan cannot be believed."""


def read_plan(store: Store, digest: str) -> Plan:
    """The plan of a digest; `UnfitError` where it cannot be read, or is not what it says."""
    try:
        document = store.document(digest)
    except StoreError:
        raise UnfitError("it cannot be read; nothing in the store describes it") from None
    try:
        plan = Plan.from_document(document).placed({})  # no digest vouches for a place, and code is loaded from there
        matches = plan.digest == digest
        fault = _fault(plan) or (None if plan.shards() and len(plan.indices) == plan.samples else "it has no samples")
    except UNREADABLE as error:
        raise UnfitError(f"it cannot be read ({_reason(error)})") from None
    if not matches:
        raise UnfitError("its digest is not that of what it describes")
    if fault:
        raise UnfitError(fault)
    return plan


def read_shards(store: Store, plan: Plan) -> list[Whole]:
    """A plan's shards with their outcomes; `UnfitError` where they are not those that it draws, or of no such form."""
    drawn = {shard.index: shard.indices for shard in plan.shards()}
    try:
        records, outcomes = store.shards(plan), store.outcomes(plan)
        everything: list[ShardRecord | Outcome] = [*records, *outcomes]
        malformed = next((fault for found in everything for fault in _faults(found)), None)
    except UNREADABLE as error:
        raise UnfitError(f"its outcomes cannot be read ({_reason(error)})") from None
    expected = [sample for record in records for sample in drawn.get(record.number, ())]
    if [outcome.index for outcome in outcomes] != expected or not {record.number for record in records} <= set(drawn):
        raise UnfitError("its samples are not those that it draws")
    if malformed:
        raise UnfitError(malformed)
    if len(draws_of(outcomes)) > 1 or any(max(drawn) > plan.draws for drawn in draws_of(outcomes)):
        raise UnfitError(f"its samples have not all the same number of predictions, {plan.draws} at most")
    remaining = iter(outcomes)
    return [(record, list(islice(remaining, len(drawn[record.number])))) for record in records]


def read_labels(store: Store, digest: str) -> tuple[Labels, tuple[str, ...]]:
    """What is written on a plan as people may write it, and what is wrong with the rest, a sentence each."""
    found, good, wrong = store.labels.of(digest), Labels(), []
    for tags, notes in (*(((tag,), ()) for tag in found.tags), *(((), (note,)) for note in found.notes)):
        try:
            one = Labels.of(tags, notes)
        except UsageError as error:
            wrong.append(str(error))
        else:
            good = Labels.of((*good.tags, *one.tags), (*good.notes, *one.notes))
    return good, tuple(wrong)


def draws_of(outcomes: Iterable[Outcome]) -> set[tuple[int, int]]:
    """How many clean and how many perturbed predictions these samples have; one pair where they are of one plan."""
    return {(len(outcome.clean), len(outcome.perturbed)) for outcome in outcomes}


def _fault(plan: Plan) -> str | None:
    """What is wrong with a plan's values; None where they are those of a plan."""
    specs = [spec for spec in (getattr(plan, role) for role in ROLES) if spec is not None]
    numbers = (plan.size, plan.samples, plan.shard_size, plan.draws)
    words = (
        plan.images,
        plan.knowledge,
        plan.precision,
        *(part for spec in specs for part in (spec.name, spec.version)),
    )
    if not all(_is_whole(number, 1) for number in numbers) or not all(map(_is_whole, (plan.sample_seed, plan.seed))):
        return "one of its numbers is none"
    if not all(isinstance(word, str) for word in words) or plan.sampling not in get_args(Sampling):
        return "one of its words is none"
    if not all(isinstance(part, dict) for spec in specs for part in (spec.params, spec.weights)):
        return "the settings of one of its plugins are none"
    if plan.passes is not None and not _is_whole(plan.passes, 1):
        return "its limit of passes is no number above 0"
    if not isinstance(plan.fixed_noise, bool):
        return "whether it fixes the noise is neither true nor false"
    if plan.harness not in (FIRST_HARNESS, HARNESS):
        return f"it was judged in another way ({plan.harness}) than this bench knows"
    if plan.is_untouched and plan.untouched() != plan:
        return "it judges untouched images and names an attack"
    return None


def _faults(found: ShardRecord | Outcome) -> Iterator[str]:
    if isinstance(found, ShardRecord):
        if not isinstance(found.perturbed_sha256, str) or not re.fullmatch("[0-9a-f]{64}", found.perturbed_sha256):
            yield f"shard {found.number} names its images by what is no hash"
        if not isinstance(found.invalid, str | None) or found.invalid == "":
            yield f"shard {found.number} is invalid for a reason that is no sentence"
        if not all(isinstance(remark, str) for remark in found.remarks) or not isinstance(found.environment, dict):
            yield f"shard {found.number} has remarks or an environment that are none"
        if not all(_is_whole(number) for number in (found.forwards, found.backwards, found.peak_memory)):
            yield f"shard {found.number} has costs that are no numbers"
        if not _is_length(found.seconds):
            yield f"shard {found.number} has costs that are no numbers"
        return
    where = f"sample {found.index}"
    if not all(draws and all(_is_whole(label, -1) for label in draws) for draws in (found.clean, found.perturbed)):
        yield f"{where} has predictions that are no classes"
    if not _is_whole(found.index) or not _is_whole(found.label):
        yield f"{where} has a label that is no class"
    if not _is_length(found.distance, infinite=True) or not all(
        value is None or _is_length(value, infinite)
        for value, infinite in ((found.radius, False), (found.minimal, True))
    ):
        yield f"{where} has distances that are none"
    if not (found.broken_at is None or _is_whole(found.broken_at, -1)) or not isinstance(found.fell_to, str | None):
        yield f"{where} fell to what is no iteration or no part of an attack"


def _is_whole(value: Any, least: int = 0) -> bool:
    return type(value) is int and value >= least


def _is_length(value: Any, infinite: bool = False) -> bool:
    return type(value) in (int, float) and value >= 0 and (infinite or math.isfinite(value))


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
