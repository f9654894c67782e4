"""ADP: the published step sizes on a Gaussian, both gradients, accuracy on digits."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from bench import Classifier, Task, UsageError, Victim
from bench.datasets.digits import TASK, Digits
from defenses.adp import ADP
from defenses.parts.diffusion.noise_errors import Chunks
from defenses.parts.purification.ascent import Ascent, ScorePurified
from tests.defenses.purification.test_diffpure import Gaussian, tiny
from tests.defenses.tiny import images, rng


class Brightness(Classifier):
    """Tells light images from dark ones, not linearly."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        mean = 4 * images.square().flatten(1).mean(1)
        return torch.stack([mean, 1 - mean], 1)


def model(gradient: Literal["identity", "exact"], rows: int = 8) -> ScorePurified:
    ascent = Ascent(tiny(), 0.25, 3, 0.2, 1e-3)
    return ScorePurified(ascent, Brightness(), 0.1, 2, Chunks(rows, rows, 1), gradient)


def test_a_step_on_a_gaussian_has_the_size_of_rate_times_variance() -> None:
    ascent = Ascent(Gaussian(), 0.25, 1, 0.3, 0.0)
    start = images(4, (1, 8, 8)).double() / 2 + 0.25
    variance = 0.25**2 + 0.25**2  # of the images, deviation 0.25 in pixel units, and of the noise
    torch.testing.assert_close(ascent.score(start), (0.5 - start) / variance, rtol=0.02, atol=0)
    torch.testing.assert_close(ascent(start, Chunks(8, 8, 1)), start + 0.3 * (0.5 - start), rtol=0, atol=2e-3)


def test_an_image_stops_where_its_step_is_too_short() -> None:
    whole = Chunks(8, 8, 1)
    start = images(4, (1, 8, 8)).double()
    assert torch.equal(Ascent(Gaussian(), 0.25, 3, 0.05, enough=0.01)(start, whole), start)
    assert not torch.equal(Ascent(Gaussian(), 0.25, 3, 0.05, enough=0.001)(start, whole), start)


def test_the_exact_gradient_equals_autograd_through_the_unrolled_steps() -> None:
    ascent = Ascent(tiny(), 0.25, 4, 0.2, 0.0)
    weighting = torch.randn(3, 1, 8, 8, generator=rng(9)).double()
    leaf = (images(3, (1, 8, 8)).double() / 2 + 0.25).requires_grad_(True)
    (gradient,) = torch.autograd.grad((ascent(leaf, Chunks(8, 8, 1)) * weighting).sum(), leaf)
    plain = leaf.detach().clone().requires_grad_(True)
    state: Tensor = plain
    for _ in range(4):
        state = ascent.step(state)
    (expected,) = torch.autograd.grad((state * weighting).sum(), plain)
    assert float((gradient - expected).norm() / expected.norm()) < 1e-6


def test_the_identity_s_gradient_is_the_classifier_s_at_the_purified_image() -> None:
    random = model("identity")
    assert not random.differentiable
    start = images(3, (1, 8, 8)).double()
    leaf = start.clone().requires_grad_(True)
    logits = Victim(random, rng())(leaf)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), leaf)
    assert torch.equal(logits.detach(), Victim(random, rng())(start))
    assert bool((gradient > -1e-9).all())  # the classifier's slope has the sign of the purified pixel
    exact = Victim(model("exact"), rng())(leaf)
    torch.testing.assert_close(exact, logits)
    assert not torch.allclose(torch.autograd.grad(exact[:, 0].sum(), leaf)[0], gradient)


def test_a_cut_changes_no_noise() -> None:
    start = images(5, (1, 8, 8)).double()
    torch.testing.assert_close(model("exact", rows=2)(start, rng()), model("exact")(start, rng()))
    assert model("exact", rows=2).shrink() == "chunks of 1 images"
    assert model("exact", rows=1).shrink() is None


def test_the_packaged_denoiser_purifies_the_digits_test_set() -> None:
    batch = Digits().load("test", None).read(range(256))
    with torch.no_grad():
        logits = ADP().load(TASK, "cpu")(batch.images, rng())
    assert float((logits.argmax(1) == batch.labels).double().mean()) >= 0.93
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(256), rtol=1e-4, atol=1e-4)


def test_a_plan_spells_out_the_sizes() -> None:
    assert ADP(steps=2).resolve(TASK) == ADP(rate=0.2, steps=2, draws=4)
    assert ADP().resolve(Task("cifar10", TASK.classes, (3, 32, 32))) == ADP(rate=0.05, steps=10, draws=10)


@pytest.mark.parametrize("settings", [{"sigma": 0.0}, {"steps": 0}, {"draws": 0}, {"rate": -1.0}])
def test_sizes_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        ADP(**settings).load(TASK, "cpu")
