"""The help of every verb: groups, defaults, and examples that can be run."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from typer.main import get_command

from bench.cli.app import build
from bench.cli.examples import EXAMPLES
from bench.plugins.finding import entries
from bench.protocols import builtin_protocols
from bench.protocols.studies import builtin_studies
from tests.cli.command import bench

VERBS: dict[str, Any] = get_command(build()).commands  # type: ignore[attr-defined]  # it is a group
PANELS = {"What", "Budget", "How", "Where", "Output"}


def test_every_verb_has_its_examples() -> None:
    assert EXAMPLES.keys() == VERBS.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_help_ends_with_two_examples(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    code, out, err = bench(verb, "--help")
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    assert (code, err) == (0, "")
    assert lines[-3:] == ["Examples", *EXAMPLES[verb]]


@pytest.mark.parametrize("example", [each for pair in EXAMPLES.values() for each in pair])
def test_an_example_parses_and_names_what_there_is(example: str) -> None:
    program, verb, *words = shlex.split(example)
    assert program == "bench"
    given = VERBS[verb].make_context(verb, words).params
    known = {
        "defense": {entry.name for entry in entries("bench.defenses")} | {"all"},
        "attack": {entry.name for entry in entries("bench.attacks")} | {"none"},
        "dataset": {entry.name for entry in entries("bench.datasets")},
        "protocol": {*builtin_protocols()},
        "study": {*builtin_studies()},
    }
    known["source"], known["judge"] = known["defense"] | {"self"}, known["defense"] | {"none"}
    known["name"] = known["plugin"] = set().union(*known.values()) | {"./mine.py:Mine"}
    known["references"] = known["defense"]
    for role, names in known.items():
        named = given.get(role) or ()
        assert {*([named] if isinstance(named, str) else named)} <= names, role


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_stands_in_a_group(verb: str) -> None:
    loose = [option.name for option in VERBS[verb].params if option.param_type_name == "option"]
    panels = {option.name: option.rich_help_panel for option in VERBS[verb].params}
    assert {panels[name] for name in loose} <= PANELS, {name: panels[name] for name in loose}


@pytest.mark.parametrize("verb", VERBS)
def test_every_default_is_told(verb: str) -> None:
    """Of what is left to the protocol too; settings, and what is off unless it is asked for, need none."""
    options = [each for each in VERBS[verb].params if each.param_type_name == "option"]
    for option in options:
        if option.default is None and not (option.multiple or option.is_bool_flag or option.required):
            assert isinstance(option.show_default, str), option.name
