"""The names that timm and torchvision give a vision transformer's weights, and what transformers calls them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

QKV = "attention.attention.{}"
"""Queries, keys and values in one matrix, in this order."""
OUTSIDE = {
    "vit.embeddings.cls_token": ("cls_token", "class_token"),
    "vit.embeddings.position_embeddings": ("pos_embed", "encoder.pos_embedding"),
    "vit.embeddings.patch_embeddings.projection": ("patch_embed.proj", "conv_proj"),
    "vit.layernorm": ("norm", "encoder.ln"),
    "classifier": ("head", "heads.head"),
}
INSIDE = {
    "layernorm_before": ("norm1", "ln_1"),
    QKV: ("attn.qkv", "self_attention.in_proj"),
    "attention.output.dense": ("attn.proj", "self_attention.out_proj"),
    "layernorm_after": ("norm2", "ln_2"),
    "intermediate.dense": ("mlp.fc1", "mlp.0", "mlp.linear_1"),
    "output.dense": ("mlp.fc2", "mlp.3", "mlp.linear_2"),
}
"""What transformers calls weights outside and inside a block, and what timm and then torchvision call them, whose
published files hold its older names of the two linear layers."""
BLOCKS = ("blocks.", "encoder.layers.encoder_layer_")
HEAD = 64
"""Dimensions of an attention head in every ViT of the paper but Huge; no weight tells it."""


def is_foreign(names: Collection[str]) -> bool:
    """Whether these are timm's or torchvision's names."""
    return "patch_embed.proj.weight" in names or "conv_proj.weight" in names


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under transformers' names; a foreign name without a counterpart stays as it is.

    Both keep queries, keys and values in one matrix, in this order. A bare encoder, as hubs hold it before any
    fine-tuning, gets its classifier's prefix; what it pools for another objective is left out.
    """
    if "embeddings.cls_token" in state:
        return {"vit." + key: value for key, value in state.items() if not key.startswith("pooler.")}
    if not is_foreign(state):
        return dict(state)
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _renamed(key)
        if "{}" in name:
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[name.format(part)] = third
        else:
            found[name] = value
    return found


def shape_of(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The settings of transformers' `ViTConfig` that weights under its names show."""
    projection = state["vit.embeddings.patch_embeddings.projection.weight"]
    width, channels, patch = projection.shape[0], projection.shape[1], projection.shape[2]
    patches = state["vit.embeddings.position_embeddings"].shape[1] - 1
    blocks = {key.split(".")[3] for key in state if key.startswith("vit.encoder.layer.")}
    return {
        "image_size": round(patches**0.5) * patch,
        "patch_size": patch,
        "num_channels": channels,
        "hidden_size": width,
        "num_hidden_layers": len(blocks),
        "num_attention_heads": max(1, width // HEAD),
        "intermediate_size": len(state["vit.encoder.layer.0.intermediate.dense.bias"]),
    }


def _renamed(key: str) -> str:
    """The new name of a weight: of a parameter on its own, or of a layer's 'weight' or 'bias'."""
    outside, inside = ({old: new for new, olds in names.items() for old in olds} for names in (OUTSIDE, INSIDE))
    if key in outside:
        return outside[key]
    # the joint matrix is in_proj_weight, with an underscore
    stem, kind = (key[:-7], "weight") if key.endswith("weight") else (key[:-5], "bias")
    if stem in outside:
        return f"{outside[stem]}.{kind}"
    for block in BLOCKS:
        number, _, rest = stem.removeprefix(block).partition(".")
        if stem.startswith(block) and rest in inside:
            return f"vit.encoder.layer.{number}.{inside[rest]}.{kind}"
    return key
