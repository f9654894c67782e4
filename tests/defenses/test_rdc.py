"""The robust diffusion classifier: weights against scipy, errors and ascent against plain loops, gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import lognorm
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench import UsageError, Victim
from bench.datasets.digits import TASK, Digits
from defenses.parts.diffusion import pixels
from defenses.parts.diffusion.denoiser import noise_levels
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification
from defenses.parts.diffusion.elimination import Stages
from defenses.parts.diffusion.likelihood import (
    Ascent,
    LikelihoodMaximizer,
    edm_grid,
    nearest,
    weights_of,
)
from defenses.parts.diffusion.noise_errors import Chunks
from defenses.parts.purification.purified import Purified
from defenses.rdc import RDC
from tests.defenses.tiny import GREYS, images, rng

SIGMAS = torch.linspace(1e-4, 3, 5, dtype=torch.float64)
ASCENT = Ascent(3, 0.1, 0.4, 0.6)


def denoiser(conditional: bool) -> pixels.PixelDenoiser:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = pixels.build(GREYS, conditional).double()
    return pixels.PixelDenoiser(network.eval().requires_grad_(False), pixels.SCHEDULE, Path("untrained"), conditional)


def edm(network: pixels.PixelDenoiser, chunks: Chunks) -> DiffusionClassification:
    """EDM's weighted errors under every class at every level."""
    grid = edm_grid(network.schedule, SIGMAS)
    return DiffusionClassification(network, grid, Stages((len(SIGMAS),), (1,)), 3, chunks)


def clean(network: pixels.PixelDenoiser, noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
    """D(x; sigma, y) of Karras et al. by the network alone: c_skip 1, c_out -sigma, c_in 1 / sqrt(1 + sigma^2)."""
    sigma = noise_levels(network.schedule)[steps].view(-1, 1, 1, 1)
    labels = classes if network.conditional else None
    predicted: Tensor = network.network(noisy / (1 + sigma**2).sqrt(), steps, class_labels=labels).sample
    return noisy - sigma * predicted


def test_packaged_denoisers_classify_digits() -> None:
    batch = Digits().load("test", None).read(range(128))
    predicted = RDC().load(TASK, "cpu")(batch.images, rng()).argmax(1)
    assert float((predicted == batch.labels).double().mean()) >= 0.95


def test_weights_are_edms_loss_weight_times_the_lognormal_density() -> None:
    sigmas = np.array([0.01, 0.1, 0.3, 1.0, 3.0])
    expected = (sigmas**2 + 0.25) / (0.5 * sigmas) ** 2 * lognorm.pdf(sigmas, s=1.2, scale=np.exp(-1.2))
    assert weights_of(torch.from_numpy(sigmas)).numpy() == pytest.approx(expected, rel=1e-12)


def test_logits_are_the_weighted_errors_of_edms_denoiser_at_the_schedules_nearest_noises() -> None:
    network, shown = denoiser(True), images(3, (1, 8, 8)).double()
    logits = edm(network, Chunks(7, 3, 8))(shown, rng())
    noise = torch.randn(5, 1, 8, 8, generator=rng()).double()
    levels = noise_levels(network.schedule)
    weighted, norm = torch.zeros(3, 3, dtype=torch.float64), 0.0
    for drawn, sigma in zip(noise, SIGMAS, strict=True):
        step = int((levels - sigma).abs().argmin())
        weight = float(weights_of(levels[step]))
        norm += weight * float(levels[step]) ** 2
        for kind in range(3):
            codes, steps = 2 * shown - 1, torch.full((3,), step)
            found = clean(network, codes + levels[step] * drawn, steps, torch.full((3,), kind))
            weighted[:, kind] += weight * (found - codes).square().flatten(1).mean(1)
    torch.testing.assert_close(logits, -weighted / norm * 64, rtol=1e-5, atol=1e-8)


def test_likelihood_climbs_as_adam_on_the_denoisers_error_does() -> None:
    network, shown = denoiser(False), images(2, (1, 8, 8)).double()
    found = LikelihoodMaximizer(network, ASCENT, Chunks(8, 1, 8))(shown, rng())
    source = rng()
    sigmas = 0.4 + 0.2 * torch.rand((3, 2), generator=source)
    noise = torch.randn(3, 2, 1, 8, 8, generator=source).double()
    codes = (2 * shown - 1).requires_grad_(True)
    optimizer = torch.optim.Adam([codes], 0.1)
    for drawn, level in zip(noise, sigmas, strict=True):
        steps = nearest(noise_levels(network.schedule), level)
        sigma = noise_levels(network.schedule)[steps].view(-1, 1, 1, 1)
        error = (clean(network, codes + sigma * drawn, steps, steps) - codes).square().flatten(1).mean(1).sum()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    left = (codes.detach() + 1) / 2
    assert float(left.min()) < 0 < 1 < float(left.max())
    torch.testing.assert_close(found, left.clamp(0, 1), rtol=1e-5, atol=1e-7)


def test_the_exact_gradient_is_that_of_unrolled_adam() -> None:
    network, shown = denoiser(False), (0.3 + 0.4 * images(3, (1, 8, 8)).double()).requires_grad_(True)
    gentle = Ascent(3, 0.01, 0.4, 0.6)  # stays within [0, 1]
    found = LikelihoodMaximizer(network, gentle, Chunks(8, 8, 8), exact=True)(shown, rng())
    cotangent = torch.randn(shown.shape, generator=rng(7), dtype=torch.float64)
    (ours,) = torch.autograd.grad(found, shown, cotangent)

    source = rng()
    sigmas = 0.4 + 0.2 * torch.rand((3, 3), generator=source)
    noise = torch.randn(3, 3, 1, 8, 8, generator=source).double()
    codes = 2 * shown - 1
    first = second = torch.zeros_like(codes)
    with sdpa_kernel(SDPBackend.MATH):
        for number, (drawn, level) in enumerate(zip(noise, sigmas, strict=True), start=1):
            steps = nearest(noise_levels(network.schedule), level)
            sigma = noise_levels(network.schedule)[steps].view(-1, 1, 1, 1)
            error = (clean(network, codes + sigma * drawn, steps, steps) - codes).square().flatten(1).mean(1).sum()
            (slope,) = torch.autograd.grad(error, codes, create_graph=True)
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            hats = first / (1 - 0.9**number), second / (1 - 0.999**number)
            codes = codes - 0.01 * hats[0] / (hats[1].sqrt() + 1e-8)
        (expected,) = torch.autograd.grad((codes + 1) / 2, shown, cotangent)
    torch.testing.assert_close(found.detach(), ((codes + 1) / 2).detach(), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-7)
    assert float((ours - cotangent).abs().max()) > 0.01  # it is not the identity's


def test_images_on_which_the_denoiser_has_no_slope_have_a_finite_gradient() -> None:
    network = denoiser(False)
    for parameter in network.network.parameters():
        parameter.zero_()
    shown = images(1, (1, 8, 8)).double().requires_grad_(True)
    found = LikelihoodMaximizer(network, ASCENT, Chunks(8, 8, 8), exact=True)(shown, rng())
    (slope,) = torch.autograd.grad(found.sum(), shown)
    assert torch.equal(slope, torch.ones_like(shown))


def test_an_exact_rdc_is_differentiable_and_shows_attacks_its_own_gradient() -> None:
    settings = {"steps": 2, "learning_rate": 0.02, "levels": 2}
    exact, identity = (RDC(gradient=kind, **settings).load(TASK, "cpu") for kind in ("exact", "identity"))  # type: ignore[arg-type]
    shown = Digits().load("test", None).read(range(2)).images.requires_grad_()
    torch.testing.assert_close(exact(shown, rng()).detach(), identity(shown, rng()).detach(), rtol=1e-4, atol=1e-3)
    gradients = []
    for classifier, source in ((exact, "own"), (identity, "identity")):
        victim = Victim(classifier, rng())
        gradients.append(torch.autograd.grad(victim(shown)[:, 0].sum(), shown)[0])
        assert victim.observation().gradients == {source: 1}
    assert float((gradients[0] - gradients[1]).abs().max()) > 1e-3 * float(gradients[1].abs().max())
    with torch.no_grad():
        plain = exact(shown, rng())
    assert torch.equal(exact(shown, rng()).detach(), plain)


def test_attacks_get_the_exact_gradient_at_the_likelier_image() -> None:
    maximizer = LikelihoodMaximizer(denoiser(False), ASCENT, Chunks(8, 8, 8))
    classifier = edm(denoiser(True), Chunks(8, 4, 8))
    rdc = Purified(maximizer, classifier, exact=False)
    assert not rdc.differentiable
    shown = images(2, (1, 8, 8)).double().requires_grad_(True)
    assert rdc.stand_in() is None
    stand_in = rdc.identity_stand_in()
    assert stand_in is not None
    assert torch.equal(stand_in(shown, rng()).detach(), rdc(shown, rng()).detach())
    (ours,) = torch.autograd.grad(stand_in(shown, rng())[:, 0].sum(), shown)
    source = rng()
    leaf = maximizer(shown, source).requires_grad_(True)
    (expected,) = torch.autograd.grad(classifier(leaf, source)[:, 0].sum(), leaf)
    torch.testing.assert_close(ours, expected)
    victim = Victim(rdc, rng())
    (attacked,) = torch.autograd.grad(victim(shown)[:, 0].sum(), shown)
    assert float(attacked.abs().max()) > 0
    assert victim.observation().gradients == {"identity": 1}


def test_a_purified_image_does_not_depend_on_the_others_of_its_batch() -> None:
    network = denoiser(False)
    whole = LikelihoodMaximizer(network, ASCENT, Chunks(8, 8, 8))
    parts = LikelihoodMaximizer(network, ASCENT, Chunks(8, 1, 8))
    shown = images(3, (1, 8, 8)).double()
    torch.testing.assert_close(whole(shown, rng()), parts(shown, rng()), rtol=1e-6, atol=1e-8)
    assert whole.shrink() == "chunks of 4 rows"


def test_settings_that_make_no_sense_are_refused_and_levels_are_spelled_out() -> None:
    for change in ({"levels": 0}, {"rows": 0}, {"lowest": 3.0}):
        with pytest.raises(UsageError, match=next(iter(change))):
            RDC(**change)
    with pytest.raises(UsageError, match="learning rate above 0"):
        Ascent(5, 0.0, 0.4, 0.6)
    with pytest.raises(UsageError, match="needs precision=float32"):
        RDC(gradient="exact", precision="bfloat16")
    assert RDC().resolve(TASK).levels == 16
    assert RDC(levels=9).resolve(TASK).levels == 9
