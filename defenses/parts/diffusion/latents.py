"""The denoiser in latent space: text-conditional Stable Diffusion in diffusers' layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import safe_open
from torch import Generator, Tensor, nn

from bench import Task, UsageError, WeightsError
from defenses.parts.diffusion.denoiser import Denoiser, as_noise, prediction_of, schedule_of
from defenses.parts.diffusion.lora import merge
from defenses.parts.narrow import narrowly, type_of
from defenses.parts.networks.blocks import shorten
from defenses.parts.randomness import ambient
from defenses.parts.resize import resize
from defenses.parts.weights.hidden import single_networks, unfit_torchvision
from defenses.parts.weights.hub import MODELS
from defenses.parts.weights.hub_models import checked, quiet

with unfit_torchvision(), single_networks():
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer


class LatentDenoiser(Denoiser):
    """Codes are the autoencoder's latents of enlarged images; a class is the embedding (K, L, d) of its prompt.

    Only the network computes in half precision; autoencoder and codes stay in float32. Deviations from the published
    code: that, and the enlarged image is not rounded to 8 bits, so that it has a gradient.
    """

    def __init__(
        self, network: Any, autoencoder: Any, embeddings: Tensor, schedule: Mapping[str, object], path: Path
    ) -> None:
        self.network: nn.Module = network
        self.schedule = schedule_of(schedule, path)
        self._autoencoder = autoencoder
        self._embeddings = embeddings
        self._kind = prediction_of(schedule, path)
        factor = 2 ** (len(autoencoder.config.block_out_channels) - 1)
        self._resolution: int = network.config.sample_size * factor
        self.area = network.config.sample_size**2
        self._scale: float = autoencoder.config.scaling_factor

    def settled(self) -> Self:
        """The same, its blocks shortened."""
        shorten(self.network)
        return self

    def encode(self, images: Tensor) -> Tensor:
        """The mean of the latents' distribution, scaled."""
        latents: Tensor = self._distribution(images).mean * self._scale
        return latents

    def sample(self, images: Tensor, rng: Generator) -> Tensor:
        """A draw from the latents' distribution, scaled; `rng` lives on the CPU."""
        distribution = self._distribution(images)
        noise = torch.randn(distribution.mean.shape, generator=rng).to(distribution.mean)
        latents: Tensor = (distribution.mean + distribution.std * noise) * self._scale
        return latents

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        """One pass through the network under the classes' prompts."""
        embeddings = self._embeddings[classes]

        def network(values: Tensor) -> Tensor:
            predicted: Tensor = self.network(values, steps, encoder_hidden_states=embeddings, return_dict=False)[0]
            return predicted

        predicted = narrowly(network, noisy, embeddings.dtype)
        return as_noise(predicted, self._kind, noisy, signal)

    def _distribution(self, images: Tensor) -> Any:
        size = (self._resolution, self._resolution)
        enlarged = resize(images, size, "bicubic", cut=True)
        return self._autoencoder.encode((2 * enlarged - 1).to(type_of(self._autoencoder))).latent_dist


def load(
    path: Path, task: Task, device: str, dtype: torch.dtype, prompt: str, adaptation: Path | None = None
) -> LatentDenoiser:
    """Stable Diffusion from its folder, the prompts of the task's classes embedded once, with the low-rank weights of a
    file merged into it where there is one.

    Raises `WeightsError` where a model is missing, corrupt or of another architecture, `UsageError` for a prompt
    without the word {class}, and for images that have no three channels.
    """
    if "{class}" not in prompt:
        raise UsageError(f"The prompt must contain {{class}}; got {prompt!r}.")
    if task.shape[0] != 3:
        raise UsageError(f"Stable Diffusion reads colour images (3 channels); {task.dataset} has {task.shape[0]}.")
    prompts = [prompt.replace("{class}", name) for name in task.classes]
    embeddings = _embed(path, prompts).to(device, dtype)
    autoencoder = _model(path / "vae", partial(AutoencoderKL.from_pretrained, torch_dtype=torch.float32)).to(device)
    network = _model(path / "unet", partial(UNet2DConditionModel.from_pretrained, torch_dtype=dtype))
    if adaptation is not None:
        with safe_open(path / "unet" / MODELS["unet"][0], framework="pt") as file:  # a layer at a time, unrounded
            merge(network, adaptation, file.get_tensor)
    network = network.to(device)
    schedule = json.loads((path / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    return LatentDenoiser(network, autoencoder, embeddings, schedule, path)


@torch.no_grad()
def _embed(path: Path, prompts: list[str]) -> Tensor:
    """Embeddings (K, L, d) of prompts, padded to the tokenizer's full length as Stable Diffusion was trained."""
    try:
        tokenizer = CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
    except Exception as error:  # the tokenizer's reader raises whatever a damaged file makes it stumble over
        raise WeightsError(f"The tokenizer in {path / 'tokenizer'} cannot be read: {error}") from error
    encoder = _model(path / "text_encoder", CLIPTextModel.from_pretrained)
    tokens = tokenizer(
        prompts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    embeddings: Tensor = encoder(tokens.input_ids)[0]
    return embeddings


def _model(folder: Path, read: Callable[..., Any]) -> Any:
    """A model from its folder, frozen; no weight may be missing, left over or of another shape."""
    try:
        with quiet(), ambient():
            loaded = read(folder, local_files_only=True, use_safetensors=True, output_loading_info=True)
    except Exception as error:  # both libraries raise whatever a damaged file makes them stumble over
        raise WeightsError(f"The model in {folder} cannot be read: {error}") from error
    return checked(loaded, folder)
