"""The EDM sampler against closed forms, and images drawn by the packaged denoiser."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import UsageError
from bench.datasets.digits import TASK, Digits
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion import edm, pixels
from defenses.parts.diffusion.denoiser import schedule_of
from tests.defenses.tiny import COLOURS, Formula, rng, stable_diffusion

MEAN, DEVIATION = 0.7, 0.3


class GaussianDenoiser(Formula):
    """The exact noise prediction for pixels that are independent Gaussians."""

    def __init__(self) -> None:
        self.network = torch.nn.Linear(1, 1)
        self.schedule = schedule_of(pixels.SCHEDULE, Path("analytic"))
        self.steps: list[float] = []

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        self.steps.append(float(steps[0]))
        variance = signal * DEVIATION**2 + 1 - signal
        return (1 - signal).sqrt() * (noisy - signal.sqrt() * MEAN) / variance


def exact(noisy: Tensor, sigma: float) -> Tensor:
    return (DEVIATION**2 * noisy + sigma**2 * MEAN) / (DEVIATION**2 + sigma**2)


def nowhere(done: float, total: float, note: str = "") -> None:
    """A watch that looks away."""


def test_the_levels_are_those_of_the_paper() -> None:
    sigmas = edm.levels(18)
    assert len(sigmas) == 19
    assert sigmas[0] == pytest.approx(80)
    assert sigmas[17] == pytest.approx(0.002)
    assert sigmas[18] == 0
    assert sigmas[1] == pytest.approx((80 ** (1 / 7) + (0.002 ** (1 / 7) - 80 ** (1 / 7)) / 17) ** 7)
    assert edm.levels(1) == pytest.approx((80, 0))
    with pytest.raises(UsageError, match="at least one step; got 0"):
        edm.levels(0)


def test_an_analytic_gaussian_denoiser_gives_the_moments_of_that_gaussian() -> None:
    drawn = edm.heun(exact, torch.randn(20_000, 1, generator=rng()), edm.levels(40))
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(drawn.std()) == pytest.approx(DEVIATION, abs=0.01)


def test_the_sampler_follows_the_flow_whose_solution_is_known_and_its_error_is_of_second_order() -> None:
    noise = torch.randn(200, 1, generator=rng()).double()
    start = edm.HIGHEST * noise
    solution = MEAN + (start - MEAN) * DEVIATION / (DEVIATION**2 + edm.HIGHEST**2) ** 0.5
    errors = [float((edm.heun(exact, noise, edm.levels(steps)) - solution).abs().max()) for steps in (20, 40, 80)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]
    assert errors[2] < 5e-3


def test_a_noise_prediction_becomes_the_expected_clean_image() -> None:
    denoiser, noisy = GaussianDenoiser(), 3 * torch.randn(50, 1, 8, 8, generator=rng()).double()
    classes = torch.zeros(50, dtype=torch.long)
    for sigma in (0.02, 0.5, 4.0, 60.0):
        found = edm.expected(denoiser, noisy, sigma, classes)
        torch.testing.assert_close(found, exact(noisy, sigma), rtol=0, atol=2e-5 * (1 + sigma))


def test_a_level_of_the_schedule_asks_for_its_own_timestep() -> None:
    denoiser = GaussianDenoiser()
    for step in (0, 17, 500, 999):
        share = denoiser.schedule[step]
        edm.expected(denoiser, torch.zeros(1, 1, 8, 8), float(((1 - share) / share).sqrt()), torch.zeros(1).long())
    assert denoiser.steps == pytest.approx([0, 17, 500, 999], abs=1e-3)


def test_images_drawn_by_such_a_denoiser_are_in_range_and_have_the_moments() -> None:
    told: list[float] = []

    def watch(done: float, total: float, note: str = "") -> None:
        told.append(done / total)

    labels = torch.zeros(600, dtype=torch.long)
    images = edm.sample(GaussianDenoiser(), (1, 8, 8), labels, 18, rng(), watch)
    inside = 2 * images - 1
    assert float(inside.median()) == pytest.approx(MEAN, abs=0.02)
    assert float(images.max()) == 1
    assert told == sorted(told)
    assert told[-1] == 1


def test_the_packaged_denoiser_draws_digits_of_the_wanted_class_deterministically() -> None:
    from defenses.resnet import ResNet

    labels = torch.arange(40) % 10
    drawn = [DiffusionClassifier().sample(TASK, "cpu", labels, 12, rng(seed), nowhere) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    with torch.no_grad():
        predicted = ResNet().load(TASK, "cpu")(drawn[0], rng()).argmax(1)
    assert int((predicted == labels).sum()) >= 36
    real = Digits().load("train", None).read(range(773)).images
    assert float((drawn[0].mean() - real.mean()).abs()) < 0.05


def test_stable_diffusion_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    with pytest.raises(UsageError, match="pixel space"):
        DiffusionClassifier(weights=str(folder)).sample(COLOURS, "cpu", torch.zeros(1).long(), 2, rng(), nowhere)
