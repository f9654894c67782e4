"""Low-rank adaptation of a denoiser (Hu et al. 2021, 2106.09685), through peft, in diffusers' file format."""

from __future__ import annotations

import json
from pathlib import Path

from torch import nn

from bench import WeightsError
from defenses.parts.checkpoints import read, save
from defenses.parts.hidden import unfit_torchvision
from defenses.parts.randomness import ambient

with unfit_torchvision():
    from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
    from peft.tuners.tuners_utils import BaseTunerLayer

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
PREFIX = "unet."
_METADATA = "lora_adapter_metadata"


def adapt(network: nn.Module, rank: int, alpha: float) -> list[nn.Parameter]:
    """Freeze a network and add fresh low-rank weights, which change nothing yet; gives the trainable parameters.

    The first factor is Gaussian (from torch's global generator: call it in a seeded scope), the second zero.
    """
    network.requires_grad_(False)
    inject_adapter_in_model(_config(rank, alpha), network)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def store(network: nn.Module, rank: int, alpha: float, path: Path) -> Path:
    """Write an adapted network's low-rank weights alone."""
    state = {PREFIX + key: value for key, value in get_peft_model_state_dict(network).items()}
    settings = {PREFIX + "r": rank, PREFIX + "lora_alpha": alpha, PREFIX + "target_modules": sorted(TARGETS)}
    return save(path, state, {_METADATA: json.dumps(settings, sort_keys=True)})


def merge(network: nn.Module, path: Path) -> None:
    """Add the low-rank weights of a file to a network's own; no trace of the adaptation stays.

    Raises `WeightsError` where the file does not fit the network.
    """
    load(network, path)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                child.merge(safe_merge=True)
                setattr(parent, name, child.get_base_layer())
    network.requires_grad_(False)


def load(network: nn.Module, path: Path) -> None:
    """Put the low-rank weights of a file beside a network's own."""
    state, metadata = read(path)
    settings = json.loads(metadata.get(_METADATA, "{}"))
    ranks = {value.shape[0] for key, value in state.items() if key.endswith("lora_A.weight")}
    if len(ranks) != 1:
        raise WeightsError(f"The weights {path} are no low-rank weights of one rank: found the ranks {sorted(ranks)}.")
    rank = ranks.pop()
    with ambient():
        adapt(network, rank, settings.get(PREFIX + "lora_alpha", rank))
    state = {key.removeprefix(PREFIX): value for key, value in state.items()}
    wanted = get_peft_model_state_dict(network)
    for key in sorted(wanted.keys() ^ state.keys()):
        word = "missing" if key in wanted else "unexpected"
        raise WeightsError(f"The weights {path} are of another architecture: {key!r} is {word}.")
    for key, value in wanted.items():
        if state[key].shape != value.shape:
            found, expected = tuple(state[key].shape), tuple(value.shape)
            raise WeightsError(
                f"The weights {path} are of another architecture: {key!r} has shape {found}; {expected} was expected."
            )
    set_peft_model_state_dict(network, state)


def _config(rank: int, alpha: float) -> LoraConfig:
    return LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(TARGETS), init_lora_weights="gaussian")
