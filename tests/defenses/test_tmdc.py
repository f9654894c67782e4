"""Truth Maximization: low-rank weights that merge exactly, count as published, and learn."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from bench import ImageSet, UsageError, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion import lora
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.tmdc import PUBLISHED, TMDC
from tests.defenses.runs import run_of
from tests.defenses.tiny import COLOURS, stable_diffusion


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def adapted(network: nn.Module) -> nn.Module:
    """A copy with low-rank weights beside its own that change it visibly."""
    copied = copy.deepcopy(network)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in lora.adapt(copied, 4, 4):
            nn.init.normal_(parameter, std=0.3)
    return copied


def fresh_lora(network: nn.Module, path: Path) -> Path:
    """A file of such weights."""
    return lora.store(adapted(network), 4, 4, path)


def test_merged_equals_unmerged(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    network = denoiser_for(folder, DiffusionClassifier(), COLOURS, "cpu").network
    file, beside = fresh_lora(network, tmp_path / "tmdc.safetensors"), adapted(network)
    merged = denoiser_for(folder, DiffusionClassifier(), COLOURS, "cpu", file).network
    codes, steps, prompts = torch.randn(2, 4, 8, 8), torch.tensor([5, 900]), torch.randn(2, 77, 16)
    plain, ours, theirs = (net(codes, steps, prompts, return_dict=False)[0] for net in (network, merged, beside))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert float((ours - plain).abs().max()) > 1e-3
    assert [name for name, _ in merged.named_parameters()] == [name for name, _ in network.named_parameters()]


def test_the_low_rank_weights_number_rank_times_inputs_and_outputs_of_every_target(tmp_path: Path) -> None:
    network = denoiser_for(DiffusionClassifier().path(TASK), DiffusionClassifier(), TASK, "cpu").network
    targets = [module for name, module in network.named_modules() if name.endswith(lora.TARGETS)]
    expected = sum(4 * (module.in_features + module.out_features) for module in targets)
    state = load_file(fresh_lora(network, tmp_path / "tmdc.safetensors"))
    assert sum(value.numel() for value in state.values()) == expected
    assert len(state) == 2 * len(targets) > 0
    assert all(key.startswith("unet.") for key in state)


def test_the_published_schedule_keeps_the_published_checkpoints() -> None:
    kept = [step for step in range(1, PUBLISHED.steps + 1) if PUBLISHED.keeps(step)]
    assert kept == [100, 200, 300, 400, 500, 1000, 2000, 3000]
    assert PUBLISHED.evaluated == 200


def colours(count: int) -> ImageSet:
    pixels = torch.rand(count, 3, 8, 8, generator=rng(2)).numpy()
    labels = torch.arange(count).remainder(4).numpy()
    return ImageSet(COLOURS, labels, lambda index: pixels[index])


def test_a_tiny_stable_diffusion_learns_its_adversarial_images_and_every_checkpoint_loads(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    defense = TMDC(base=str(folder), timesteps=4, prompt="{class}")
    recipe = replace(
        defense.recipe(TASK), steps=40, batch=8, evaluated=20, early_every=20, warmup=1, learning_rate=0.02
    )
    trained = defense.train(run_of(colours(8), tmp_path / "run"), recipe)
    assert sorted(file.name for file in (tmp_path / "run").glob("step-*")) == [
        "step-000000.safetensors",
        "step-000020.safetensors",
        "step-000040.safetensors",
    ]
    assert trained.weights.read_bytes() == (tmp_path / "run" / "step-000020.safetensors").read_bytes()
    images = colours(8).read(range(4)).images
    logits = {}
    for name, settings in {
        "evaluated": {"weights": str(trained.weights)},
        "twenty": {"weights": str(tmp_path / "run"), "step": 20},
        "forty": {"weights": str(tmp_path / "run"), "step": 40},
    }.items():
        with torch.no_grad():
            logits[name] = replace(defense, **settings).load(COLOURS, "cpu")(images, rng())  # type: ignore[arg-type]
    assert torch.equal(logits["evaluated"], logits["twenty"])
    plain = DiffusionClassifier(weights=str(folder), timesteps=4, prompt="{class}").load(COLOURS, "cpu")
    with torch.no_grad():
        before = plain(images, rng())
    assert float(logits["forty"].mean()) > float(logits["twenty"].mean()) > float(before.mean())
    with pytest.raises(WeightsError, match="keeps no checkpoint of step 30; it keeps 0, 20, 40"):
        replace(defense, weights=str(tmp_path / "run"), step=30).files(COLOURS)
    with pytest.raises(UsageError, match="lies beyond its 40 steps"):
        replace(recipe, evaluated=50)


def test_low_rank_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    network = denoiser_for(folder, DiffusionClassifier(), COLOURS, "cpu").network
    file = fresh_lora(network, tmp_path / "tmdc.safetensors")
    with pytest.raises(WeightsError, match="another architecture"):
        TMDC(weights=str(file)).load(TASK, "cpu")
    with pytest.raises(WeightsError, match="no low-rank weights"):
        TMDC(weights=str(DiffusionClassifier().path(TASK))).load(TASK, "cpu")


def test_digits_are_classified_as_the_card_promises() -> None:
    batch = Digits().load("test", None).read(range(64))
    with torch.no_grad():
        predicted = TMDC().load(TASK, "cpu")(batch.images, rng()).argmax(1)
    assert int((predicted == batch.labels).sum()) >= 62
