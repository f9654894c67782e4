"""Requests become plans in a process of its own, for naming a plugin already runs its code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.domain import errors
from bench.domain.errors import BenchError, PluginError
from bench.domain.plan import Plan

if TYPE_CHECKING:
    from bench.evaluation.planning import Request


def plans_of(requests: Sequence[Request], device: str) -> list[Plan | BenchError]:
    """The plan of each request on a device (a name, or 'auto'), or the error that says why there is none."""
    from bench.evaluation.workers import alone

    try:
        return [_read(*found) for found in alone("plan", (list(requests), device))]
    except PluginError as error:
        if len(requests) > 1:  # one of them ended the process, which is to cost the others nothing
            return [found for request in requests for found in plans_of([request], device)]
        return [PluginError(f"{error} In it {requests[0].defense} and {requests[0].attack} were loaded for a plan.")]


def plan_of(request: Request, device: str) -> Plan:
    """The plan of one request. Raises the `BenchError` that says why there is none."""
    (found,) = plans_of([request], device)
    if isinstance(found, BenchError):
        raise found
    return found


def _read(kind: str, document: Any, more: Any) -> Plan | BenchError:
    if kind == "plan":
        return Plan.from_document(document).placed(more)
    found: BenchError = getattr(errors, kind)(more)
    return found
