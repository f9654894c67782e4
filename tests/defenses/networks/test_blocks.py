"""Shortened residual blocks are diffusers' own, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from bench.datasets.digits import TASK
from bench.loading.determinism import exact
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.parts.networks.blocks import shorten
from tests.defenses.tiny import COLOURS, GREYS, rng, stable_diffusion

WIDTHS = {"in_channels": 8, "out_channels": 16, "temb_channels": 12, "groups": 4}


def is_short(block: nn.Module) -> bool:
    return "forward" in vars(block)


def denoised(network: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    leaf = torch.randn(5, *GREYS.shape, generator=rng(1)).requires_grad_()

    def noise() -> Tensor:
        found: Tensor = network(leaf, torch.arange(5) * 60, class_labels=torch.arange(5), return_dict=False)[0]
        return found

    with torch.no_grad():
        plain = noise()
    found = noise()
    return plain, found.detach(), torch.autograd.grad(found.square().sum(), leaf)[0]


def test_a_network_of_shortened_blocks_gives_equal_bits_with_a_graph_and_without() -> None:
    network = denoiser_for(DiffusionClassifier().path(TASK), DiffusionClassifier(), TASK, "cpu").network
    blocks = [module for module in network.modules() if isinstance(module, ResnetBlock2D)]
    assert blocks
    assert not any(is_short(each) for each in blocks)
    with exact("cpu"):
        before = denoised(network)
        shorten(network)
        after = denoised(network)
    assert all(is_short(each) for each in blocks)
    for known, found in zip(before, after, strict=True):
        assert torch.equal(known, found)
    classifier: Any = DiffusionClassifier().load(TASK, "cpu")
    settled = [module for module in classifier.denoiser.network.modules() if isinstance(module, ResnetBlock2D)]
    assert all(is_short(each) for each in settled)


def test_stable_diffusion_settles_to_equal_bits(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    denoiser = denoiser_for(folder, DiffusionClassifier(), COLOURS, "cpu")
    codes, kinds = torch.randn(3, 4, 8, 8, generator=rng(2)), torch.arange(3)
    noise = torch.randn(codes.shape, generator=rng(3))
    with exact("cpu"), torch.no_grad():
        before = denoiser.errors(codes, noise, kinds * 400, kinds, "l1")
        settled = denoiser.settled()
        assert torch.equal(settled.errors(codes, noise, kinds * 400, kinds, "l1"), before)
    assert any(is_short(module) for module in settled.network.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("widens", [True, False])
def test_a_shortened_block_gives_equal_bits_and_writes_into_nothing_that_it_was_given(
    widens: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    block = ResnetBlock2D(**WIDTHS | ({} if widens else {"out_channels": 8})).eval().requires_grad_(False).to(dtype)
    features = torch.randn(3, 8, 6, 6).to(dtype)
    time = torch.randn(3, 12).to(dtype)
    given = features.clone(), time.clone()
    before = block(features, time)
    shorten(block)
    assert is_short(block)
    for records in (True, False):
        with torch.set_grad_enabled(records):
            assert torch.equal(block(features, time), before)
    assert torch.equal(features, given[0])
    assert torch.equal(time, given[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"time_embedding_norm": "scale_shift"},
        {"output_scale_factor": 2.0},
        {"non_linearity": "gelu"},
        {"skip_time_act": True},
        {"temb_channels": None},
        {"up": True},
        {"down": True},
    ],
)
def test_a_block_of_another_kind_is_left_to_diffusers(settings: dict[str, Any]) -> None:
    block = ResnetBlock2D(**WIDTHS | settings).eval()
    shorten(block)
    assert not is_short(block)


def test_a_block_that_is_trained_is_left_to_diffusers() -> None:
    block = ResnetBlock2D(**WIDTHS)
    shorten(block)
    assert not is_short(block)
