"""Studies: what a file says on each data set and scale, and every complaint about one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from bench.domain.errors import UsageError
from bench.evaluation.study import requests
from bench.protocols.studies import Adversarial, builtin_studies, find_study, heading, read
from bench.registry import attacks, datasets, defenses
from tests.studies.written import TEXT, written

HALVES = "tests.plugins:Halves"


def test_a_study_is_read_as_it_is_on_a_data_set(tmp_path: Path) -> None:
    found = read(written(tmp_path), HALVES)
    assert [row.name for row in found.rows] == ["plain", "scaled"]
    assert [column.name for column in found.columns] == ["clean", "FGSM", "PGD"]
    assert found.column("clean").attack == "none"
    assert found.column("PGD").params == {"steps": 4}
    assert found.column("PGD").epsilon == Fraction("0.3")
    assert found.trainings == ()
    assert found.samples is None
    assert len(found.cells()) == 6
    assert [figure.rate for figure in found.figures(("plain", "PGD"))] == [0.125]
    assert [claim.relation for claim in found.claims] == ["below", "above", "equal"]
    assert found.claims[2].margin == 0.01


def test_other_data_sets_and_scales_change_values_and_leave_parts_out(tmp_path: Path) -> None:
    digits = find_study(str(written(tmp_path)), "digits")
    assert [row.name for row in digits.rows] == ["plain"]
    assert digits.row("plain").defense == "resnet"
    assert digits.row("plain").training("PGD") == "better"
    assert digits.trainings[0].adversarial == Adversarial("pgd-linf", Fraction("0.05"), "resnet")
    assert digits.cells() == (("plain", "clean"), ("plain", "FGSM"), ("plain", "PGD"))
    assert [claim.text for claim in digits.claims] == ["Attacks hurt."]
    quick = read(written(tmp_path), HALVES, "quick")
    assert quick.samples == 16
    assert quick.column("PGD").params == {"steps": 2}


SERIES = (
    TEXT
    + """
[[series]]
title = "Figure 1"
row = "plain"
steps = [0, 100]
columns = ["PGD"]
on."tests.plugins:Halves" = { skip = true }
"""
)


def test_a_series_makes_a_row_a_step(tmp_path: Path) -> None:
    found = read(written(tmp_path, SERIES), "digits")
    assert [row.name for row in found.rows] == ["plain", "plain, step 0", "plain, step 100"]
    assert [row.step for row in found.rows] == [None, 0, 100]
    assert ("plain, step 100", "PGD") in found.cells()
    weights = {"better": tmp_path / "resnet.safetensors"}
    settings = {row: request.defense_settings["weights"] for row, _, request in requests(found, weights)}
    assert settings["plain, step 100"] == str(tmp_path / "step-000100.safetensors")
    assert settings["plain"] == str(tmp_path / "resnet.safetensors")
    assert read(written(tmp_path, SERIES), HALVES).series == ()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("steps = [0, 100]", "steps = [0, -1]", "series 1: steps must be a list of whole numbers from 0"),
        ('weights = "better"', 'weights = { FGSM = "better" }', "needs weights of a training under every column"),
        ('row = "plain"\nsteps', 'row = "plane"\nsteps', "series 1 names a row that is not there: 'plane'"),
    ],
)
def test_a_series_that_cannot_be_is_one_sentence(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, SERIES.replace(old, new, 1)), "digits")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('version = "1"', "", "lacks the key 'version'"),
        ("[[claim]]", "[[claims]]", "has an unknown key 'claims'. Did you mean 'claim'?"),
        (
            'defense = "resnet"\nrecipe',
            'recipes = 1\ndefense = "resnet"\nrecipe',
            "train 1 has an unknown key 'recipes'",
        ),
        ('weights = "better"', 'weights = "best"', "weights that no [[train]] makes: 'best'; there are better"),
        ('rows = ["plain", "scaled"]', 'rows = ["plane"]', "table 1 names a row that is not there: 'plane'"),
        ("PGD = 12.5", "PDG = 12.5", "published 1 names a column that is not there: 'PDG'"),
        ("PGD = 12.5", "PGD = 125", "a percentage lies between 0 and 100; found 125"),
        ('relation = "below"', 'relation = "under"', "relation must be 'above', 'below' or 'equal'; found 'under'"),
        ("margin = 1.0\n", "", "'equal' needs a margin in points"),
        ('cell = ["plain", "PGD"]', 'cell = ["plain"]', "cell must be a row and a column; found ['plain']"),
        ('cell = ["plain", "PGD"]', 'cell = "plain"', "cell must be a list of names; found 'plain'"),
        ('name = "scaled"', 'name = "plain"', "row 2: the name 'plain' is taken"),
        ('name = "FGSM"', 'name = "clean"', "column 1: the name 'clean' is taken"),
        ('name = "FGSM"', "name = 1", "column 1: name must be text in quotes; found 1"),
        ("samples = 16", "samples = 0", "samples must be a whole number of at least 1; found 0"),
        ('protocol = "transfer-1024"', 'protocol = "transfer-1023"', "Did you mean 'transfer-1024'?"),
        ('[[row]]\nname = "plain"', "[[row]]", "row 1 lacks the key 'name'"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    assert old in TEXT
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, TEXT.replace(old, new, 1)), "digits")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_data_set_a_scale_and_a_study_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no data set 'cifar10'; there are"):
        read(written(tmp_path), "cifar10")
    with pytest.raises(UsageError, match="has no scale 'tiny'; there are full, quick"):
        read(written(tmp_path), "digits", "tiny")
    with pytest.raises(UsageError, match=r"No study is called 'tmcd'\. Did you mean 'tmdc'"):
        find_study("tmcd", "digits")
    with pytest.raises(UsageError, match="cannot be read"):
        find_study(str(tmp_path / "absent.toml"), "digits")


@pytest.mark.parametrize("name", builtin_studies())
def test_every_built_in_study_names_plugins_and_settings_that_are_there(name: str) -> None:
    head = heading(builtin_studies()[name])
    assert head.name == name
    for dataset in head.datasets:
        datasets.find(dataset)
        for scale in head.scales:
            study = find_study(name, dataset, scale)
            assert study.tables
            for row in study.rows:
                defenses.make(row.defense, row.params)
            for column in study.columns[1:]:
                if not column.mean_of:
                    attacks.make(column.attack, column.params)
            for training in study.trainings:
                defenses.make(training.defense, training.params)
