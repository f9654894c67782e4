"""Which of a defense's results are the runs of an examination (`bench diagnose`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.protocols.examination import EXAMS

if TYPE_CHECKING:
    from bench.analysis.results.entries import Judged
    from bench.domain.plan import Plan


def recognised(judged: Sequence[Judged]) -> dict[str, Judged]:
    """Which of one defense's results are the runs of an examination, by name.

    The budget is that of the composed attack, or else of the smallest PGD; sources and noise are as the runs have them.
    """
    for norm in ("linf", "l2"):
        ours = [pair for pair in judged if pair[0].plan.threat.norm == norm]
        bases = [pair[0].plan.threat.epsilon for pair in ours if pair[0].plan.attack.name == f"probe-{norm}"]
        if not bases:
            continue
        base = min(bases)
        return {
            name: pair
            for name, exam in EXAMS.items()
            for pair in ours
            if exam.name(norm) == pair[0].plan.attack.name
            and exam.epsilon(norm, base) == pair[0].plan.threat.epsilon
            and _has(pair[0].plan, exam.params(norm))
            and (pair[0].plan.source is not None) == exam.source
            and pair[0].plan.fixed_noise == exam.fixed_noise
        }
    return {}


def _has(plan: Plan, params: Mapping[str, Any]) -> bool:
    usual = {"steps": 40, "restarts": 1, "draws": 1} if plan.attack.name.startswith("pgd-") else {}
    return all(plan.attack.params.get(key) == value for key, value in {**usual, **params}.items())
