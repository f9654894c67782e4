"""From results under common corruptions to corruption errors: by kind and severity, and their means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean

from bench.datasets.cifar10_c import COMMON, SEVERITIES
from bench.domain.errors import UsageError, closest
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.report.rows import identity
from bench.report.summary import Result
from bench.stats import Proportion

NORM, KIND = "corruption", "kind"


@dataclass(frozen=True)
class CorruptionErrors:
    """One defense's share of errors on clean images and, by kind and severity, on corrupted ones.

    All of them are of the same samples, seeds and draws; `example` is any of the plans. `missing` names the cells,
    of 15 kinds and 5 severities, that no complete and valid result fills.
    """

    example: Plan
    clean: Proportion
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
    model's clean error first (Hendrycks and Dietterich 2019, 1903.12261, section 4.2: mCE and Relative mCE).
    """

    subject: CorruptionErrors
    baseline: CorruptionErrors
    mean: float | None
    relative: float | None


def corruption_errors(results: Iterable[Result]) -> tuple[CorruptionErrors, ...]:
    """One entry for every defense and setting that results in the norm 'corruption' speak of, in their order.

    A kind is an attack's setting of that name; kinds beyond the 15 have errors but no part in the mean. Results of
    other norms and of attacks without kinds are left out, those that do not count are missing.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        plan = result.plan
        if plan.threat.norm == NORM and KIND in plan.attack.params:
            groups.setdefault((identity(plan.defense), _setting(plan)), []).append(result)
    return tuple(_errors(group) for group in groups.values())


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


def _errors(results: Sequence[Result]) -> CorruptionErrors:
    cells: dict[str, dict[int, Proportion]] = {}
    for result in results:
        if result.counts:
            kind, severity = str(result.plan.attack.params[KIND]), int(result.plan.threat.epsilon)
            cells.setdefault(kind, {})[severity] = _failures(result.robust.mean)
    missing = tuple(
        (kind, severity) for kind in COMMON for severity in SEVERITIES if severity not in cells.get(kind, {})
    )
    order = [kind for kind in COMMON if kind in cells] + sorted(cells.keys() - set(COMMON))
    fullest = max(results, key=lambda result: result.n)
    errors = {kind: dict(sorted(cells[kind].items())) for kind in order}
    return CorruptionErrors(fullest.plan, _failures(fullest.clean.mean), errors, missing)


def _setting(plan: Plan) -> str:
    """What plans share that differ in defense, kind and severity only."""
    params = {key: value for key, value in plan.attack.params.items() if key != KIND}
    attack, threat = replace(plan.attack, params=params), ThreatModel(NORM, Fraction(SEVERITIES[0]))
    return replace(plan, defense=Spec(""), attack=attack, threat=threat).digest


def _ratio(table: CorruptionErrors, baseline: CorruptionErrors, *, clean: bool) -> float | None:
    if table.missing or baseline.missing:
        return None
    mine, other = ([_above(one, kind, clean=clean) for kind in COMMON] for one in (table, baseline))
    if not all(other):
        return None
    return fmean(first / second for first, second in zip(mine, other, strict=True))


def _above(table: CorruptionErrors, kind: str, *, clean: bool) -> float:
    """A kind's mean error, of which the clean error may be taken off."""
    return table.by_kind[kind].rate - (table.clean.rate if clean else 0)


def _failures(right: Proportion) -> Proportion:
    return Proportion(right.n - right.successes, right.n)


def _mean(shares: Sequence[Proportion]) -> Proportion:
    """The mean of shares of the same samples."""
    return Proportion(fmean(share.successes for share in shares), shares[0].n)
