"""The command line that runs a plan again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from bench.domain.plan import Plan
from bench.domain.threat import format_epsilon
from bench.protocols import Protocol, builtin_protocols


def rerun(plan: Plan, protocol: Protocol | None) -> str:
    """The `bench evaluate` command of a plan, for a shell, on one line.

    A built-in protocol stands for the settings that it fixes; any other is spelled out.
    """
    named = protocol if protocol is not None and protocol.name in builtin_protocols() else None
    words = ["bench", "evaluate"]
    words += ["--defense", plan.defense.name, *_settings("-D", plan.defense.params)]
    words += ["--attack", plan.attack.name, *_settings("-A", _beyond(plan, named))]
    words += ["--dataset", plan.dataset.name, *_settings("-S", plan.dataset.params)]
    source = ["--source", "self" if plan.source is None else plan.source.name]
    if named is None:
        words += [*source, "--epsilon", _exact(plan.threat.epsilon)]
        words += ["--samples", f"{plan.samples}", "--sampling", plan.sampling, "--sample-seed", f"{plan.sample_seed}"]
        words += ["--seed", f"{plan.seed}", "--draws", f"{plan.draws}", "--shard-size", f"{plan.shard_size}"]
    else:
        words += ["--protocol", named.name, *(source if plan.source is None and named.source else [])]
    return shlex.join(words)


def setting_text(value: Any) -> str:
    """A setting's value as one writes it after `key=`."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(setting_text, value))
    return str(value)


def _beyond(plan: Plan, protocol: Protocol | None) -> Mapping[str, Any]:
    """The attack's settings that its protocol does not give it anyway."""
    listed = next((attack.params for attack in protocol.attacks if attack.fixes(plan.attack)), {}) if protocol else {}
    return {key: value for key, value in plan.attack.params.items() if key not in listed}


def _settings(option: str, params: Mapping[str, Any]) -> list[str]:
    return [word for key, value in params.items() for word in (option, f"{key}={setting_text(value)}")]


def _exact(epsilon: Fraction) -> str:
    short = format_epsilon(epsilon)
    return short if Fraction(short) == epsilon else str(epsilon)
