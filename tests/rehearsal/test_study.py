"""The paper's study on CIFAR-10, every training and cell of it, on small files in the formats of the real ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.datasets.cifar10 import TASK
from bench.protocols.studies import Study, StudyColumn, StudyRow, StudyTraining, find_study
from defenses.parts.networks.families import FAMILIES
from tests.cli.command import bench
from tests.defenses.tiny import stable_diffusion
from tests.rehearsal.ground import cifar10, report, to_cache, without_network

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "pgd-at": {"epochs": 1, "batch": 8, "steps": 1, "held_out": 0.2},
    "wide-resnet": {"epochs": 1, "batch": 12},
    "jem": {"depth": 10, "width": 1, "steps": 2, "batch": 2, "chain": 2, "buffer": 4},
    "tmdc": {"steps": 8, "early_every": 1, "batch": 2, "share": 0.2, "evaluated": 2},
}
"""What of a recipe is smaller here, by defense."""
ATTACKS: Mapping[str, Mapping[str, Any]] = {
    "pgd-linf": {"steps": 2},
    "as-published-tmdc": {"steps": 2},
    "pgd-l2": {"steps": 2},
    "adaptive-linf": {"n_iter": 2, "restarts": 1, "checks": 1},
    "adaptive-l2": {"n_iter": 2, "restarts": 1, "checks": 1},
}
SHORTER = {"aa-linf": "pgd-linf", "aa-l2": "pgd-l2"}
"""AutoAttack on a ResNet-50 takes minutes an image here."""
OFFERS_GRADIENTS = ("DiffPure", "Diffusion Classifier", "TMDC")
"""The rows whose adaptive attack is as short as its settings say; on nets it is AutoAttack."""
STEPS = (0, 100, 200, 300, 400, 500, 1000, 2000, 3000)
"""Each is a step of its own here, 0 to 8."""
LOOKS = {"timesteps": 2, "search": "full"}
ROWS: Mapping[str, Mapping[str, Any]] = {
    "diffusion-classifier": LOOKS,
    "tmdc": LOOKS,
    "diffpure": {"t_star": 0.002, "steps": 1},
}


def small(study: Study) -> Study:
    """A study whose every training and cell is there, each as short as it can be."""

    def training(each: StudyTraining) -> StudyTraining:
        made = each.adversarial
        if made is not None:
            made = replace(made, attack=SHORTER.get(made.attack, made.attack), params={"steps": 2})
        params = {**each.params, **(LOOKS if each.defense == "tmdc" else {})}
        return replace(each, params=params, recipe={**each.recipe, **RECIPES[each.defense]}, adversarial=made)

    def column(each: StudyColumn) -> StudyColumn:
        if each.protocol is not None:
            each = replace(each, protocol=replace(each.protocol, samples=1, draws=2))
        attack = SHORTER.get(each.attack, each.attack)
        params = {**({} if each.attack in SHORTER else each.params), **ATTACKS.get(attack, {})}
        return replace(each, attack=attack, params=params, samples=None if each.sample_seed is None else 2)

    def row(each: StudyRow) -> StudyRow:
        step = None if each.step is None else STEPS.index(each.step)
        return replace(each, params={**each.params, **ROWS.get(each.defense, {})}, step=step)

    return replace(
        study,
        samples=2,
        trainings=tuple(map(training, study.trainings)),
        rows=tuple(map(row, study.rows)),
        columns=tuple(map(column, study.columns)),
        adaptive=tuple(
            replace(each, rows=tuple(row for row in each.rows if row in OFFERS_GRADIENTS)) for each in study.adaptive
        ),
    )


def to_hub(root: Path) -> Path:
    """A hub's cache that holds whatever the study reads: the data set, nets, starts, denoisers."""
    from diffusers.models.unets.unet_2d import UNet2DModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import ViTConfig, ViTForImageClassification

    cache = root / "cache"
    to_cache(cache, "data", cifar10(root / "data"))
    to_cache(cache, "diffusion", stable_diffusion(root / "sd"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
        sizes = {"sample_size": 32, "block_out_channels": (8, 8), "layers_per_block": 1, "norm_num_groups": 4}
        UNet2DModel(**blocks, **sizes).save_pretrained(root / "ddpm")
        DDPMScheduler().save_pretrained(root / "ddpm")
        shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        transformer = ViTForImageClassification(ViTConfig(**shape, image_size=32, patch_size=8, num_labels=10))
        transformer.save_pretrained(root / "vit")
        transformer.save_pretrained(root / "start-vit")
        for name, net in {
            "network": FAMILIES["resnet"].fresh(TASK),
            "start-resnet": FAMILIES["resnet"].fresh(TASK),
            "start-wide-resnet": FAMILIES["wide-resnet"].fresh(TASK),
        }.items():
            saved(net, root / name)
    for name in ("network", "ddpm", "vit", "start-vit", "start-resnet", "start-wide-resnet"):
        to_cache(cache, name, root / name)
    return cache


def saved(net: nn.Module, folder: Path) -> None:
    """A net's weights under torchvision's names, as timm's repositories hold them."""
    folder.mkdir()
    save_file(net.state_dict(), folder / "model.safetensors")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the study, cut short, is what `bench reproduce tmdc` finds."""
    root = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("COLUMNS", "220")
        patch.setattr("bench.protocols.studies.find_study", lambda *words: small(find_study(*words)))
        with without_network(patch, to_hub(root)):
            yield root


WORDS = ("reproduce", "tmdc", "--dataset", "cifar10", "--device", "cpu")


@pytest.mark.parametrize("scale", ["quick", pytest.param("full", marks=pytest.mark.slow)])
def test_the_whole_study_is_trained_evaluated_and_becomes_a_page(place: Path, scale: str) -> None:
    words = (*WORDS, "--scale", scale, "--replay", "1")
    found = report(*words)
    study = small(find_study("tmdc", "cifar10", scale))
    assert found["problems"] == []
    assert len(found["cells"]) == len(study.cells())
    refused = [cell for cell in found["cells"] if cell["refused"]]
    assert {cell["column"] for cell in refused} == {"PGD-40 as released"}
    assert all(cell["measured"]["complete"] for cell in found["cells"] if not cell["refused"])
    assert all(claim["verdict"] != "not measured" for claim in found["claims"])
    assert len(found["drawn"]) == (6 if scale == "full" else 0)
    page = Path(found["page"]).read_bytes()
    assert bool(re.search(rb"<h2[^>]*>Figure 4", page)) == (scale == "full")
    assert report(*words) == found
    assert Path(found["page"]).read_bytes() == page


@pytest.mark.slow
def test_what_it_would_take_is_told_before(place: Path) -> None:
    code, out, errors = bench(*WORDS, "--dry-run", "--json", "--db", "none.db", "--weights", "none")
    assert code == 0, errors
    found = json.loads(out)
    assert not Path("none.db").exists()
    assert not Path("none").exists()
    study = small(find_study("tmdc", "cifar10"))
    assert [each["training"] for each in found["trainings"]] == [each.name for each in study.trainings]
    for each in (*found["trainings"], *found["cells"]):
        assert each["problem"] is None
        assert each["seconds"] > 0 or each.get("elsewhere")
    assert all(each["flop"] > 0 and each["peak_memory"] > 0 for each in found["trainings"])
    crafted = [each["images"] for each in found["trainings"] if each["training"].startswith("tmdc")]
    assert crafted == [2] * 3
    assert found["total"]["seconds"] > found["total"]["training_seconds"] > 0
