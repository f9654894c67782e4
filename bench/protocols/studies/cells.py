"""The rows and columns of a study, the defenses and attacks whose cells are evaluated, out of its file's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bench.domain.errors import UsageError
from bench.protocols.fields import Fields
from bench.protocols.protocol import Protocol
from bench.protocols.studies.names import Names, must_be_known
from bench.protocols.studies.trainings import SOURCE, Trainings, settings_of, source_of

Cell = tuple[str, str]
"""A row's name and a column's."""


@dataclass(frozen=True)
class StudyRow:
    """A defense of the paper. `weights` names the training whose weights it has, by column; under `*` for all others;
    where none is named it has its own. With a `step` they are those after so many steps of the training."""

    name: str
    defense: str
    params: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    step: int | None = None

    def training(self, column: str) -> str | None:
        """The training whose weights meet a column."""
        return self.weights.get(column, self.weights.get("*"))


@dataclass(frozen=True)
class StudyColumn:
    """An attack of the paper; None for a budget, a source or a seed leaves it to the study, and then to the protocol.

    With a `radius` its figures are the share of samples whose label is certified at least so far, in pixels of [0, 1].
    With `mean_of` it is no attack, but each sample's mean over other columns. A column `of` another is that one on
    other samples: so many `samples`, drawn by `sample_seed`, or under another attack, by a `protocol` of its own; None
    leaves any to the study.
    """

    name: str
    attack: str
    params: Mapping[str, Any] = field(default_factory=dict)
    epsilon: Fraction | None = None
    source: str | None = None
    source_params: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    radius: float | None = None
    mean_of: tuple[str, ...] = ()
    of: str | None = None
    samples: int | None = None
    sample_seed: int | None = None
    protocol: Protocol | None = None


def row_of(table: Fields, columns: Names, trainings: Trainings) -> StudyRow:
    """A row; its weights are of trainings that are there."""
    table.check(("name", "defense"), ("params", "weights"))
    given = table.values.get("weights", {})
    weights = {"*": given} if isinstance(given, str) else table.settings("weights")
    for column, training in weights.items():
        if column != "*":
            columns.check(column, table)
        here = [name for name, made in trainings.items() if made is not None]
        must_be_known(training, here, f"{table.where} has weights that no [[train]] makes:")
    return StudyRow(table.text("name"), table.text("defense"), settings_of(table, "params", trainings), weights)


def column_of(table: Fields, known: tuple[str, ...], trainings: Trainings) -> StudyColumn:
    """A column; `known` are those that a mean may be of."""
    if "mean_of" in table:
        table.check(("name", "mean_of"))
        names = table.names("mean_of")
        for name in names:
            must_be_known(name, known, f"{table.where} is the mean of a column that is not there:")
        return StudyColumn(table.text("name"), "none", mean_of=names)
    table.check(("name", "attack"), ("params", "epsilon", "seed", "radius", *SOURCE))
    source, source_params = source_of(table, trainings)
    radius = table.values.get("radius")
    if radius is not None and (isinstance(radius, bool) or not isinstance(radius, int | float) or radius < 0):
        raise UsageError(f"{table.where}: a radius is a number of at least 0; found {radius!r}.")
    return StudyColumn(
        name=table.text("name"),
        attack=table.text("attack"),
        params=table.settings(),
        epsilon=table.epsilon(),
        source=source,
        source_params=source_params,
        seed=table.count("seed", 0),
        radius=None if radius is None else float(radius),
    )
