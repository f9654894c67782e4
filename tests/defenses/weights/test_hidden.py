"""What is not read beside a denoiser, and is there all the same for whoever wants it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
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
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[:2] == ["[]", "torch._dynamo BasicTransformerBlock"]
