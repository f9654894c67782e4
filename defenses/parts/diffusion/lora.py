"""Low-rank adaptation of a denoiser (Hu et al. 2021, 2106.09685): made through peft, read from any usual file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench import WeightsError
from defenses.parts.weights.checkpoints import read, save
from defenses.parts.weights.hidden import unfit_torchvision

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
PREFIX = "unet."
_METADATA = "lora_adapter_metadata"
_FACTOR = re.compile(
    r"(?P<module>.+?)(\.lora_(?P<peft>A|B)(\.default)?|\.lora\.(?P<new>down|up)|_lora\.(?P<old>down|up)"
    r"|\.lora_(?P<kohya>down|up))\.weight"
)
"""A factor's name as peft, diffusers (with and without attention processors) and kohya's scripts write it."""
_ALPHA = re.compile(r"(?P<module>.+?)(\.lora)?\.alpha")
_FLAT = "lora_unet_"
"""How kohya's names begin, in which underscores stand for dots."""
_OF_TEXT = ("text_encoder", "lora_te")


@dataclass(frozen=True)
class LowRank:
    """What is added to one layer's weights: `scale` times `up` (out, r, ...) times `down` (r, in, ...)."""

    down: Tensor
    up: Tensor
    scale: float

    def added_to(self, weight: Tensor) -> Tensor | None:
        """The sum in float64; None where the shapes do not fit."""
        change = self.scale * self.up.double().flatten(1) @ self.down.double().flatten(1)
        fits = weight.flatten(1).shape == change.shape and weight.shape[1:] == self.down.shape[1:]
        return weight.double() + change.view_as(weight) if fits else None


def adapt(network: nn.Module, rank: int, alpha: float) -> list[nn.Parameter]:
    """Freeze a network and add fresh low-rank weights, which change nothing yet; gives the trainable parameters.

    The first factor is Gaussian (from torch's global generator: call it in a seeded scope), the second zero.
    """
    with unfit_torchvision():
        from peft import LoraConfig, inject_adapter_in_model

    network.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(TARGETS), init_lora_weights="gaussian")
    inject_adapter_in_model(config, network)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def store(network: nn.Module, rank: int, alpha: float, path: Path) -> Path:
    """Write an adapted network's low-rank weights alone, in diffusers' format."""
    with unfit_torchvision():
        from peft import get_peft_model_state_dict

    state = {PREFIX + key: value for key, value in get_peft_model_state_dict(network).items()}
    settings = {PREFIX + "r": rank, PREFIX + "lora_alpha": alpha, PREFIX + "target_modules": sorted(TARGETS)}
    return save(path, state, {_METADATA: json.dumps(settings, sort_keys=True)})


@torch.no_grad()
def merge(network: nn.Module, path: Path, weight_of: Callable[[str], Tensor]) -> None:
    """Add the low-rank weights of a file to a network's own, `weight_of(name)`, rounded to the network's type once.

    One layer at a time, from weights that are not rounded yet: on the grid of float16 a small change is lost. Raises
    `WeightsError` where the file does not fit the network.
    """
    modules = dict(network.named_modules())
    for name, found in low_rank_weights(path, modules).items():
        weight = weight_of(f"{name}.weight")
        merged = found.added_to(weight)
        if merged is None:
            shapes, expected = (tuple(found.up.shape), tuple(found.down.shape)), tuple(weight.shape)
            raise WeightsError(
                f"The weights {path} are of another architecture: the factors of {name!r} have shapes {shapes}, which "
                f"do not make {expected}."
            )
        modules[name].weight.copy_(merged)


def low_rank_weights(path: Path, modules: Mapping[str, nn.Module]) -> dict[str, LowRank]:
    """The low-rank weights in a file by the layer of a network that they belong to.

    Read are the formats of diffusers, new (`lora_A`, alpha in the metadata) and old (`lora.down`, also under attention
    processors), and of kohya's scripts. Without an alpha it is the rank, as diffusers takes it. Raises `WeightsError`
    for anything that is no low-rank weight of a layer of the network.
    """
    state, metadata = read(path)
    layers = {name for name, module in modules.items() if isinstance(getattr(module, "weight", None), nn.Parameter)}
    flat = {_FLAT + name.replace(".", "_"): name for name in layers}
    factors: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key.startswith(_OF_TEXT):
            raise WeightsError(f"The weights {path} adapt the text encoder too ({key!r}); only the network's are read.")
        module, part = _place(key)
        name = flat.get(module, module)
        if part is not None and name not in layers:
            raise WeightsError(f"The weights {path} are of another architecture: {key!r} is unexpected.")
        factors.setdefault(name, {})[part or key] = value
    settings = _settings(path, metadata)
    return {name: _low_rank(path, name, parts, settings) for name, parts in factors.items()}


def _place(key: str) -> tuple[str, str | None]:
    """A tensor's layer, and which part of its adaptation it is; None where it is none."""
    if (found := _FACTOR.fullmatch(key)) is not None:
        first = found["peft"] == "A" or "down" in (found["new"], found["old"], found["kohya"])
        module, part = found["module"], "down" if first else "up"
    elif (found := _ALPHA.fullmatch(key)) is not None:
        module, part = found["module"], "alpha"
    else:
        return key, None
    module = module.removeprefix(PREFIX).replace(".processor.", ".")
    return (module + ".0" if module.endswith(".to_out") else module), part


def _low_rank(path: Path, name: str, parts: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LowRank:
    strange = sorted(parts.keys() - {"down", "up", "alpha"})
    if strange:
        raise WeightsError(f"The weights {path} are no low-rank weights, or of an unknown format: {strange[0]!r}.")
    for part in ("down", "up"):
        if part not in parts:
            raise WeightsError(f"The weights {path} are incomplete: the factor {part!r} of {name!r} is missing.")
    rank = parts["down"].shape[0]
    alpha = float(parts["alpha"]) if "alpha" in parts else _alpha(name, rank, settings)
    scale = alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    return LowRank(parts["down"], parts["up"], scale)


def _alpha(name: str, rank: int, settings: Mapping[str, Any]) -> float:
    """A layer's alpha by the file's own settings, in which peft may name single layers; else the rank."""
    for pattern, alpha in (settings.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", name):
            return float(alpha)
    return float(settings.get("lora_alpha", rank))


def _settings(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What the metadata of a file of diffusers say of the network's adaptation."""
    try:
        found = json.loads(metadata.get(_METADATA, "{}"))
        return {str(key).removeprefix(PREFIX): value for key, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise WeightsError(f"The metadata of the weights {path} cannot be read: {error}") from error
