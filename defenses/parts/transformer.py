"""Vision transformers through transformers' `ViTForImageClassification`: built, stored, loaded."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from torch import Tensor, nn

from bench import Task, WeightsError
from defenses.parts.checkpoints import configuration, read, save
from defenses.parts.hidden import unfit_torchvision
from defenses.parts.hub_models import checked, quiet
from defenses.parts.randomness import ambient
from defenses.parts.resize import resize

with unfit_torchvision():
    from transformers import ViTConfig, ViTForImageClassification


class Transformer(nn.Module):
    """Normalised images (N, C, H, W) to logits (N, K); images of another size are resized bilinearly first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._size: int = network.config.image_size  # type: ignore[union-attr, assignment]

    def forward(self, images: Tensor) -> Tensor:
        """One pass; the processor's rounding to 8 bits after resizing is left out, so that images have a gradient."""
        if images.shape[2:] != (self._size, self._size):
            images = resize(images, (self._size, self._size), "bilinear")
        logits: Tensor = self.network(pixel_values=images).logits
        return logits


def build(task: Task) -> Transformer:
    """A fresh transformer: patches of 2 pixels and 64 dimensions for tiny images, ViT-B/16 otherwise."""
    classes = len(task.classes)
    if max(task.shape[1:]) <= 16:
        config = ViTConfig(
            image_size=task.shape[1],
            patch_size=2,
            num_channels=task.shape[0],
            hidden_size=64,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=128,
            num_labels=classes,
        )
    else:
        config = ViTConfig(num_channels=task.shape[0], num_labels=classes)
    return Transformer(ViTForImageClassification(config))


def store(module: Transformer, path: Path) -> Path:
    """Write the weights with their configuration as one safetensors file, under the names of the hub's checkpoints."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        module.network.save_pretrained(folder)  # type: ignore[operator]
        state, _ = read(Path(folder) / "model.safetensors")
        config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    del config["transformers_version"]
    return save(path, state, {"config": json.dumps(config, sort_keys=True)})


def load(path: Path, task: Task) -> Transformer:
    """The transformer in a file with its configuration inside or beside it.

    Raises `WeightsError` where it does not fit the task or its own configuration.
    """
    state, metadata = read(path)
    config = ViTConfig.from_dict(configuration(path, metadata))
    for name, found, wanted in (
        ("classes", config.num_labels, len(task.classes)),
        ("channels", config.num_channels, task.shape[0]),
    ):
        if found != wanted:
            raise WeightsError(f"The transformer {path} has {found} {name}; {task.dataset} has {wanted}.")
    with quiet(), ambient():
        loaded = ViTForImageClassification.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True
        )
    return Transformer(checked(loaded, path))
