"""Studies: what a file says on each data set and scale, and every complaint about one."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench.domain.errors import UsageError
from bench.plugins.registry import attacks, datasets, defenses
from bench.protocols.studies import Adversarial, TrainedWeights, builtin_studies, find_study, heading, read
from bench.studies.cells import requests
from bench.studies.forecast import _crafted
from bench.studies.trainings import place, request_of
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


DRAWS = (
    TEXT
    + """
[[draws]]
title = "Figure 2"
rows = ["plain"]
columns = ["PGD"]
sample_seeds = [7, 8]
samples = 20
percent.plain = { PGD = 50 }

[[adaptive]]
attack = "adaptive-linf"
protocol = "adaptive-64"
epsilon = "0.3"
rows = ["plain", "scaled"]
columns = ["PGD"]

[[claim]]
text = "Attacks hurt, whichever samples are drawn."
cell = ["plain", "PGD"]
relation = "below"
other = 90
drawn = "Figure 2"
"""
)


def test_draws_make_a_column_a_seed_that_is_the_same_attack_on_other_samples(tmp_path: Path) -> None:
    found = find_study(str(written(tmp_path, DRAWS)), "digits")
    (draws,) = found.draws
    names = draws.drawn["PGD"]
    assert list(draws.cells()) == [("plain", name) for name in names]
    assert [(found.column(name).sample_seed, found.column(name).samples) for name in names] == [(7, 20), (8, 20)]
    assert {found.column(name).params["steps"] for name in names} == {4}
    assert {found.training(cell) for cell in draws.cells()} == {"better"}
    assert draws.printed == {("plain", "PGD"): 0.5}
    assert set(draws.cells()) < set(found.cells())
    cells = {(row, column): request for row, column, request in requests(found, {})}
    assert [cells["plain", name].sample_seed for name in names] == [7, 8]
    assert [cells["plain", name].samples for name in names] == [20, 20]


def test_an_adaptive_attack_is_its_protocols_on_the_weights_of_the_column_beside_it(tmp_path: Path) -> None:
    found = find_study(str(written(tmp_path, DRAWS)), "digits")
    cells = {(row, column): request for row, column, request in requests(found, {"better": Path("better.safetensors")})}
    asked = cells["plain", "PGD, adaptive-linf"]
    assert (asked.attack, asked.source, asked.epsilon) == ("adaptive-linf", "self", Fraction("0.3"))
    assert (asked.protocol.name, asked.samples) == ("adaptive-64", None)
    assert asked.defense_settings["weights"] == "better.safetensors"
    assert ("plain", "PGD, adaptive-linf") not in found.cells()


def test_two_tables_make_columns_of_their_own_beside_the_same_one(tmp_path: Path) -> None:
    more = DRAWS.replace(
        '[[claim]]\ntext = "Attacks hurt, which',
        """[[adaptive]]
attack = "adaptive-linf"
protocol = "adaptive-64"
epsilon = "0.3"
rows = ["plain"]
columns = ["PGD"]
samples = 5

[[draws]]
title = "Figure 3"
rows = ["plain"]
columns = ["PGD"]
sample_seeds = [7, 8]
samples = 10

[[claim]]
text = "Attacks hurt, which""",
    )
    found = find_study(str(written(tmp_path, more)), "digits")
    cells = {(row, column): request for row, column, request in requests(found, {})}
    assert cells["plain", "PGD, adaptive-linf"].samples is None
    assert cells["plain", "PGD, adaptive-linf (2)"].samples == 5
    assert [cells[cell].samples for draws in found.draws for cell in draws.cells()] == [20, 20, 10, 10]


def test_a_data_set_may_have_fewer_samples_and_a_scale_fewer_still(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace("[[train]]", "samples = 50\non.digits = { samples = 40 }\n\n[[train]]", 1))
    found = [read(path, dataset, scale).samples for dataset in (HALVES, "digits") for scale in ("full", "quick")]
    assert found == [50, 16, 40, 16]


PIXELS = {"resnet": Path("resnet.safetensors"), "denoiser": Path("denoiser.safetensors")}


def test_rows_sources_and_trainings_are_given_trained_weights() -> None:
    found = find_study("tmdc-pixels", "cifar10")
    asked = {(row, column): request for row, column, request in requests(found, PIXELS)}
    crafted = asked["TMDC", "PGD-40"]
    assert (crafted.source, crafted.source_settings) == ("resnet", {"weights": "resnet.safetensors"})
    assert crafted.defense_settings["base"] == "denoiser.safetensors"
    assert asked["TMDC", "clean"].source is None
    assert asked["ResNet-50", "PGD-40, adaptive-linf"].source == "self"
    assert asked["ResNet-50", "PGD-40, adaptive-linf"].source_settings == {}
    training = next(each for each in found.trainings if each.name == "tmdc-pgd")
    assert training.needs() == ("denoiser", "resnet")
    made = request_of(training, found, Path("run"), PIXELS, "cpu", None)
    assert made.defense_settings == {"base": "denoiser.safetensors"}
    assert made.adversarial.source_settings == {"weights": "resnet.safetensors"}
    priced = _crafted(training, found, 100, PIXELS, None)
    assert (priced.defense, priced.defense_settings) == ("resnet", {"weights": "resnet.safetensors"})


def test_where_a_training_is_left_out_so_is_the_setting_that_asks_for_its_weights() -> None:
    many = {
        dataset: next(each for each in find_study("generated-data", dataset, "quick").trainings if each.name == "many")
        for dataset in ("digits", "cifar10")
    }
    assert "denoiser" not in many["digits"].recipe
    assert many["cifar10"].needs() == ("denoiser",)


def test_a_source_s_settings_need_a_source(tmp_path: Path) -> None:
    text = TEXT.replace('source = "self"\nepsilon = "0.1"', 'source_params = { scale = 2.0 }\nepsilon = "0.1"')
    with pytest.raises(UsageError, match="column 1 has source_params but no source; name the source as well"):
        read(written(tmp_path, text), "digits")


def test_trainings_may_need_earlier_ones(tmp_path: Path) -> None:
    text = TEXT.replace(
        '[[train]]\nname = "better"',
        '[[train]]\nname = "first"\ndefense = "diffusion-classifier"\n\n[[train]]\nname = "better"',
    ).replace("recipe = { epochs = 2 }", 'recipe = { epochs = 2, denoiser = { trained = "first" } }')
    found = find_study(str(written(tmp_path, text)), "digits")
    assert found.trainings[1].needs() == ("first",)
    asked = request_of(found.trainings[1], found, tmp_path, {"first": Path("first.safetensors")}, "cpu", None)
    assert asked.settings == {"epochs": 2, "denoiser": "first.safetensors"}
    first = TrainedWeights(replace(found.trainings[0], seed=1))
    other = replace(found.trainings[1], recipe={**found.trainings[1].recipe, "denoiser": first})
    assert place(other, found, tmp_path) != place(found.trainings[1], found, tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("sample_seeds = [7, 8]", "sample_seeds = [7]"), "draws 1: sample_seeds must be at least two, each once"),
        (("sample_seeds = [7, 8]", "sample_seeds = [7, -1]"), "sample_seeds must be a list of whole numbers from 0"),
        (('protocol = "adaptive-64"', 'protocol = "tmdc-2024"'), "tmdc-2024 has no attack 'adaptive-linf'"),
        (('drawn = "Figure 2"', 'drawn = "Figure 3"'), "names a draws that is not there"),
        (
            (
                'cell = ["plain", "PGD"]\nrelation = "below"\nother = 90\ndrawn',
                'cell = ["plain", "FGSM"]\nrelation = "below"\nother = 90\ndrawn',
            ),
            "without the column 'FGSM'",
        ),
        (
            ("recipe = { epochs = 2 }", 'recipe = { start = { trained = "nobody" } }'),
            "recipe asks for weights that no earlier [[train]] makes: 'nobody'",
        ),
    ],
)
def test_what_is_wrong_with_draws_and_the_like_is_said(change: tuple[str, str], sentence: str, tmp_path: Path) -> None:
    assert change[0] in DRAWS
    with pytest.raises(UsageError, match=re.escape(sentence)):
        find_study(str(written(tmp_path, DRAWS.replace(*change))), "digits")


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
