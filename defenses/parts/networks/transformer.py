"""Vision transformers through transformers' `ViTForImageClassification`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from bench import Network, Task, WeightsError
from defenses.parts.images import Normalisation, is_tiny
from defenses.parts.resize import resize
from defenses.parts.weights.checkpoints import CONFIG, configuration, read, save
from defenses.parts.weights.hidden import unfit_torchvision
from defenses.parts.weights.hub_models import filled, quiet
from defenses.parts.weights.transformer_names import is_foreign, shape_of, translated

with unfit_torchvision():
    from transformers import ViTConfig, ViTForImageClassification

PRECISE = 1e-6
"""What timm and torchvision add to a layer norm's variance."""


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


class TransformerFamily:
    """Patches of 2 pixels and 64 dimensions for tiny images, ViT-B/16 otherwise."""

    def normalisation(self, task: Task) -> Normalisation:
        """Mean and deviation 0.5."""
        return (0.5,) * task.shape[0], (0.5,) * task.shape[0]

    def fresh(self, task: Task) -> Transformer:
        """A transformer to be trained."""
        classes = len(task.classes)
        if is_tiny(task):
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

    def started(self, path: Path, task: Task) -> Transformer:
        """The transformer in a file as of `load` to be trained further, with a new head of zeros for another number of
        classes.

        That is how Dosovitskiy et al. fine-tune (section 3.2). Raises `WeightsError` where it does not fit.
        """
        state, config = _described(path)
        _check(path, task, channels=config.num_channels)
        classes = len(task.classes)
        if len(state.get("classifier.bias", ())) != classes:
            state["classifier.weight"] = torch.zeros(classes, config.hidden_size)
            state["classifier.bias"] = torch.zeros(classes)
        config.num_labels = classes
        return Transformer(filled(ViTForImageClassification, config, state, path).requires_grad_(True))

    def store(self, module: nn.Module, path: Path) -> Path:
        """Write the weights with their configuration as one safetensors file, under the names of the hub's."""
        with tempfile.TemporaryDirectory() as folder, quiet():
            module.get_submodule("network").save_pretrained(folder)  # type: ignore[operator]
            state, _ = read(Path(folder) / "model.safetensors")
            config = json.loads((Path(folder) / CONFIG).read_text("utf-8"))
        del config["transformers_version"]
        return save(path, state, {"config": json.dumps(config, sort_keys=True)})

    def load(self, path: Path, task: Task, device: str) -> Network:
        """The classifier in a file of transformers, timm or torchvision; the first with a configuration inside or
        beside.

        Raises `WeightsError` where it does not fit the task or its own configuration.
        """
        state, config = _described(path)
        _check(path, task, classes=config.num_labels, channels=config.num_channels)
        module = Transformer(filled(ViTForImageClassification, config, state, path))
        return Network(module.to(device), *self.normalisation(task))


def _described(path: Path) -> tuple[dict[str, Tensor], ViTConfig]:
    """The weights in a file under transformers' names, and their configuration."""
    found, metadata = read(path)
    state = translated(found)
    if not is_foreign(found):
        return state, ViTConfig.from_dict(configuration(path, metadata))
    try:
        shape = shape_of(state)
    except KeyError as error:
        raise WeightsError(f"The weights {path} are no vision transformer: {error} is missing.") from None
    classes = len(state.get("classifier.bias", ()))
    return state, ViTConfig(**shape, num_labels=classes, layer_norm_eps=PRECISE)


def _check(path: Path, task: Task, **found: int) -> None:
    wanted = {"classes": len(task.classes), "channels": task.shape[0]}
    for name, count in found.items():
        if count != wanted[name]:
            raise WeightsError(f"The transformer {path} has {count} {name}; {task.dataset} has {wanted[name]}.")
