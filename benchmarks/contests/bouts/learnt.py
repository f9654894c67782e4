"""A tiny Stable Diffusion that has learnt to tell classes apart, a little."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

STEPS, BATCH, LEARNING_RATE = 600, 64, 3e-3


def learn(network: UNet2DConditionModel, codes: Tensor, prompts: Tensor, signal: Tensor, seed: int) -> None:
    """Let a network predict the noise in codes (N, C, H, W) under their prompts (N, L, D), for a few steps of Adam.

    `signal` (T,) is the schedule's cumulative product of alphas. The denoising loss is that of Ho et al. 2020.
    """
    rng = torch.Generator().manual_seed(seed)
    network.requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    with torch.enable_grad():
        for _ in range(STEPS):
            rows = torch.randint(len(codes), (BATCH,), generator=rng)
            steps = torch.randint(len(signal), (BATCH,), generator=rng)
            noise = torch.randn(codes[rows].shape, generator=rng)
            kept = signal[steps][:, None, None, None]
            predicted = network(
                kept.sqrt() * codes[rows] + (1 - kept).sqrt() * noise, steps, encoder_hidden_states=prompts[rows]
            ).sample
            optimizer.zero_grad()
            functional.mse_loss(predicted, noise).backward()
            optimizer.step()
            schedule.step()
    network.requires_grad_(False)


@torch.no_grad()
def rescale(folder: Path, codes: Tensor) -> None:
    """Let an autoencoder give codes of deviation 1, as a trained one does, where it gave `codes` for some images."""
    autoencoder = AutoencoderKL.from_pretrained(folder)
    autoencoder.quant_conv.weight /= codes.std()
    autoencoder.quant_conv.bias -= codes.mean() / 0.18215
    autoencoder.quant_conv.bias /= codes.std()
    autoencoder.save_pretrained(folder)
