"""Denoised smoothing: the timestep of a noise, one step of denoising, and the vote over an ordinary classifier."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from bench import Classifier, UsageError, Victim, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.denoised_smoothing import DenoisedSmoothing
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion import pixels
from defenses.parts.diffusion.denoiser import linear_schedule
from defenses.parts.purification.one_shot import DenoisedOnce, timestep_for
from defenses.parts.purification.smoothed import GaussianVote, Vote
from tests.defenses.tiny import GREYS, images, rng

SCHEDULE = linear_schedule(1000, 1e-4, 0.02)


class Brightness(Classifier):
    """The first pixels as logits."""

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        return 5 * images.flatten(1)[:, :3]


def denoiser() -> pixels.PixelDenoiser:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = pixels.build(GREYS, conditional=False)
    return pixels.PixelDenoiser(network.eval().requires_grad_(False), pixels.SCHEDULE, Path("untrained"), False)


def test_packaged_denoiser_and_network_classify_under_noise() -> None:
    batch = Digits().load("test", None).read(range(256))
    defense = DenoisedSmoothing(draws=40)
    predicted = defense.load(TASK, "cpu")(batch.images, rng()).argmax(1)
    assert float((predicted == batch.labels).double().mean()) >= 0.85


@pytest.mark.parametrize("sigma", [0.05, 0.25, 0.5, 1.0])
def test_the_timestep_is_the_first_whose_relative_noise_reaches_twice_sigma(sigma: float) -> None:
    step = timestep_for(SCHEDULE, sigma)
    relative = ((1 - SCHEDULE) / SCHEDULE).sqrt()
    assert float(relative[step]) >= 2 * sigma > float(relative[step - 1])


def test_a_noise_beyond_the_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match="choose a smaller sigma"):
        timestep_for(SCHEDULE, 100.0)


def test_one_step_inverts_the_forward_process_by_the_predicted_noise() -> None:
    front = denoiser()
    noisy = images(3, (1, 8, 8))
    found = DenoisedOnce(front, 145, Brightness()).denoised(noisy)
    share = SCHEDULE[145].float()
    code = share.sqrt() * (2 * noisy - 1)
    predicted = front.network(code, torch.full((3,), 145), return_dict=False)[0]
    expected = (code - (1 - share).sqrt() * predicted) / share.sqrt()
    torch.testing.assert_close(found, (expected.clamp(-1, 1) + 1) / 2, rtol=1e-4, atol=1e-5)


def test_the_gradient_passes_through_the_denoiser_and_is_the_same_in_smaller_parts() -> None:
    base = DenoisedOnce(denoiser(), 145, Brightness())
    gradients = []
    for rows in (64, 3):
        leaf = images(2, (1, 8, 8)).requires_grad_(True)
        victim = Victim(GaussianVote(base, 3, Vote(0.25, 8, 0.5, 4), rows), rng())
        gradients.append(torch.autograd.grad(victim(leaf)[:, 0].sum(), leaf)[0])
    assert float(gradients[0][:, 0, 4:].abs().max()) > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_a_front_or_a_classifier_that_does_not_fit_is_refused() -> None:
    conditional = str(DiffusionClassifier().path(TASK))
    with pytest.raises(WeightsError, match="num_class_embeds is 10; None is needed"):
        DenoisedSmoothing(weights=conditional).load(TASK, "cpu")
    with pytest.raises(UsageError, match="must be deterministic"):
        GaussianVote(DenoisedOnce(denoiser(), 145, _Random()), 3, Vote(0.25, 8, 0.5, 4), 8)


class _Random(Brightness):
    deterministic = False
