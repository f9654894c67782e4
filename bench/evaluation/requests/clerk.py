"""Requests become plans in a process of its own, for naming a plugin already runs its code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.domain.errors import BenchError, PluginError, error_of
from bench.domain.plan import HARNESS, UNTOUCHED, Plan
from bench.plugins.finding import name_of
from bench.protocols.protocol import SHARED, fixed_in

if TYPE_CHECKING:
    from bench.evaluation.requests.request import Request


def plans_of(requests: Sequence[Request], device: str) -> list[Plan | BenchError]:
    """The plan of each request on a device (a name, or 'auto'), or the error that says why there is none."""
    from bench.executors.worker import alone

    try:
        answers = alone("plan", (list(requests), device))
        return [_read(request, *found) for request, found in zip(requests, answers, strict=True)]
    except PluginError as error:
        if len(requests) > 1:  # one of them ended the process, which is to cost the others nothing
            return [found for request in requests for found in plans_of([request], device)]
        return [PluginError(f"{error} In it {requests[0].defense} and {requests[0].attack} were loaded for a plan.")]


def _read(request: Request, kind: str, document: Any, more: Any) -> Plan | BenchError:
    if kind == "plan":
        plan = Plan.from_document(document).placed(more)
        other = _otherwise(request, plan)
        return PluginError(f"{request.defense} or {request.attack} changed its plan: {other}.") if other else plan
    return error_of(kind, more)


def _otherwise(request: Request, plan: Plan) -> str | None:
    """What of a plan is not as it was asked for, as far as that needs no plugin; the process that made it ran some."""
    protocol, wanted = request.protocol, request.wanted()
    for name, value in wanted.items():
        if name in fixed_in(plan, wanted["shard_size"]) and getattr(plan, name) != value:
            return f"{name} is {getattr(plan, name)} instead of {value}"
    for role in ("defense", "attack", "dataset"):
        name = name_of(getattr(request, role))[0]
        if getattr(plan, role).name != name:
            return f"the {role} is {getattr(plan, role).name} instead of {name}"
    if plan.harness != HARNESS or plan.is_untouched != (request.attack == UNTOUCHED.name):
        return f"it is one of {plan.threat}"
    shared = protocol.epsilon if plan.threat.norm in SHARED else None
    epsilon = request.epsilon or protocol.entry(request.attack).epsilon or shared
    if not plan.is_untouched and epsilon is not None and plan.threat.epsilon != epsilon:
        return f"epsilon is {plan.threat.epsilon} instead of {epsilon}"
    return None
