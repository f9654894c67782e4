"""Self-attention of images whose queries, keys and values are one product."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from defenses.parts.weights.hidden import single_networks, unfit_torchvision

with unfit_torchvision(), single_networks():
    from diffusers.models.attention_processor import Attention


def join(network: nn.Module) -> None:
    """Have every self-attention of a network of images computed so; its weights must not change any more.

    By hand, for diffusers multiplies a transposed view image by image, three times: a tenth of a pass on a CPU. Its own
    fused processor is experimental and multiplies that view as well.
    """
    for module in network.modules():
        if isinstance(module, Attention) and _is_plain(module):
            module.set_processor(_Joined(module))


def _is_plain(attention: Attention) -> bool:
    """Whether it is nothing but a group norm, attention of all places to all, a product, and the image added."""
    unused = (attention.spatial_norm, attention.norm_q, attention.norm_k)
    return (
        not attention.is_cross_attention
        and attention.residual_connection
        and attention.group_norm is not None
        and attention.to_q.out_features == attention.to_k.out_features == attention.to_v.out_features
        and attention.to_q.bias is not None
        and not any(unused)
    )


class _Joined:
    """A processor in diffusers' sense."""

    def __init__(self, attention: Attention) -> None:
        parts = (attention.to_q, attention.to_k, attention.to_v)
        self.weight = torch.cat([part.weight.detach() for part in parts])
        self.bias = torch.cat([part.bias.detach() for part in parts])

    def __call__(
        self,
        attention: Attention,
        images: Tensor,
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Features (N, C, H, W) after attention; `temb` is of spatial norms alone, and there is none."""
        count, channels, height, width = images.shape
        places = attention.group_norm(images).flatten(2).transpose(1, 2).reshape(-1, channels)
        joined = functional.linear(places, self.weight, self.bias).view(count, height * width, 3, attention.heads, -1)
        found = functional.scaled_dot_product_attention(*joined.permute(2, 0, 3, 1, 4))
        rows = attention.to_out[0](found.transpose(1, 2).reshape(len(places), -1))
        back = rows.view(count, height * width, channels).transpose(1, 2).reshape(images.shape)
        return (back + images) / attention.rescale_output_factor  # type: ignore[no-any-return]
