from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest

from bench import Part, PluginError, UsageError
from bench.plugins.settings import as_json, configure, describe, override, parse_pairs, spell_out


@dataclass(frozen=True)
class Example:
    steps: int = 10
    step_size: Fraction = Fraction(2, 255)
    rate: float = 0.5
    restart: bool = True
    loss: Literal["l1", "l2"] = "l1"
    names: tuple[str, ...] = ()
    stages: tuple[int, ...] | None = None
    weights: Path | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError("steps must be at least 1")


def test_text_becomes_the_type_of_the_field() -> None:
    numbers = ["steps=3", "step_size=1/255", "rate=0.1", "stages=1,2"]
    words = ["restart=off", "loss=l2", "names=a,b", "weights=x.bin"]
    example = configure(Example, parse_pairs([*numbers, *words]), "example")
    assert example == Example(3, Fraction(1, 255), 0.1, False, "l2", ("a", "b"), (1, 2), Path("x.bin"))


def test_settings_that_were_spelled_out_build_an_equal_plugin() -> None:
    example = Example(step_size=Fraction(1, 3), names=("a",), weights=Path("x"))
    assert configure(Example, spell_out(example), "example") == example
    assert describe(Example)["step_size"] == "2/255"


def test_none_is_a_value_where_the_field_admits_it() -> None:
    assert configure(Example, {"weights": "none"}, "example").weights is None


@pytest.mark.parametrize(
    ("pair", "hint"),
    [
        ("stepz=3", "Did you mean 'steps'"),
        ("steps=many", "whole number"),
        ("restart=perhaps", "true or false"),
        ("loss=l3", "one of l1, l2"),
        ("step_size=x", "8/255"),
        ("steps=0", "at least 1"),
        ("steps", "key=value"),
    ],
)
def test_a_setting_that_does_not_fit_says_what_would(pair: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        configure(Example, parse_pairs([pair]), "example")


@dataclass(frozen=True)
class Demanding:
    model: str
    steps: int = 1


def test_a_setting_without_a_default_that_is_not_given_is_named() -> None:
    assert configure(Demanding, {"model": "m"}, "demanding") == Demanding("m")
    with pytest.raises(UsageError, match=r"demanding needs a value of its setting model, .* a defense -D model=VALUE"):
        configure(Demanding, {"steps": 2}, "demanding")


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        parse_pairs(["a=1", "a=2"])


def test_override_keeps_what_is_not_named() -> None:
    assert override(Example(rate=0.25), {"steps": "4"}, "example") == Example(steps=4, rate=0.25)


@dataclass(frozen=True)
class Fragile:
    part: Part = Part("resnet")
    words: Any = None

    def __post_init__(self) -> None:
        if self.words == "fail":
            raise RuntimeError("out of paper")
        if self.words == "leave":
            raise SystemExit(3)


@pytest.mark.parametrize("word", ["fail", "leave"])
def test_a_plugin_that_fails_to_be_made_is_named(word: str) -> None:
    with pytest.raises(PluginError, match="example failed with") as caught:
        configure(Fragile, {"words": word}, "example")
    assert caught.value.culprit == "example"


def test_a_part_may_be_given_as_one_and_paths_inside_are_plain() -> None:
    part = Part("resnet", {"weights": Path("x")})
    made = configure(Fragile, {"part": part, "words": {"a": (Path("y"), Fraction(1, 3))}}, "example")
    plain = {"part": {"name": "resnet", "params": {"weights": "x"}, "version": ""}, "words": {"a": ["y", "1/3"]}}
    assert made.part == part
    assert spell_out(made) == as_json(spell_out(made)) == plain


def test_settings_are_as_a_store_gives_them_back() -> None:
    assert as_json({"a": {1: (2, 3)}}) == {"a": {"1": [2, 3]}}
    with pytest.raises(PluginError, match="setting b is no plain data"):
        as_json({"a": 1, "b": {1, 2}})
