"""Resizing against Pillow itself, in value and gradient, and where the defenses use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from defenses.parts.diffusion import latents
from defenses.parts.resize import KERNELS, Kernel, resize, weights
from tests.defenses.tiny import COLOURS, PROMPT, images, rng, stable_diffusion

PILLOWS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SIZES = [
    ((32, 32), (512, 512)),
    ((17, 40), (9, 93)),
    ((64, 48), (7, 224)),
    ((224, 200), (32, 32)),
    ((5, 3), (5, 3)),
    ((1, 2), (4, 5)),
]


def by_pillow(image: NDArray[Any], size: tuple[int, int], kernel: Kernel) -> NDArray[Any]:
    """An image (H, W) as Pillow resizes it, in its own type."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], PILLOWS[kernel]))


def by_us(image: NDArray[Any], size: tuple[int, int], kernel: Kernel, cut: bool = False) -> NDArray[Any]:
    """The same by `resize`."""
    return resize(torch.from_numpy(image)[None, None], size, kernel, cut)[0, 0].numpy()


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_values_are_pillows(before: tuple[int, int], after: tuple[int, int], kernel: Kernel) -> None:
    image = np.random.RandomState(0).rand(*before).astype(np.float32)
    assert np.abs(by_us(image, after, kernel) - by_pillow(image, after, kernel)).max() < 1e-6


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize(("before", "after"), [((32, 32), (512, 512)), ((20, 30), (90, 7)), ((224, 200), (32, 32))])
def test_8_bit_images_are_pillows_but_for_its_two_roundings(
    before: tuple[int, int], after: tuple[int, int], kernel: Kernel
) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, before).astype(np.uint8)
    ours = by_us(pixels / 255, after, kernel, cut=True) * 255
    most = 0.5 + 0.5 * float(weights(before[0], after[0], kernel).abs().sum(1).max()) + 0.01
    assert np.abs(ours - by_pillow(pixels, after, kernel)).max() <= most


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_the_gradient_is_that_of_the_values(kernel: Kernel) -> None:
    shown = torch.rand(2, 2, 5, 4, generator=rng(), dtype=torch.float64).requires_grad_()
    for size in ((9, 7), (3, 2)):
        assert torch.autograd.gradcheck(lambda x, size=size: resize(x, size, kernel), shown)
        middle = (0.4 + 0.2 * shown).detach().requires_grad_()
        assert torch.autograd.gradcheck(lambda x, size=size: resize(x, size, kernel, cut=True), middle)


def test_a_constant_image_stays_constant_and_one_of_the_same_size_stays_itself() -> None:
    for kernel in KERNELS:
        constant = torch.full((1, 1, 7, 5), 0.3, dtype=torch.float64)
        torch.testing.assert_close(resize(constant, (31, 3), kernel), torch.full((1, 1, 31, 3), 0.3).double())
        assert torch.equal(resize(images(1), (8, 8), kernel), images(1))


def test_stable_diffusion_sees_what_the_published_code_shows_it(tmp_path: Path) -> None:
    denoiser = latents.load(stable_diffusion(tmp_path), COLOURS, "cpu", torch.float32, PROMPT)
    shown: list[Tensor] = []
    denoiser._autoencoder.encoder.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    denoiser._resolution = 128
    pixels = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
    denoiser.encode(torch.from_numpy(pixels / 255).permute(2, 0, 1)[None].float())
    ours = ((shown[0][0] + 1) / 2 * 255).permute(1, 2, 0).numpy()
    published = np.asarray(Image.fromarray(pixels).resize((128, 128), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - published).mean() < 0.4  # of which its rounding is 0.25
    torchs = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(2, 0, 1)[None].float(), (128, 128), mode="bicubic"
    )
    assert np.abs(torchs[0].clamp(0, 255).permute(1, 2, 0).numpy() - published).mean() > 3
