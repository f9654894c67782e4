"""Tiny models in the forms in which timm and transformers publish them, and what the libraries themselves make of
images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from bench import Task
from defenses.parts.weights.hub_models import quiet

COLOURS = Task("colours", ("red", "green", "blue", "grey"), (3, 20, 20))
TIMM = "test_resnet.r160_in1k"
"""One of the architectures that timm keeps for tests."""


def transformer(folder: Path, labels: Mapping[int, str] | None = None, **processor: Any) -> Path:
    """A ViT of transformers for images of 32 pixels, with its image processor."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    names = labels or dict(enumerate(COLOURS.classes))
    config = ViTConfig(image_size=32, patch_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    config.intermediate_size, config.id2label = 8, dict(names)
    config.label2id = {name: number for number, name in names.items()}
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(2)
        ViTForImageClassification(config).save_pretrained(folder)
    own = {"size": {"height": 32, "width": 32}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
    ViTImageProcessor(**own, **processor).save_pretrained(folder)
    return folder


def convolutional(folder: Path) -> Path:
    """A ResNet of transformers whose processor scales the shorter side and keeps the centre."""
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic")
    config.id2label = dict(enumerate(COLOURS.classes))
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(2)
        ResNetForImageClassification(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 28}, crop_pct=0.875, resample=3).save_pretrained(folder)
    return folder


def timm_state(classes: int = 4) -> dict[str, torch.Tensor]:
    """Random weights of timm's test model."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(2)
        state: dict[str, torch.Tensor] = timm.create_model(TIMM.partition(".")[0], num_classes=classes).state_dict()
    return state


def timm_files(folder: Path, classes: int = 4, **record: Any) -> Path:
    """Those weights with the configuration that timm's `push_to_hf_hub` writes."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(timm_state(classes), folder / "model.safetensors")
    own = {
        **{"tag": "r160_in1k", "custom_load": False, "input_size": [3, 24, 24], "fixed_input_size": False},
        **{"interpolation": "bicubic", "crop_pct": 0.75, "crop_mode": "center", "num_classes": classes},
        **{"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "first_conv": "conv1", "classifier": "fc"},
    }
    document = {"architecture": TIMM.partition(".")[0], "num_classes": classes, "pretrained_cfg": {**own, **record}}
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def pictures(count: int = 6, size: tuple[int, int] = (20, 20)) -> tuple[list[Image.Image], torch.Tensor]:
    """Images of 8 bits for Pillow, and as (N, C, H, W) in [0, 1]: smooth ones, whose logits differ."""
    random = np.random.RandomState(4)
    coarse = random.randint(0, 256, (count, 4, 4, 3)).astype(np.uint8)
    shown = [Image.fromarray(each).resize(size[::-1], Image.Resampling.BICUBIC) for each in coarse]
    return shown, torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() / 255
