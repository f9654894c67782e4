"""What a study trains, and the settings and sources that may be trained weights, out of the tables of its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

from bench.domain.errors import UsageError
from bench.protocols.fields import Fields
from bench.protocols.studies.names import must_be_known

SOURCE = ("source", "source_params")


@dataclass(frozen=True)
class Adversarial:
    """The attack that makes a training's adversarial images."""

    attack: str
    epsilon: Fraction
    source: str
    params: Mapping[str, Any] = field(default_factory=dict)
    source_params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyTraining:
    """Weights that a study makes: the defense, its settings and those of its recipe."""

    name: str
    defense: str
    params: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seed: int
    adversarial: Adversarial | None = None

    def needs(self) -> tuple[str, ...]:
        """The names of the earlier trainings whose weights it is given."""
        made = self.adversarial
        settings = [self.params, self.recipe, {} if made is None else made.source_params]
        held = [value for each in settings for value in each.values()]
        return tuple(dict.fromkeys(value.training.name for value in held if isinstance(value, TrainedWeights)))


@dataclass(frozen=True)
class TrainedWeights:
    """A setting's value that is the weights of a training of the study."""

    training: StudyTraining


Trainings = Mapping[str, StudyTraining | None]
"""The trainings of a study by name; None for one that is left out on this data set or scale."""


def trainings_of(tables: Iterable[Fields], left_out: Iterable[str]) -> dict[str, StudyTraining | None]:
    """The trainings, in their order; each may be given the weights of earlier ones."""
    found: dict[str, StudyTraining | None] = dict.fromkeys(left_out)
    for table in tables:
        training = _training(table, found)
        found[training.name] = training
    return found


def _training(table: Fields, earlier: Trainings) -> StudyTraining:
    table.check(("name", "defense"), ("params", "recipe", "seed", "adversarial"))
    return StudyTraining(
        name=table.text("name"),
        defense=table.text("defense"),
        params=settings_of(table, "params", earlier),
        recipe=settings_of(table, "recipe", earlier),
        seed=table.count("seed", 0) or 0,
        adversarial=_adversarial(table.within("adversarial"), earlier),
    )


def _adversarial(table: Fields, earlier: Trainings) -> Adversarial | None:
    if not table.values:
        return None
    table.check(("attack", "epsilon", "source"), ("params", "source_params"))
    epsilon = cast(Fraction, table.epsilon())  # which was checked to be there
    source, source_params = source_of(table, earlier)
    return Adversarial(table.text("attack"), epsilon, source or "", table.settings(), source_params)


def source_of(table: Fields, trainings: Trainings) -> tuple[str | None, Mapping[str, Any]]:
    """What an attack sees, where the table says it, and its settings."""
    if "source" not in table and "source_params" in table:
        raise UsageError(f"{table.where} has source_params but no source; name the source as well.")
    return (table.text("source") if "source" in table else None), settings_of(table, "source_params", trainings)


def settings_of(table: Fields, key: str, trainings: Trainings) -> dict[str, Any]:
    """A table of settings, in which `{ trained = "NAME" }` stands for the weights of a training. Where that is left out
    on this data set or scale, so is the setting."""
    found: dict[str, Any] = {}
    for name, value in table.settings(key).items():
        if isinstance(value, dict) and list(value) == ["trained"]:
            wanted = str(value["trained"])
            must_be_known(wanted, trainings, f"{table.where}: {key} asks for weights that no earlier [[train]] makes:")
            training = trainings[wanted]
            if training is not None:
                found[name] = TrainedWeights(training)
        else:
            found[name] = value
    return found
