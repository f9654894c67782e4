"""Residual blocks of a denoiser's network, computed in place where no graph is kept."""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional

from defenses.parts.weights.hidden import single_networks, unfit_torchvision

with unfit_torchvision(), single_networks():
    from diffusers.models.resnet import ResnetBlock2D


def shorten(network: nn.Module) -> None:
    """Have every plain residual block of a network in eval mode computed so; equal to the bit.

    By hand, for diffusers' block divides by 1 and keeps every value that it overwrites: 3 to 5 % of a pass on a CPU.
    """
    for module in network.modules():
        if isinstance(module, ResnetBlock2D) and _is_plain(module):
            module.forward = MethodType(_short, module)


def _is_plain(block: ResnetBlock2D) -> bool:
    """Whether it keeps its size, adds the embedding of the time, and divides by 1."""
    return (
        block.upsample is None
        and block.downsample is None
        and block.time_embedding_norm == "default"
        and block.time_emb_proj is not None
        and not block.skip_time_act
        and isinstance(block.nonlinearity, nn.SiLU)
        and block.output_scale_factor == 1
        and not block.training
    )


def _short(block: ResnetBlock2D, features: Tensor, temb: Tensor) -> Tensor:
    """Features (N, C', H, W) of features (N, C, H, W) and an embedding (N, D) of the time."""
    overwrites = not torch.is_grad_enabled()
    time = block.time_emb_proj(functional.silu(temb))[:, :, None, None]
    hidden: Tensor = block.conv1(functional.silu(block.norm1(features), inplace=overwrites))
    hidden = hidden.add_(time) if overwrites else hidden + time
    hidden = block.conv2(functional.silu(block.norm2(hidden), inplace=overwrites))
    if block.conv_shortcut is not None:
        features = block.conv_shortcut(features)
    return hidden.add_(features) if overwrites else features + hidden
