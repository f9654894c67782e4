"""What a store says, outcomes aside, is read and checked here alone: it has the form of bench's, or is unfit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

from bench.domain.dataset import LARGEST, MOST, Sampling
from bench.domain.facts import Facts
from bench.domain.plan import FIRST_HARNESS, HARNESS, MOST_DRAWS, ROLES, Plan, is_place
from bench.store.rows.forms import UNREADABLE, is_length, is_sha256, is_text, is_whole, misfit, parsed
from bench.store.rows.records import Conflict, Cost, ShardRecord

_AS_IT_IS = (
    *("number", "perturbed_sha256", "invalid", "origin"),
    *("forwards", "backwards", "seconds", "peak_memory"),
)
"""The columns of a shard's row that need no reading."""


class UnfitError(Exception):
    """What a store says of a plan cannot be believed; the words say why."""


def plan_of(digest: Any, document: str | None, places: str | None = None) -> Plan:
    """The plan of a digest, from JSON texts; `UnfitError` where it cannot be read, or is not what it says."""
    if document in (None, "null"):
        raise UnfitError("it cannot be read; nothing in the store describes it")
    try:
        found = parsed(document)
        if not isinstance(found, dict):
            raise UnfitError("it cannot be read; what describes it is no object")
        plan = Plan.from_document(found).placed({})
        fault = _plan_fault(plan)
        matches = plan.digest == digest
        _ = plan.crafting(), plan.untouched(), plan.threat.radius
        known = parsed(places or "null") or {}
    except UNREADABLE as error:
        raise UnfitError(f"it cannot be read ({reason(error)})") from None
    if not matches:
        fault = "its digest is not that of what it describes"
    if fault or not _are_places(known):
        raise UnfitError(fault or "where its files lie is no place")
    return plan.placed(known)


def record_of(row: Any, environment: Mapping[str, Any]) -> ShardRecord:
    """A shard's record, from a row in which documents and dates are text; `UnfitError` where one of them is none."""
    try:
        record = ShardRecord(
            **{name: getattr(row, name) for name in _AS_IT_IS},
            remarks=tuple(parsed(row.remarks)),
            finished=datetime.fromisoformat(row.finished),
            environment=environment,
            facts=None if row.facts is None else Facts.from_document(parsed(row.facts)),
            claimed=bool(row.claimed),
        )
    except UNREADABLE as error:
        raise UnfitError(f"its outcomes cannot be read ({reason(error)})") from None
    fault = next(_record_faults(record, row.claimed), None)
    if fault:
        raise UnfitError(f"shard {str(record.number)[:20]} {fault}")
    return record


def environment_of(text: str | None) -> Mapping[str, Any]:
    """Where shards were computed, from a JSON text; `UnfitError` where that is no object."""
    try:
        found = parsed(text)
    except UNREADABLE as error:
        raise UnfitError(f"its outcomes cannot be read (of their environment, {reason(error)})") from None
    if not isinstance(found, dict):
        raise UnfitError("its environment is none")
    return found


def conflict_of(row: Any) -> Conflict:
    """A conflict, from a row in which documents and dates are text; `UnfitError` where one of them is none."""
    try:
        found = datetime.fromisoformat(row.found)
    except UNREADABLE as error:
        raise UnfitError(f"a conflict about it cannot be read ({reason(error)})") from None
    numbers, words = (row.number, row.samples, row.compared), (row.origin, row.sentence)
    if not all(map(is_whole, numbers)) or not all(map(is_text, words)) or found.tzinfo is not None:
        raise UnfitError("a conflict about it cannot be read (one of its parts is none)")
    return Conflict(
        row.plan, row.number, row.origin, *numbers[1:], row.sentence, environment_of(row.environment), found
    )


def cost_of(row: Sequence[Any]) -> Cost | None:
    """What a shard took, from its number, passes, seconds, memory, origin and environment; None where one is none."""
    *numbers, origin, environment = row
    number, forwards, backwards, seconds, memory = numbers
    try:
        device = environment_of(environment).get("device")
    except UnfitError:
        return None
    if not all(map(is_whole, (number, forwards, backwards, memory))) or not is_length(seconds):
        return None
    return Cost(number, forwards, backwards, seconds, memory, None if origin or not is_text(device) else device)


def reason(error: BaseException) -> str:
    """What an error says, without its full stop."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error).rstrip(".")[:300] or type(error).__name__


def _plan_fault(plan: Plan) -> str | None:
    """What is wrong with a plan's values; None where they are those of a plan."""
    specs = [spec for spec in (getattr(plan, role) for role in ROLES) if spec is not None]
    numbers = (plan.size, plan.samples, plan.shard_size, plan.draws)
    words = (
        *(plan.images, plan.knowledge, plan.precision),
        *(part for spec in specs for part in (spec.name, spec.version)),
    )
    if not all(is_whole(number, 1) for number in numbers) or not all(map(is_whole, (plan.sample_seed, plan.seed))):
        return "one of its numbers is none"
    if not all(isinstance(word, str) for word in words) or plan.sampling not in get_args(Sampling):
        return "one of its words is none"
    if any(getattr(plan, role) is None for role in ROLES if role != "source"):
        return "one of its plugins is missing"
    if not all(isinstance(part, dict) for spec in specs for part in (spec.params, spec.weights)):
        return "the settings of one of its plugins are none"
    if not all(isinstance(file, str) for spec in specs for file in spec.weights.values()):
        return "the weights of one of its plugins are named by what is no hash"
    if plan.passes is not None and not is_whole(plan.passes, 1):
        return "its limit of passes is no number above 0"
    if not isinstance(plan.fixed_noise, bool):
        return "whether it fixes the noise is neither true nor false"
    if plan.harness not in (FIRST_HARNESS, HARNESS):
        return f"it was judged in another way ({str(plan.harness)[:40]}) than this bench knows"
    if plan.is_untouched and plan.untouched() != plan:
        return "it judges untouched images and names an attack"
    if plan.samples > min(plan.size, MOST) or plan.size > LARGEST:
        return "it is of more samples than there are images, or than can be drawn"
    if plan.draws > MOST_DRAWS:
        return "it judges a sample more often than bench does"
    return None


def _are_places(found: Any) -> bool:
    """Whether it says by role where a plugin is found."""
    return isinstance(found, dict) and all(role in ROLES and is_place(place) for role, place in found.items())


def _record_faults(record: ShardRecord, claimed: Any) -> Iterator[str]:
    if not is_whole(record.number):
        yield "has a number that is none"
    if not is_sha256(record.perturbed_sha256):
        yield "names its images by what is no hash"
    if record.invalid is not None and not (record.invalid and is_text(record.invalid)):
        yield "is invalid for a reason that is no sentence"
    if not all(map(is_text, record.remarks)) or not isinstance(record.environment, dict):
        yield "has remarks or an environment that are none"
    costs = (record.forwards, record.backwards, record.peak_memory)
    if not all(map(is_whole, costs)) or not is_length(record.seconds):
        yield "has costs that are no numbers"
    if record.finished.tzinfo is not None or (record.origin is not None and not is_text(record.origin)):
        yield "has a date or an origin that is none"
    if claimed not in (0, 1, None):
        yield "is neither claimed nor not"
    wrong = None if record.facts is None else _fact_fault(record.facts)
    if wrong:
        yield f"has facts that are none ({wrong})"


def _fact_fault(facts: Facts) -> str | None:
    return misfit(facts) or ("alike" if facts.alike[0] > facts.alike[1] else None)
