"""From results under common corruptions to corruption errors: by kind and severity, and their means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean

from bench.analysis.results.summary import Result
from bench.analysis.specs import identity
from bench.datasets.cifar10_c import COMMON, KINDS, SEVERITIES
from bench.domain.errors import UsageError, closest
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.stats import Proportion

NORM, KIND, SEVERITY = "corruption", "kind", "severity"
CORRUPTED = "-c"
"""What the names of data sets of corrupted images end in; the others' images are the clean ones."""


@dataclass(frozen=True)
class CorruptionErrors:
    """One defense's share of errors on clean images and, by kind and severity, on corrupted ones.

    All of them are of the same samples, seeds and draws; `example` is any of the plans. `clean` is None where the
    corrupted images are a data set's own and no result tells of the clean ones. `missing` names the cells, of 15 kinds
    and 5 severities, that no complete and valid result fills.
    """

    example: Plan
    clean: Proportion | None
    errors: Mapping[str, Mapping[int, Proportion]]
    missing: tuple[tuple[str, int], ...]

    @property
    def by_kind(self) -> dict[str, Proportion]:
        """The mean over the severities of each kind that has all five."""
        full = {kind: cells for kind, cells in self.errors.items() if len(cells) == len(SEVERITIES)}
        return {kind: _mean(list(cells.values())) for kind, cells in full.items()}

    @property
    def mean(self) -> Proportion | None:
        """The mean corruption error over the 15 common kinds, unnormalised as is customary for CIFAR-10-C.

        None while cells are missing. Its interval is that of as many samples, of which each counts by its share of
        errors; it is never too narrow for them.
        """
        return None if self.missing else _mean([self.by_kind[kind] for kind in COMMON])


@dataclass(frozen=True)
class Comparison:
    """A defense's corruption errors in units of a baseline's; None where cells are missing or the baseline's are 0.

    `mean` averages over kinds the sum of errors over severities, divided by the baseline's; `relative` subtracts each
    model's clean error first, and is None where that is not known (Hendrycks and Dietterich 2019, 1903.12261, section
    4.2: mCE and Relative mCE).
    """

    subject: CorruptionErrors
    baseline: CorruptionErrors
    mean: float | None
    relative: float | None


def corruption_errors(results: Iterable[Result]) -> tuple[CorruptionErrors, ...]:
    """One entry for every defense and setting that results under common corruptions speak of, in their order.

    These are results in the norm 'corruption', whose kind is the attack's setting of that name, and results on the
    untouched images of a data set that is corrupted itself, as cifar10-c, whose kind and severity are its settings; the
    two are never mixed. Kinds beyond the 15 have errors but no part in the mean. Other results are left out, those that
    do not count are missing.
    """
    groups: dict[tuple[str, str, str], list[Result]] = {}
    clean: dict[tuple[str, str, str], Proportion] = {}
    for result in results:
        if _cell(result.plan) is not None:
            groups.setdefault(_group(result.plan), []).append(result)
        elif result.counts:
            clean.setdefault(_group(_as_corrupted(result.plan)), _failures(result.clean.mean))
    return tuple(_errors(group, clean.get(key)) for key, group in groups.items())


def compare(tables: Sequence[CorruptionErrors], baseline: str) -> tuple[Comparison, ...]:
    """Every table of the setting in which the baseline, a defense's name, has one; its own gives 1 and 1.

    Raises `UsageError` where the baseline has none, or several in one setting.
    """
    bases: dict[str, CorruptionErrors] = {}
    for table in tables:
        setting = _setting(table.example)
        if table.example.defense.name == baseline:
            if setting in bases:
                raise UsageError(f"{baseline} is there with different settings; a baseline must be one defense.")
            bases[setting] = table
    if not bases:
        names = {table.example.defense.name for table in tables}
        raise UsageError(f"No corruption errors of {baseline!r} are stored.{closest(baseline, names)}")
    pairs = [(table, bases.get(_setting(table.example))) for table in tables]
    return tuple(
        Comparison(table, base, _ratio(table, base, clean=False), _ratio(table, base, clean=True))
        for table, base in pairs
        if base is not None
    )


def _errors(results: Sequence[Result], clean: Proportion | None) -> CorruptionErrors:
    cells: dict[str, dict[int, Proportion]] = {}
    for result in results:
        cell = _cell(result.plan)
        if result.counts and cell is not None:
            cells.setdefault(cell[0], {})[cell[1]] = _failures(result.robust.mean)
    missing = tuple(
        (kind, severity) for kind in COMMON for severity in SEVERITIES if severity not in cells.get(kind, {})
    )
    order = [kind for kind in COMMON if kind in cells] + sorted(cells.keys() - set(COMMON))
    fullest = max(results, key=lambda result: result.n)
    errors = {kind: dict(sorted(cells[kind].items())) for kind in order}
    if not fullest.plan.is_untouched:
        clean = _failures(fullest.clean.mean)
    return CorruptionErrors(fullest.plan, clean, errors, missing)


def _cell(plan: Plan) -> tuple[str, int] | None:
    """The kind and the severity of the corruption that a plan is about; None for any other plan."""
    if plan.threat.norm == NORM and KIND in plan.attack.params:
        return str(plan.attack.params[KIND]), int(plan.threat.epsilon)
    kind, severity = (plan.dataset.params.get(key) for key in (KIND, SEVERITY))
    corrupted = plan.is_untouched and plan.dataset.name.endswith(CORRUPTED) and kind in KINDS
    return (str(kind), int(str(severity))) if corrupted and severity in SEVERITIES else None


def _group(plan: Plan) -> tuple[str, str, str]:
    return identity(plan.defense), plan.precision, _setting(plan)


def _setting(plan: Plan) -> str:
    """What plans share that differ in defense, kind and severity only."""
    common = replace(plan, defense=Spec(""), precision="")
    if plan.is_untouched:
        params = {key: value for key, value in plan.dataset.params.items() if key not in (KIND, SEVERITY)}
        return replace(common, dataset=Spec(plan.dataset.name, params, version=""), images="").digest
    params = {key: value for key, value in plan.attack.params.items() if key != KIND}
    attack, threat = replace(plan.attack, params=params), ThreatModel(NORM, Fraction(SEVERITIES[0]))
    return replace(common, attack=attack, threat=threat).digest


def _as_corrupted(plan: Plan) -> Plan:
    """A plan on clean images as it would be on the same samples corrupted."""
    return replace(plan.untouched(), dataset=replace(plan.dataset, name=plan.dataset.name + CORRUPTED))


def _ratio(table: CorruptionErrors, baseline: CorruptionErrors, *, clean: bool) -> float | None:
    if table.missing or baseline.missing or (clean and None in (table.clean, baseline.clean)):
        return None
    mine, other = ([_above(one, kind, clean=clean) for kind in COMMON] for one in (table, baseline))
    if not all(other):
        return None
    return fmean(first / second for first, second in zip(mine, other, strict=True))


def _above(table: CorruptionErrors, kind: str, *, clean: bool) -> float:
    """A kind's mean error, of which the clean error may be taken off."""
    return table.by_kind[kind].rate - (table.clean.rate if clean and table.clean else 0)


def _failures(right: Proportion) -> Proportion:
    return Proportion(right.n - right.successes, right.n)


def _mean(shares: Sequence[Proportion]) -> Proportion:
    """The mean of shares of the same samples."""
    return Proportion(fmean(share.successes for share in shares), shares[0].n)
