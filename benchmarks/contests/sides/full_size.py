"""Stable Diffusion 2.0 and a WideResNet-28-10 in their true sizes, of random weights: what a device makes of them does
not hang on what they have learnt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import Network
from bench.datasets.cifar10 import TASK
from defenses.parts.images import normalisation
from defenses.parts.networks.residual import fold_batch_norm
from defenses.parts.networks.wide_preactivation import STD, WideNet
from defenses.parts.randomness import ambient
from defenses.parts.weights.hub_models import quiet

LETTERS = "abcdefghijklmnopqrstuvwxyz."
TRUE: Mapping[str, Mapping[str, Any]] = {
    "unet": {
        "sample_size": 64,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
    "vae": {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "scaling_factor": 0.18215,
    },
    "text": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16},
    "net": {"depth": 28, "width": 10},
}
"""As stable-diffusion-2-base's configurations have it: a network of 866 million parameters on latents of 64 x 64."""
SMALL: Mapping[str, Mapping[str, Any]] = {
    "unet": {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 16,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    },
    "vae": {
        "block_out_channels": (8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "scaling_factor": 0.18215,
    },
    "text": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    "net": {"depth": 10, "width": 1},
}
"""The same programs within seconds on a CPU."""


def stable_diffusion(folder: Path, size: Mapping[str, Mapping[str, Any]], device: str, dtype: torch.dtype) -> Path:
    """Stable Diffusion in diffusers' layout, the network in this type, with letters for a vocabulary."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir(parents=True)
    (tokenizer / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    (tokenizer / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"})
    )
    text = CLIPTextConfig(vocab_size=len(words), max_position_embeddings=77, **size["text"])
    with ambient(0, device), quiet(), torch.device(device):
        UNet2DConditionModel(**size["unet"]).to(dtype=dtype).save_pretrained(folder / "unet")
        AutoencoderKL(**size["vae"]).save_pretrained(folder / "vae")
        CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(
        folder / "scheduler"
    )
    return folder


def wide_resnet(size: Mapping[str, Mapping[str, Any]], images: Tensor) -> Network:
    """The network where the images are; its batch norm has seen them, so that its logits are told apart."""
    with ambient(0):
        net = WideNet(**size["net"], channels=images.shape[1], classes=len(TASK.classes)).to(images.device)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the mean over all calls
        net.train()(images)
    return Network(fold_batch_norm(net.eval()), *normalisation(TASK, STD))
