"""The names that timm and torchvision give a vision transformer's weights, and what transformers calls them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = "vit.encoder.layer.{}."
TIMM = {
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "norm": "vit.layernorm",
    "head": "classifier",
}
TIMM_BLOCK = {
    "norm1": "layernorm_before",
    "attn.qkv": "",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
TORCHVISION = {
    "class_token": "vit.embeddings.cls_token",
    "encoder.pos_embedding": "vit.embeddings.position_embeddings",
    "conv_proj": "vit.embeddings.patch_embeddings.projection",
    "encoder.ln": "vit.layernorm",
    "heads.head": "classifier",
}
TORCHVISION_BLOCK = {
    "ln_1": "layernorm_before",
    "self_attention.in_proj": "",
    "self_attention.out_proj": "attention.output.dense",
    "ln_2": "layernorm_after",
    "mlp.0": "intermediate.dense",
    "mlp.3": "output.dense",
    "mlp.linear_1": "intermediate.dense",
    "mlp.linear_2": "output.dense",
}
"""The published files hold the older names of the two linear layers."""
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
        name, kind = _renamed(key)
        if name.endswith("."):
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"{name}attention.attention.{part}.{kind}"] = third
        else:
            found[f"{name}.{kind}" if kind else name] = value
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


def _renamed(key: str) -> tuple[str, str]:
    """The new name of a weight, and whether it is a 'weight' or a 'bias' ('' where the name is the whole of it)."""
    if key in TIMM or key in TORCHVISION:
        return (TIMM | TORCHVISION)[key], ""
    # the joint matrix is in_proj_weight, with an underscore
    stem, kind = (key[:-7], "weight") if key.endswith("weight") else (key[:-5], "bias")
    for block, names, inner in (
        ("blocks.", TIMM, TIMM_BLOCK),
        ("encoder.layers.encoder_layer_", TORCHVISION, TORCHVISION_BLOCK),
    ):
        if stem in names:
            return names[stem], kind
        number, _, rest = stem.removeprefix(block).partition(".")
        if stem.startswith(block) and rest in inner:
            return BLOCK.format(number) + inner[rest], kind
    return key, ""
