from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.format import open_memmap

from bench.datasets.cifar10_c import COMMON
from tests.cli.command import bench

PROTOCOL = """
name = "small"
version = "1"
description = "A few samples of two attacks."
samples = 24
sample_seed = 1
sampling = "random"
shard_size = 16
seed = 0
draws = 1
source = "tests.plugins:Hyperplane"
epsilon = "0.05"

[[attacks]]
name = "fgsm-linf"

[[attacks]]
name = "pgd-linf"
"""


@pytest.fixture(autouse=True)
def protocol(somewhere: None) -> None:
    """A small protocol in the test's folder."""
    Path("small.toml").write_text(PROTOCOL)


def sweep(*names: str, words: tuple[str, ...] = ()) -> tuple[int, str, str]:
    chosen = [word for name in names for word in ("--defense", f"tests.plugins:{name}")]
    fixed = ["sweep", "small.toml", "--dataset", "tests.plugins:Halves", "--workers", "1"]
    return bench(*fixed, *chosen, *words)


def test_a_sweep_fills_every_cell_once_and_crafts_each_attack_once() -> None:
    code, out, _ = sweep("Hyperplane", "Rounded", "NoisyHyperplane", words=("--json",))
    found = json.loads(out)
    assert code == 0
    assert [(cell["defense"].partition(":")[2], cell["attack"]) for cell in found] == [
        (name, attack) for attack in ("fgsm-linf", "pgd-linf") for name in ("Hyperplane", "Rounded", "NoisyHyperplane")
    ]
    assert [cell["assurance"] for cell in found[:3]] == ["white-box", "transfer", "transfer"]
    assert {cell["crafted"] for cell in found} == {0}
    again = json.loads(sweep("Hyperplane", "Rounded", "NoisyHyperplane", words=("--json",))[1])
    assert {cell["computed"] for cell in again} == {0}


def test_a_failed_cell_is_told_at_the_end_and_stops_no_other() -> None:
    code, out, err = sweep("Faulty", "Rounded", words=("--attack", "fgsm-linf"))
    assert code == 1
    assert "failed" in out
    assert "bad layer" in err
    assert "Rounded" in out


def test_a_defense_that_is_not_there_is_one_failed_cell() -> None:
    code, out, _ = sweep("Nothing", "Rounded", words=("--attack", "fgsm-linf", "--json"))
    assert code == 1
    assert "has no 'Nothing'" in json.loads(out)[0]["problem"]
    assert json.loads(out)[1]["judged"] == 24


def test_all_means_every_registered_defense_that_needs_no_setting() -> None:
    from bench.evaluation.sweep import choose_defenses
    from bench.plugins.registry import defenses

    chosen = choose_defenses(["all"])
    assert set(chosen) >= {"resnet", "wide-resnet", "vit", "diffusion-classifier", "tmdc"}
    needy = {listing.name for listing in defenses.listings() if "required" in listing.settings.values()}
    assert not needy & set(chosen)


def test_every_combination_of_settings_epsilons_and_seeds_is_a_cell() -> None:
    words = ("--attack", "pgd-linf", "-A", "steps=2", "-A", "steps=5", "-D", "scale=1", "-D", "scale=2")
    more = ("--epsilon", "0.02", "--epsilon", "0.1", "--seed", "3", "--seed", "4", "--source", "self", "--json")
    code, out, _ = sweep("Hyperplane", words=(*words, *more))
    found = json.loads(out)
    assert code == 0
    assert len({cell["plan"] for cell in found}) == len(found) == 16
    assert found[0]["row"] == "tests.plugins:Hyperplane scale=1"
    assert found[0]["column"] == "pgd-linf steps=2 epsilon=0.02 seed=3"
    assert {cell["assurance"] for cell in found} == {"white-box"}
    by_epsilon = {cell["threat"]["exact"]: cell["robust_accuracy"] for cell in found}
    assert by_epsilon["1/50"] > by_epsilon["1/10"]


def test_samples_are_drawn_anew_under_every_sample_seed() -> None:
    words = ("--attack", "fgsm-linf", "--sample-seed", "5", "--sample-seed", "6", "--source", "self", "--json")
    code, out, _ = sweep("Hyperplane", words=words)
    found = json.loads(out)
    assert code == 0
    assert [cell["column"] for cell in found] == ["fgsm-linf sample_seed=5", "fgsm-linf sample_seed=6"]
    assert [cell["sample_seed"] for cell in found] == [5, 6]


def test_many_columns_of_one_defense_are_written_down_the_page() -> None:
    budgets = [word for epsilon in ("0.01", "0.02", "0.05", "0.1", "0.2") for word in ("--epsilon", epsilon)]
    code, out, _ = sweep("Hyperplane", words=("--attack", "fgsm-linf", *budgets))
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if "epsilon=" in line] == ["fgsm-linf"] * 5


def test_all_kinds_of_corruption_at_all_severities_end_in_their_mean_error() -> None:
    budgets = [word for severity in "12345" for word in ("--epsilon", severity)]
    fixed = ("sweep", "small.toml", "--defense", "resnet", "--workers", "1", "--attack", "corruption", *budgets)
    code, out, err = bench(*fixed, "-A", "kind=all")
    assert code == 0, err
    assert "resnet: mean corruption error" in out
    assert "gaussian_noise" in out
    code, out, _ = bench(*fixed, "-A", "kind=fog", "--json")
    assert {cell["computed"] for cell in json.loads(out)} == {0}
    assert {cell["assurance"] for cell in json.loads(out)} == {"black-box"}


def test_all_as_the_value_of_a_setting_without_a_fixed_choice_is_refused() -> None:
    code, _, err = sweep("Hyperplane", words=("--attack", "pgd-linf", "-A", "steps=all"))
    assert code == 2
    assert "name each value of steps" in err


def test_settings_of_a_data_set_are_axes_too_and_all_means_each_choice() -> None:
    words = ("sweep", "white-box-1024", "--defense", "tests.plugins:Hyperplane", "--attack", "none", "--samples", "8")
    data = ("--dataset", "tests.plugins:Halves", "-S", "size=40", "-S", "size=48", "--workers", "1", "--replay", "1")
    code, out, _ = bench(*words, *data, "--json")
    assert code == 0
    assert [cell["column"] for cell in json.loads(out)] == ["none size=40", "none size=48"]
    assert len({cell["plan"] for cell in json.loads(out)}) == 2


def test_published_corruptions_end_in_the_mean_corruption_error(tmp_path: Path) -> None:
    for kind in COMMON:
        open_memmap(tmp_path / f"{kind}.npy", "w+", np.uint8, (50_000, 32, 32, 3))
    np.save(tmp_path / "labels.npy", np.zeros(50_000, np.uint8))
    kinds = [word for kind in COMMON for word in ("-S", f"kind={kind}")]
    data = ("--dataset", "cifar10-c", *kinds, "-S", "severity=all", "--data-dir", str(tmp_path))
    resnet = str(Path(__file__).parents[3] / "examples" / "autoattack_resnet18.py") + ":AutoAttackResNet18"
    few = ("--samples", "1", "--workers", "1", "--replay", "1")
    code, out, _ = bench("sweep", "white-box-1024", "--defense", resnet, "--attack", "none", *data, *few)
    assert code == 0
    assert "mean corruption error" in out
