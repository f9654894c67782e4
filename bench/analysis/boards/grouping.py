"""Which of a store's plans stand side by side: those of one protocol, or of equal settings, and one source."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.analysis.results.entries import Entry
from bench.analysis.results.seeds import seedless, spread
from bench.analysis.specs import identity
from bench.domain.dataset import Dataset
from bench.domain.errors import BenchError
from bench.domain.plan import HARNESS, Plan, Spec
from bench.plugins.registry import attacks, datasets
from bench.plugins.settings import spell_out
from bench.protocols import Protocol, builtin_protocols, covers
from bench.protocols.protocol import JUDGED, SETTINGS


@dataclass(frozen=True)
class Group:
    """Entries that will stand on one leaderboard; `untouched` are those of the images as they are."""

    protocol: Protocol | None
    source: Spec | None
    entries: list[Entry]
    untouched: list[Entry] = field(default_factory=list)


def grouped(entries: Sequence[Entry], protocols: Iterable[Protocol]) -> list[Group]:
    """The groups in the order of the protocols, then those of other settings, then those of untouched images alone."""
    known = [_spelled_out(protocol) for protocol in protocols]
    groups = _fullest(_groups(entries, known))
    return [*groups, *_attach(groups, entries, known)]


def defense_of(plan: Plan) -> tuple[str, str]:
    """What tells one row's defense from another's."""
    return identity(plan.defense), plan.precision


def _fullest(groups: Sequence[Group]) -> list[Group]:
    """The groups but for those of no protocol, or of a built-in one, that only repeat others."""
    shown: set[str] = set()
    kept: set[int] = set()
    for number, group in sorted(enumerate(groups), key=lambda numbered: -len(numbered[1].entries)):
        digests = {entry.plan.digest for entry in group.entries}
        if _is_own(group.protocol):
            kept.add(number)
        elif digests - shown:
            shown |= digests
            kept.add(number)
    return [group for number, group in enumerate(groups) if number in kept]


def _is_own(protocol: Protocol | None) -> bool:
    """Whether a protocol is somebody's own."""
    return protocol is not None and protocol.name not in builtin_protocols()


def _groups(entries: Sequence[Entry], known: Sequence[Protocol]) -> list[Group]:
    """The candidates for leaderboards: a protocol's in the order of the protocols, then those of other settings."""
    customs = {name: _customs(name) for name in {entry.plan.dataset.name for entry in entries}}
    own: dict[Hashable, Group] = {}
    listed: list[dict[Hashable, Group]] = [{} for _ in known]
    families = _families(entry for entry in entries if not entry.plan.is_untouched)
    for family in families:
        covered = False
        for protocol, groups in zip(known, listed, strict=True):
            for entry in family:
                plan = entry.plan
                if covers(protocol, plan, *customs[plan.dataset.name]):
                    covered = True
                    source = plan.defense if plan.source is None and protocol.source else plan.source
                    key = (_setting(plan), identity(source))
                    groups.setdefault(key, Group(protocol, source, [])).entries.append(_spread(entry, family))
        if not covered:
            entry = _usual(family)
            plan = entry.plan
            group = own.setdefault((_setting(plan), identity(plan.source)), Group(None, plan.source, []))
            group.entries.append(_spread(entry, family))
    usual = [_spread(_usual(family), family) for family in families]
    for group in own.values():
        _join(group, usual)
    return [group for groups in (*listed, own) for group in groups.values()]


def _families(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The entries that differ only in their seed, one a seed: the one of the newest bench."""
    found: dict[str, dict[int, Entry]] = {}
    for entry in entries:
        plan = entry.plan
        seeds = found.setdefault(seedless(replace(plan, harness=HARNESS)), {})
        if plan.seed not in seeds or seeds[plan.seed].result.plan.harness < plan.harness:
            seeds[plan.seed] = entry
    return [list(seeds.values()) for seeds in found.values()]


def _usual(family: Sequence[Entry]) -> Entry:
    """The one of a family that stands for it: of the newest bench, under a built-in protocol's seed, or the lowest."""
    seeds = {protocol.seed for protocol in builtin_protocols().values()}
    newest = max(entry.plan.harness for entry in family)
    plans = [entry for entry in family if entry.plan.harness == newest]
    return min(plans, key=lambda entry: (entry.plan.seed not in seeds, entry.plan.seed))


def _spread(entry: Entry, family: Sequence[Entry]) -> Entry:
    """The entry with the spread over those of its family, and of its bench, that count."""
    harness = entry.plan.harness
    whole = [each for each in family if each.result.counts and each.result.plan.harness == harness]
    if len(whole) < 2 or entry not in whole:
        return entry
    found = spread([(each.result.plan, each.outcomes) for each in whole])
    return entry._replace(result=replace(entry.result, spread=found))


def _join(group: Group, entries: Iterable[Entry]) -> None:
    """Add the other plans that fit, among them the white-box row of the source whose images the group reads."""
    columns = {identity(entry.column) for entry in group.entries}
    present = {entry.plan.digest for entry in group.entries}
    setting, source = _setting(group.entries[0].result.plan), identity(group.source)
    for entry in entries:
        plan = entry.plan
        is_source = plan.source is None and identity(plan.defense) == source
        fits = _setting(plan) == setting and identity(entry.column) in columns
        if fits and plan.digest not in present and (is_source or identity(plan.source) == source):
            group.entries.append(entry)


def _attach(groups: Sequence[Group], entries: Sequence[Entry], known: Sequence[Protocol]) -> list[Group]:
    """Give the untouched images to the groups whose rows they are of; what is left makes groups of its own."""
    left: dict[Hashable, Group] = {}
    places = [{place_of(entry) for entry in group.entries} for group in groups]
    for family in _families(entry for entry in entries if entry.plan.is_untouched):
        taken = False
        for entry in family:
            mine = place_of(entry)
            for group, known_here in zip(groups, places, strict=True):
                if mine in known_here:
                    group.untouched.append(entry)
                    taken = True
        if not taken:
            entry = _usual(family)
            plan = entry.plan
            customs = _customs(plan.dataset.name)
            protocol = next((each for each in known if covers(each, plan, *customs)), None)
            group = left.setdefault(_setting(plan), Group(protocol, None, []))
            group.untouched.append(entry)
    return list(left.values())


def place_of(entry: Entry) -> Hashable:
    """Whose row an entry is part of: equal settings and an equal defense, attacked or not."""
    plan = entry.plan
    shared = (getattr(plan, setting) for setting in JUDGED)
    return (identity(plan.dataset), plan.images, *shared, *defense_of(plan))


def _setting(plan: Plan) -> Hashable:
    """What all plans of a leaderboard share, the source aside; corruptions, which nobody intends, stand apart."""
    shared = (getattr(plan, setting) for setting in SETTINGS)
    return (identity(plan.dataset), plan.images, plan.threat.norm == "corruption", *shared)


def _spelled_out(protocol: Protocol) -> Protocol:
    """The protocol with every setting of its attacks, so that a plan with another one is not taken for its own."""
    spelled = []
    for attack in protocol.attacks:
        try:
            params: Mapping[str, Any] = spell_out(attacks.make(attack.name, attack.params))
        except BenchError:
            params = attack.params  # not installed here: what the protocol lists must do
        spelled.append(replace(attack, params=params))
    return replace(protocol, attacks=tuple(spelled))


def _customs(dataset: str) -> tuple[Mapping[str, str], int]:
    """The budgets and the shards' size that are customary on a data set that is registered; one that is a file or a
    module is not run for it."""
    if not datasets.holds(dataset.partition(":")[0]):
        return {}, Dataset.shard_size
    try:
        found = datasets.find(dataset)
        return found.budgets, found.shard_size
    except BenchError:
        return {}, Dataset.shard_size  # its plugin is not installed here, so nothing is customary
