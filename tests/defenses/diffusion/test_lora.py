"""Low-rank weights from files as other programs write them, and what of them arrives in half precision."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench import WeightsError
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion import lora
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.parts.weights.hidden import unfit_torchvision
from defenses.tmdc import TMDC
from tests.defenses.tiny import COLOURS, stable_diffusion

RANK, ALPHA = 4, 6.0
SAVED = "pytorch_lora_weights.safetensors"
"""What diffusers calls its files."""
State = dict[str, Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return stable_diffusion(tmp_path / "tiny")


def plain(folder: Path) -> Any:
    """The network of a tiny Stable Diffusion as diffusers reads it."""
    return denoiser_for(folder, DiffusionClassifier(), COLOURS, "cpu").network


def adapted(network: nn.Module, alpha: float, deviation: float = 0.3, **further: Any) -> Any:
    """A copy that diffusers has adapted, both factors drawn."""
    copied: Any = copy.deepcopy(network)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        copied.add_adapter(LoraConfig(r=RANK, lora_alpha=alpha, target_modules=list(lora.TARGETS), **further))
        for name, parameter in copied.named_parameters():
            if "lora_" in name:
                nn.init.normal_(parameter, std=deviation if "lora_B" in name else 0.3)
    return copied


def by_the_network(network: Any, folder: Path) -> None:
    network.save_lora_adapter(folder)


def by_the_pipeline(network: Any, folder: Path) -> None:
    with unfit_torchvision():
        from diffusers.loaders import StableDiffusionLoraLoaderMixin

    settings = network.peft_config["default"].to_dict()
    StableDiffusionLoraLoaderMixin.save_lora_weights(
        folder, unet_lora_layers=get_peft_model_state_dict(network), unet_lora_adapter_metadata=settings
    )


def by_training_scripts(network: Any, folder: Path) -> None:
    with unfit_torchvision():
        from diffusers.loaders import StableDiffusionLoraLoaderMixin
        from diffusers.utils import convert_state_dict_to_diffusers

    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(network))
    assert any(key.endswith("to_out.0.lora.down.weight") for key in state)
    StableDiffusionLoraLoaderMixin.save_lora_weights(folder, unet_lora_layers=state)


def by_attention_processors(network: Any, folder: Path) -> None:
    from diffusers.utils.state_dict_utils import UNET_TO_DIFFUSERS

    names = {new: old for old, new in UNET_TO_DIFFUSERS.items() if old.startswith(".to_")}
    found: State = {}
    for key, value in get_peft_model_state_dict(network).items():
        layer = next(new for new in names if new in key)
        found["unet." + key.replace(layer, ".processor" + names[layer])] = value
    assert any(".attn1.processor.to_out_lora.up.weight" in key for key in found)
    folder.mkdir()
    save_file(found, folder / SAVED)


def by_kohyas_scripts(network: Any, folder: Path) -> None:
    with unfit_torchvision():
        from diffusers.utils import convert_state_dict_to_kohya

    state = convert_state_dict_to_kohya(get_peft_model_state_dict(network))
    alpha = torch.tensor(network.peft_config["default"].lora_alpha)
    found = {"lora_unet_" + key: alpha.clone() if key.endswith(".alpha") else value for key, value in state.items()}
    assert any(key.endswith("attn1_to_out_0.lora_down.weight") for key in found)
    folder.mkdir()
    save_file(found, folder / SAVED)


@pytest.mark.parametrize(
    ("write", "alpha"),
    [
        (by_the_network, ALPHA),
        (by_the_pipeline, ALPHA),
        (by_training_scripts, RANK),
        (by_attention_processors, RANK),
        (by_kohyas_scripts, ALPHA),
    ],
)
def test_low_rank_weights_are_read_as_others_write_them(
    write: Callable[[Any, Path], None], alpha: float, folder: Path, tmp_path: Path
) -> None:
    network = plain(folder)
    beside = adapted(network, alpha)
    write(beside, tmp_path / "low-rank")
    model = TMDC(weights=str(tmp_path / "low-rank"), base=str(folder)).load(COLOURS, "cpu")
    codes, steps, prompts = torch.randn(2, 4, 8, 8), torch.tensor([5, 900]), torch.randn(2, 77, 16)
    networks = network, model.denoiser.network, beside  # type: ignore[attr-defined]
    with torch.no_grad():
        before, ours, theirs = (net(codes, steps, prompts, return_dict=False)[0] for net in networks)
    assert float((theirs - before).abs().max()) > 1e-3
    assert _agree(ours, theirs)


def test_settings_of_single_layers_and_of_the_rank_are_kept(folder: Path, tmp_path: Path) -> None:
    network = plain(folder)
    beside = adapted(network, ALPHA, alpha_pattern={"attn1.to_q": 9.0}, use_rslora=True)
    by_the_network(beside, tmp_path / "low-rank")
    merged = denoiser_for(folder, DiffusionClassifier(), COLOURS, "cpu", tmp_path / "low-rank" / SAVED).network
    codes, steps, prompts = torch.randn(2, 4, 8, 8), torch.tensor([5, 900]), torch.randn(2, 77, 16)
    with torch.no_grad():
        ours, theirs = (net(codes, steps, prompts, return_dict=False)[0] for net in (merged, beside))
    assert _agree(ours, theirs)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_change_smaller_than_the_grid_of_half_precision_arrives_on_average(
    precision: str, folder: Path, tmp_path: Path
) -> None:
    """Added to weights that lie on the grid already, most of it would be rounded away."""
    deviation = {"float16": 3e-5, "bfloat16": 2.4e-4}[precision]  # a fifth of the distance on the grid
    by_the_network(adapted(plain(folder), RANK, deviation), tmp_path / "low-rank")
    states = {}
    for name in ("float32", precision):
        settings = TMDC(weights=str(tmp_path / "low-rank"), base=str(folder), precision=name)  # type: ignore[arg-type]
        merged = settings.load(COLOURS, "cpu")
        without = DiffusionClassifier(weights=str(folder), precision=name).load(COLOURS, "cpu")  # type: ignore[arg-type]
        states[name] = _targets(merged) - _targets(without)
    wanted, arrived = states["float32"], states[precision]
    share = float(arrived @ wanted / (wanted @ wanted))
    assert share == pytest.approx(1, abs=0.1)


def _agree(ours: Tensor, theirs: Tensor) -> bool:
    """To within float32's rounding, which over 30 drawn networks reached 6e-5 of the largest output.

    A setting that is not kept moved an output by 0.24 of it or more.
    """
    return bool((ours - theirs).abs().max() <= 1e-3 * theirs.abs().max())


def _targets(model: Any) -> Tensor:
    """All weights that low-rank ones adapt."""
    state = model.denoiser.network.state_dict()
    found = [
        value.double().flatten() for key, value in state.items() if key.removesuffix(".weight").endswith(lora.TARGETS)
    ]
    return torch.cat(found)


def test_low_rank_weights_of_anything_else_are_refused_with_the_first_that_is_strange(
    folder: Path, tmp_path: Path
) -> None:
    by_training_scripts(adapted(plain(folder), RANK), tmp_path / "low-rank")
    state, file = load_file(tmp_path / "low-rank" / SAVED), tmp_path / "changed.safetensors"
    defense = TMDC(weights=str(file), base=str(folder))
    first = next(iter(state))
    layer = first[: first.index(".lora.")]
    down = f"{layer}.lora.down.weight"
    for changes, reason in (
        ({"text_encoder.layer.lora_A.weight": state[first].clone()}, "adapt the text encoder too"),
        ({f"{layer}.lora_magnitude_vector": torch.ones(3)}, "unknown format: .*lora_magnitude_vector"),
        ({"unet.nowhere.lora.up.weight": torch.ones(3, 4)}, "another architecture: 'unet.nowhere"),
        ({down: torch.ones(4, 7)}, "another architecture: the factors of"),
    ):
        save_file(state | changes, file)
        with pytest.raises(WeightsError, match=reason):
            defense.load(COLOURS, "cpu")
    save_file({key: value for key, value in state.items() if key != down}, file)
    with pytest.raises(WeightsError, match=r"the factor 'down' of .* is missing"):
        defense.load(COLOURS, "cpu")
    save_file(state, file, {"lora_adapter_metadata": json.dumps([1])})
    with pytest.raises(WeightsError, match="metadata"):
        defense.load(COLOURS, "cpu")


def test_a_prefix_of_the_network_is_not_needed(folder: Path, tmp_path: Path) -> None:
    by_the_network(adapted(plain(folder), RANK), tmp_path / "low-rank")
    state = load_file(tmp_path / "low-rank" / SAVED)
    assert not any(key.startswith("unet.") for key in state)
    save_file({"unet." + key: value for key, value in state.items()}, tmp_path / "with.safetensors")
    found = [
        denoiser_for(folder, replace(DiffusionClassifier()), COLOURS, "cpu", file).network.state_dict()
        for file in (tmp_path / "low-rank" / SAVED, tmp_path / "with.safetensors")
    ]
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())
