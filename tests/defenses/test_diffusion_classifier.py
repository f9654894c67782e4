"""The diffusion classifier against a plain loop over images, classes and timesteps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import UsageError, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.parts.diffusion.noise_errors import Chunks, Errors, Noises, Rows
from tests.defenses.tiny import (
    COLOURS,
    GREYS,
    PROMPT,
    images,
    plain_errors,
    rng,
    stable_diffusion,
    unstaged,
)


@pytest.fixture(params=["epsilon", "v_prediction"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return stable_diffusion(tmp_path / "tiny", request.param)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_errors_by_class_equal_a_plain_loop_over_images_classes_and_timesteps(folder: Path, loss: str) -> None:
    settings = unstaged(folder, loss, rows=7)
    grid = [125, 375, 625, 875]
    noise = torch.randn(4, 4, 8, 8, generator=rng())
    with torch.no_grad():
        logits = settings.load(COLOURS, "cpu")(images(3), rng())
        expected = plain_errors(folder, images(3), noise, grid, loss, PROMPT)
    torch.testing.assert_close(-logits / noise[0].numel(), expected.mean(2), rtol=1e-4, atol=1e-6)
    denoiser = denoiser_for(folder, settings, COLOURS, "cpu")
    with torch.no_grad():
        codes = denoiser.encode(images(3))
        pairs = torch.cartesian_prod(torch.arange(3), torch.arange(4))
        errors = Errors(denoiser, Noises(torch.tensor(grid), noise), loss, Chunks(5, 2, 2))
        found = errors.of(codes, Rows.of(pairs[:, 0], pairs[:, 1], torch.arange(4)))
    torch.testing.assert_close(found.view(3, 4, 4), expected, rtol=1e-4, atol=1e-6)


def test_the_white_box_gradient_equals_autograd_through_the_plain_loop(folder: Path) -> None:
    weighting = torch.randn(2, 4, generator=rng(9))
    ours, plain = images(2).requires_grad_(True), images(2).requires_grad_(True)
    logits = unstaged(folder, rows=3).load(COLOURS, "cpu")(ours, rng())
    noise = torch.randn(4, 4, 8, 8, generator=rng())
    errors = plain_errors(folder, plain, noise, [125, 375, 625, 875], "l1", PROMPT)
    (gradient,) = torch.autograd.grad((logits * weighting).sum(), ours)
    (expected,) = torch.autograd.grad((-errors.mean(2) * noise[0].numel() * weighting).sum(), plain)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_digits_are_classified_as_the_card_promises_and_differentiably() -> None:
    model = DiffusionClassifier().load(TASK, "cpu")
    batch = Digits().load("test", None).read(range(64))
    with torch.no_grad():
        assert int((model(batch.images, rng()).argmax(1) == batch.labels).sum()) >= 62
    leaf = batch.images[:2].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(leaf, rng()).logsumexp(1).sum(), leaf)
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) > 0


def test_an_incomplete_stable_diffusion_is_refused_with_the_missing_file(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"vae/config\.json is missing"):
        DiffusionClassifier(weights=str(folder)).files(COLOURS)


def test_stable_diffusion_refuses_a_prompt_without_a_class_grey_images_and_damaged_weights(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    settings = DiffusionClassifier(weights=str(folder))
    with pytest.raises(UsageError, match=r"must contain \{class\}"):
        replace(settings, prompt="a photo").load(COLOURS, "cpu")
    with pytest.raises(UsageError, match="colour images"):
        settings.load(GREYS, "cpu")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="unet"):
        settings.load(COLOURS, "cpu")


def test_a_denoiser_of_other_classes_is_refused() -> None:
    packaged = DiffusionClassifier().files(TASK)["denoiser"]
    with pytest.raises(WeightsError, match="num_class_embeds is 10; 3 is needed"):
        DiffusionClassifier(weights=str(packaged)).load(GREYS, "cpu")


def test_a_pixel_denoiser_in_the_layout_of_diffusers_is_read_and_needs_classes(tmp_path: Path) -> None:
    from diffusers.models.unets.unet_2d import UNet2DModel

    small = {"block_out_channels": (8, 8), "norm_num_groups": 4, "layers_per_block": 1, "attention_head_dim": 4}
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    size = {"sample_size": 8, "in_channels": 1, "out_channels": 1}
    UNet2DModel(**small, **blocks, **size, num_class_embeds=3).save_pretrained(tmp_path / "with")
    UNet2DModel(**small, **blocks, **size).save_pretrained(tmp_path / "without")
    logits = DiffusionClassifier(weights=str(tmp_path / "with")).load(GREYS, "cpu")(images(2, GREYS.shape), rng())
    assert logits.shape == (2, 3)
    with pytest.raises(WeightsError, match="num_class_embeds is None; 3 is needed"):
        DiffusionClassifier(weights=str(tmp_path / "without")).load(GREYS, "cpu")


def test_a_hub_id_without_a_network_is_one_sentence_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="give their folder"):
        DiffusionClassifier(weights="nobody/nothing").files(COLOURS)
