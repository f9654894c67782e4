"""The denoiser in pixel space: diffusers' `UNet2DModel`, class-conditional or not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn

from bench import Task, WeightsError
from defenses.parts.diffusion.denoiser import Denoiser, as_noise, prediction_of, schedule_of
from defenses.parts.diffusion.lora import merge
from defenses.parts.images import is_tiny
from defenses.parts.narrow import narrowly, type_of, wide
from defenses.parts.networks.attention import join
from defenses.parts.networks.blocks import shorten
from defenses.parts.randomness import ambient
from defenses.parts.weights.checkpoints import configuration, fill, read, save
from defenses.parts.weights.hidden import single_networks, unfit_torchvision
from defenses.parts.weights.layout import schedule_file

with unfit_torchvision(), single_networks():
    from diffusers.models.unets.unet_2d import UNet2DModel

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
}
"""The schedule of networks trained here (Ho et al. 2020, 2006.11239)."""
_NEW_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_NAMES = re.compile(rf"(?<=\.)({'|'.join(_NEW_NAMES)})\.(?=weight$|bias$)")
"""Attention layers as diffusers named them when google/ddpm-cifar10-32 was saved."""


class PixelDenoiser(Denoiser):
    """Codes are the images themselves, brought to [-1, 1]; an unconditional network looks at no class."""

    pixels = True

    def __init__(
        self, network: nn.Module, schedule: Mapping[str, object], path: Path, conditional: bool = True
    ) -> None:
        self.network = network
        self.conditional = conditional
        self.schedule = schedule_of(schedule, path)
        self._kind = prediction_of(schedule, path)

    def settled(self) -> Self:
        """The same, its attention joined and its blocks shortened."""
        join(self.network)
        shorten(self.network)
        return self

    def encode(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], at least in float32."""
        return 2 * images.to(wide(type_of(self.network))) - 1

    def sample(self, images: Tensor, rng: Generator) -> Tensor:
        """The same: nothing here is random."""
        return self.encode(images)

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        """One pass through the network."""
        labels = classes if self.conditional else None

        def network(values: Tensor) -> Tensor:
            predicted: Tensor = self.network(values, steps, class_labels=labels, return_dict=False)[0]
            return predicted

        predicted = narrowly(network, noisy, type_of(self.network))
        return as_noise(predicted, self._kind, noisy, signal)


def build(task: Task, conditional: bool = True) -> nn.Module:
    """A fresh network for a task: 0.65 M parameters for tiny images, 36 M (as for CIFAR-10 in Ho et al.) otherwise."""
    if is_tiny(task):
        shape: dict[str, Any] = {
            "block_out_channels": (16, 32, 64),
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            "layers_per_block": 1,
            "norm_num_groups": 8,
        }
    else:
        shape = {
            "block_out_channels": (128, 256, 256, 256),
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            "layers_per_block": 2,
            "norm_num_groups": 32,
        }
    channels, height, width = task.shape
    network: nn.Module = UNet2DModel(
        sample_size=(height, width),
        in_channels=channels,
        out_channels=channels,
        attention_head_dim=8 if height <= 16 else 64,
        num_class_embeds=len(task.classes) if conditional else None,
        **shape,
    )
    return network


def store(network: nn.Module, path: Path) -> Path:
    """Write a network with its configuration and schedule as one safetensors file."""
    config = {key: value for key, value in dict(network.config).items() if not key.startswith("_")}  # type: ignore[arg-type]
    return save(path, network.state_dict(), {"config": json.dumps(config | {"schedule": SCHEDULE}, sort_keys=True)})


def load(
    path: Path,
    task: Task,
    device: str,
    dtype: torch.dtype,
    conditional: bool = True,
    adaptation: Path | None = None,
) -> PixelDenoiser:
    """The denoiser in a file written by `store`, or in a file of diffusers' layout, with the low-rank weights of a file
    merged into it where there is one.

    Raises `WeightsError` where it is no network for the task's images, or looks at classes though it should not, or
    the other way round.
    """
    state, metadata = read(path)
    state = {_OLD_NAMES.sub(lambda old: _NEW_NAMES[old[1]] + ".", key): value for key, value in state.items()}
    config = configuration(path, metadata)
    schedule = config.pop("schedule", None) or _schedule(path)
    expected = {"in_channels": task.shape[0], "num_class_embeds": len(task.classes) if conditional else None}
    for key, value in expected.items():
        if config.get(key) != value:
            raise WeightsError(
                f"The denoiser {path} does not fit {task.dataset}: {key} is {config.get(key)}; {value} is needed."
            )
    with ambient():
        network: nn.Module = UNet2DModel.from_config(config)
    fill(network, state, path)
    # diffusers' own `to` warns about every change of type
    nn.Module.to(network.eval().requires_grad_(False), dtype=dtype)
    if adaptation is not None:
        merge(network, adaptation, state.__getitem__)
    nn.Module.to(network, device=torch.device(device))
    return PixelDenoiser(network, schedule, path, conditional)


def _schedule(path: Path) -> dict[str, object]:
    """The schedule beside a network of diffusers' layout (`scheduler_config.json`), or else the usual one."""
    file = schedule_file(path)
    found: dict[str, object] = SCHEDULE if file is None else json.loads(file.read_text("utf-8"))
    return found
