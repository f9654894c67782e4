"""A function as a verb: what typer reads of it, where it takes many options as one dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def flattened(call: Callable[..., None]) -> Callable[..., None]:
    """The same function with an option for each field of a dataclass that it takes, in that parameter's place, for
    typer knows no groups of parameters. All of its parameters are by keyword, so that their order is the help's."""
    signature = inspect.signature(call, eval_str=True)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        parameters += _fields(groups[name]) if name in groups else [parameter]

    @functools.wraps(call)
    def flat(**given: Any) -> None:
        made = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind)}) for name, kind in groups.items()
        }
        call(**given, **made)

    flat.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what inspect asks for
    return flat


def _fields(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(group)
    ]
