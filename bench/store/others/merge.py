"""Brings another store's results into this one: what is missing is judged again and copied, the rest is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from bench.domain.errors import UsageError
from bench.domain.plan import FIRST_HARNESS, Plan
from bench.domain.queries.watching import ignore
from bench.store.others.foreign import read_labels, read_plan, read_shards
from bench.store.others.merged import Difference, Merged, Refusal
from bench.store.rows.agreement import contradiction
from bench.store.rows.checking import UnfitError
from bench.store.rows.records import Whole
from bench.store.rows.writing import Filled

if TYPE_CHECKING:
    from bench.domain.defense import Watch
    from bench.store.images.artifacts import Artifacts
    from bench.store.others.lend import Lent
    from bench.store.store import Store


@dataclass(frozen=True)
class Examined:
    """What judging another store's shards of a plan again has shown: the first thing that cannot be true (`wrong`), and
    by shard why nobody can tell (`unchecked`)."""

    wrong: str | None = None
    unchecked: Mapping[int, str] = field(default_factory=dict)


class Examiner(Protocol):
    """Judges again what needs no model."""

    def __call__(self, plan: Plan, shards: Sequence[Whole], other: Store, images: Sequence[Artifacts]) -> Examined:
        """Examine shards of a plan that are `other`'s; `images` are where crafted images may lie, ours first."""


def merge(store: Store, other: Lent, examine: Examiner, watch: Watch = ignore, *, claimed: bool = False) -> Merged:
    """Copy the shards that this store lacks, and compare those that both have, plan by plan.

    A plan is one transaction. What is here already is never changed, so that merging again does nothing more. What
    `examine` finds wrong is refused, and so is what it cannot check, unless it is to be taken as `claimed`. Crafted
    images come along by their hash.
    """
    if store.path is not None and store.path.samefile(other.path):
        raise UsageError(f"{other.location} is the store that is merged into; give another one.")
    digests = other.store.digests()
    if not digests:
        raise UsageError(f"{other.location} holds no results, so that there is nothing to merge; check the file.")
    known = set(store.digests())
    taken: list[_Taken] = []
    refused: list[Refusal] = []
    for done, digest in enumerate(digests):
        watch(done, len(digests), f"plan {digest[:12]}")
        try:
            taken.append(_take(store, other, digest, examine, claimed))
        except UnfitError as reason:
            sentence = f"Plan {digest[:12]} of {other.location} was left out: {reason}."
            refused.append(Refusal(digest, None, sentence))
    watch(len(digests), len(digests), "crafted images")
    images = {name for each in taken for name in each.images}
    lacking = [name for name in sorted(images) if not store.artifacts.holds(name)]
    adopted = sum(store.artifacts.adopt(name, other.artifacts) for name in lacking)
    return Merged(
        location=other.location,
        plans=len(digests),
        new_plans=sum(bool(each.filled.copied) and each.plan.digest not in known for each in taken),
        copied=sum(each.filled.copied for each in taken),
        claimed=sum(each.claimed for each in taken),
        equal=sum(each.filled.equal for each in taken),
        images=adopted,
        missing=len(lacking) - adopted,
        differences=tuple(Difference(each.plan, each.filled.conflicts) for each in taken if each.filled.conflicts),
        refused=(*refused, *(refusal for each in taken for refusal in each.refused)),
    )


def keeps_images(plan: Plan) -> bool:
    """Whether the judged images of a plan lie in a file; those of untouched images and of proofs are the data set's."""
    return plan.harness == FIRST_HARNESS or not (plan.is_untouched or plan.knowledge == "certified")


@dataclass(frozen=True)
class _Taken:
    """What came of one plan; `images` names the crafted images that should be here now."""

    plan: Plan
    filled: Filled
    claimed: int
    refused: tuple[Refusal, ...]
    images: frozenset[str]


def _take(store: Store, other: Lent, digest: str, examine: Examiner, claimed: bool) -> _Taken:
    plan = read_plan(other.store, digest)
    theirs = read_shards(other.store, plan)
    mine = {whole[0].number: whole for whole in _here(store, plan)}
    both = (outcome for _, outcomes in (*mine.values(), *theirs) for outcome in outcomes)
    draws = {(len(outcome.clean), len(outcome.perturbed)) for outcome in both}
    if not mine.keys() & {record.number for record, _ in theirs} and len(draws) > 1:
        raise UnfitError("its samples have another number of predictions than those here")
    examined = Examined()
    if not all(_is_settled(plan, mine.get(whole[0].number), whole) for whole in theirs):
        examined = examine(plan, theirs, other.store, (store.artifacts, other.artifacts))
    if examined.wrong:
        raise UnfitError(examined.wrong)
    offered, unchecked = [], []
    for record, outcomes in theirs:
        doubtful = record.number in examined.unchecked
        if doubtful and not claimed and record.number not in mine:
            unchecked.append(record.number)
        else:
            offered.append((replace(record, origin=other.path.name, claimed=doubtful), outcomes))
    filled = store.fill(plan, offered) if offered else Filled(0, 0)
    copied = [] if filled.conflicts else [record for record, _ in offered if record.number not in mine]
    doubted = _uncheckable(plan, other, unchecked, examined.unchecked)
    names = [] if filled.conflicts or not keeps_images(plan) else [record.perturbed_sha256 for record, _ in offered]
    if filled.equal or filled.copied:
        labels, unfit = read_labels(other.store, digest)
        store.labels.add([plan], labels, computed_here=False)
    else:
        unfit = ()
    return _Taken(
        plan=plan,
        filled=filled,
        claimed=sum(record.claimed for record in copied),
        refused=(*_illegible(plan, other, unfit), *(() if filled.conflicts else doubted)),
        images=frozenset(names),
    )


def _illegible(plan: Plan, other: Lent, reasons: Sequence[str]) -> tuple[Refusal, ...]:
    """What of a plan's tags and notes was left out; its results were not."""
    which = f"On plan {plan.digest[:12]} of {other.location} is written what was left out"
    return tuple(Refusal(plan.digest, (), f"{which}: {reason}") for reason in reasons)


def _here(store: Store, plan: Plan) -> Sequence[Whole]:
    """The shards of a plan that are here; `UnfitError` where nothing may stand beside what is."""
    if plan.digest not in store.digests():
        return ()
    try:
        read_plan(store, plan.digest)
        return read_shards(store, plan)
    except UnfitError as reason:
        hint = store.hint("remove", plan.digest[:12])
        raise UnfitError(f"of what is here already, {reason}; take that out first: {hint}") from None


def _is_settled(plan: Plan, mine: Whole | None, theirs: Whole) -> bool:
    """Whether a shard that is offered is here already, equal and no mere claim."""
    return mine is not None and not mine[0].claimed and contradiction(plan, mine, theirs) is None


def _uncheckable(plan: Plan, other: Lent, numbers: Sequence[int], reasons: Mapping[int, str]) -> tuple[Refusal, ...]:
    """One refusal a reason."""
    by_reason: dict[str, list[int]] = {}
    for number in numbers:
        by_reason.setdefault(reasons[number], []).append(number)
    found = []
    for reason, shards in by_reason.items():
        which = f"Shard{'s' if len(shards) > 1 else ''} {', '.join(map(str, shards))}"
        them = "them" if len(shards) > 1 else "it"
        sentence = (
            f"{which} of plan {plan.digest[:12]} of {other.location} cannot be checked: {reason}. "
            f"--claimed takes {them} all the same, marked as claimed."
        )
        found.append(Refusal(plan.digest, tuple(shards), sentence, claimable=True))
    return tuple(found)
