"""`bench diagnose`: the runs of an examination, as requests."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from bench.domain.errors import UsageError
from bench.evaluation.requests.named import SELF
from bench.evaluation.requests.request import Request
from bench.plugins.registry import datasets
from bench.protocols.examination import EXAMS, STRANGERS


def exams(request: Request, norm: str, random: bool) -> dict[str, Request]:
    """The runs by name, at multiples of the request's budget or the data set's customary one; those that only a random
    defense needs where it is one."""
    epsilon = request.epsilon or _customary(request, norm)
    return {
        name: replace(
            request,
            attack=exam.name(norm),
            attack_settings=exam.params(norm),
            epsilon=exam.epsilon(norm, epsilon),
            source=next(each for each in STRANGERS if each != request.defense) if exam.source else SELF,
            fixed_noise=exam.fixed_noise,
            draws=1 if exam.fixed_noise else request.draws,
        )
        for name, exam in EXAMS.items()
        if random or not exam.random
    }


def _customary(request: Request, norm: str) -> Fraction:
    budgets = datasets.find(request.dataset).budgets
    if norm not in budgets:
        raise UsageError(f"{request.dataset} has no customary budget for {norm}; give one with --epsilon.")
    return Fraction(budgets[norm])
