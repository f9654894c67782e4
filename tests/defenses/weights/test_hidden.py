"""What is kept from libraries while they are imported, and given back afterwards; in processes of their own, for a
module is imported once."""

from __future__ import annotations

import subprocess
import sys

ALONE = """
import sys
import defenses.parts.diffusion.{part}
from diffusers.models.unets.unet_2d_blocks import UpBlock2D

assert "diffusers.models.unets.unet_1d" not in sys.modules, "its siblings were read"
assert "diffusers.models.transformers.transformer_flux" not in sys.modules
assert "diffusers.models.unets" not in sys.modules, "the bare package stayed"
from diffusers.models.unets import UNet1DModel, unet_2d_blocks
from diffusers.models.transformers import FluxTransformer2DModel
from diffusers import UNet2DModel
import diffusers.models.unets.unet_2d as module

assert unet_2d_blocks.UpBlock2D is UpBlock2D and module.UNet2DModel is UNet2DModel
"""


def test_one_network_is_read_without_its_siblings_and_they_are_there_for_whoever_asks() -> None:
    for part in ("pixels", "latents"):
        found = subprocess.run([sys.executable, "-c", ALONE.format(part=part)], capture_output=True, text=True)
        assert found.returncode == 0, found.stderr


PLAIN = """
import sys
from bench.datasets.digits import TASK
from bench.plugins.registry import defenses

classifier = defenses.make("diffusion-classifier", {}).load(TASK, "cpu")
print([name for name in ("torch._dynamo", "torchvision", "sympy") if name in sys.modules])
import torch._dynamo
from diffusers.models.attention import BasicTransformerBlock
print(torch._dynamo.__name__, BasicTransformerBlock.__name__)
"""


def test_a_denoiser_of_pixels_reads_neither_torchs_compiler_nor_torchvision() -> None:
    found = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split("\n")[:2] == ["[]", "torch._dynamo BasicTransformerBlock"]
