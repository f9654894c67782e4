"""The command line that runs a plan again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from bench.domain.errors import BenchError
from bench.domain.plan import Plan
from bench.domain.threat import format_epsilon
from bench.plugins.registry import defenses
from bench.plugins.settings import spell_out, written
from bench.protocols import Protocol, builtin_protocols


def rerun(plan: Plan, protocol: Protocol | None) -> str:
    """The `bench evaluate` command of a plan, for a shell, on one line.

    A built-in protocol stands for the settings that it fixes; any other is spelled out. Files are named by where they
    lie on this machine, where that is known.
    """
    named = protocol if protocol is not None and protocol.name in builtin_protocols() else None
    words = ["bench", "evaluate"]
    words += ["--defense", plan.defense.reference, *_settings("-D", plan.defense.settings)]
    words += ["--attack", plan.attack.reference, *_settings("-A", _beyond(plan, named))]
    words += ["--dataset", plan.dataset.reference, *_settings("-S", plan.dataset.settings)]
    source = _source(plan)
    if named is None:
        words += [] if plan.is_untouched else [*source, "--epsilon", _exact(plan.threat.epsilon)]
        words += ["--samples", f"{plan.samples}", "--sampling", plan.sampling, "--sample-seed", f"{plan.sample_seed}"]
        words += ["--seed", f"{plan.seed}", "--draws", f"{plan.draws}", "--shard-size", f"{plan.shard_size}"]
        words += ["--fixed-noise"] * plan.fixed_noise
        words += [] if plan.passes is None else ["--passes", f"{plan.passes}"]
    else:
        usual = ["--source", named.source or "self"]
        words += ["--protocol", named.name, *([] if plan.is_untouched or source == usual else source)]
    return shlex.join(words)


def _beyond(plan: Plan, protocol: Protocol | None) -> Mapping[str, Any]:
    """The attack's settings that its protocol does not give it anyway."""
    listed = next((attack.params for attack in protocol.attacks if attack.fixes(plan.attack)), {}) if protocol else {}
    return {key: value for key, value in plan.attack.settings.items() if key not in listed}


def _source(plan: Plan) -> list[str]:
    """Where the images are to come from, with the settings that a source of this name does not have anyway."""
    if plan.source is None:
        return ["--source", "self"]
    given = plan.source.settings
    try:
        usual = spell_out(defenses.make(plan.source.name, {})) if defenses.holds(plan.source.name) else None
    except BenchError:
        usual = None
    if usual is not None:
        given = {key: value for key, value in given.items() if key in usual and usual[key] != value}
    return ["--source", plan.source.reference, *_settings("--source-setting", given)]


def _settings(option: str, params: Mapping[str, Any]) -> list[str]:
    return [word for key, text in written(params).items() for word in (option, f"{key}={text}")]


def _exact(epsilon: Fraction) -> str:
    short = format_epsilon(epsilon)
    return short if Fraction(short) == epsilon else str(epsilon)
