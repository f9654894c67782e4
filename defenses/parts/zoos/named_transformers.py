"""transformers' image classifiers by hub id or folder; no code but the library's own is run, no pickle read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench import WeightsError
from defenses.parts.weights.checkpoints import read
from defenses.parts.weights.hidden import unfit_torchvision
from defenses.parts.weights.hub_models import filled, quiet
from defenses.parts.zoos.named import Place

with unfit_torchvision():
    from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, AutoConfig, AutoImageProcessor

KERNELS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers."""


@dataclass(frozen=True)
class Transformers:
    """An image classifier of transformers, by its configuration, its image processor and its weights."""

    place: Place

    def labels(self) -> tuple[int, list[str] | None]:
        """The configuration's, in the order of their numbers."""
        names = self._config.id2label
        return len(names), [str(names[number]) for number in sorted(names)]

    def entrance(self) -> Mapping[str, Any]:
        """The image processor's. Raises `WeightsError` where it does more than resize, crop, scale and normalise."""
        own = self._processor
        scale = 255 * (float(getattr(own, "rescale_factor", 1 / 255)) if getattr(own, "do_rescale", True) else 1.0)
        channels = int(getattr(self._config, "num_channels", 3))
        mean, std = (0.0,) * channels, (1.0,) * channels
        if getattr(own, "do_normalize", True):
            mean, std = (_channels(values, channels) for values in (own.image_mean, own.image_std))
        found = {
            "size": self._size(),
            "mean": tuple(round(value / scale, 12) for value in mean),
            "std": tuple(round(value / scale, 12) for value in std),
            "kernel": KERNELS.get(int(getattr(own, "resample", 2)), "unknown"),
        }
        self._assure(found)
        return found

    def files(self) -> dict[str, Path]:
        """Weights, configuration and image processor."""
        return {"network": self.place.network, "config": self.place.config, "processor": self.place.processor()}

    def build(self, classes: int) -> nn.Module:
        """The library's class for this configuration, its weights read strictly, in single precision."""
        config = self._config
        kinds = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING.get(type(config), None)
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        named = [kind for kind in kinds if kind is not None and kind.__name__ in (config.architectures or ())]
        kind = next(iter(named or kinds))
        if kind is None:
            raise WeightsError(f"{self.place.config} is of a {config.model_type}, which classifies no images.")
        state, _ = read(self.place.network)
        single = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        return filled(kind, config, single, self.place.network).float()

    @cached_property
    def _config(self) -> Any:
        return _opened(AutoConfig, self.place.config)

    @cached_property
    def _processor(self) -> Any:
        return _opened(AutoImageProcessor, self.place.processor())

    def _size(self) -> tuple[int, int]:
        """Height and width after its resizing and its crop."""
        own = self._processor
        size = dict(own.crop_size if getattr(own, "do_center_crop", None) and own.crop_size else own.size)
        if size.get("height") and size.get("width"):
            return int(size["height"]), int(size["width"])
        if size.get("shortest_edge") and not size.get("longest_edge"):
            return (int(size["shortest_edge"]),) * 2
        raise WeightsError(f"{self.place.processor()} gives no one size of images; pass -D size=HEIGHT,WIDTH.")

    def _assure(self, found: Mapping[str, Any]) -> None:
        """See on one image whether there is nothing but this to it (another order of channels, padding, offsets)."""
        pixels = np.random.RandomState(0).randint(0, 256, (*found["size"], len(found["mean"]))).astype(np.uint8)
        with quiet():
            told = self._processor(
                [pixels], do_resize=False, do_center_crop=False, input_data_format="channels_last", return_tensors="pt"
            )["pixel_values"][0]
        mean, std = (torch.tensor(found[name]).view(-1, 1, 1) for name in ("mean", "std"))
        ours = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - mean) / std
        if told.shape != ours.shape or not torch.allclose(told, ours, atol=1e-4):
            raise WeightsError(
                f"{self.place.processor()} does more to an image than resizing, cropping, scaling and normalising it; "
                f"such a model cannot be loaded by name."
            )


def _opened(kind: Any, path: Path) -> Any:
    """A configuration or processor from its folder; one that would run code of its own is refused."""
    try:
        with quiet():
            return kind.from_pretrained(path.parent, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises whatever a configuration makes it stumble over
        reason = " ".join(str(error).split()).rstrip(".")
        raise WeightsError(
            f"{path} is of no model that this transformers knows without running code of others ({reason[:160]})."
        ) from error


def _channels(values: Any, channels: int) -> tuple[float, ...]:
    found = tuple(values) if isinstance(values, list | tuple) else (values,)
    return tuple(float(value) for value in (found * channels if len(found) == 1 else found))
