"""Randomized smoothing: votes, abstention, the gradient's stand-in, and the paper's own checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from bench import Classifier, Network, Task, UsageError, Victim, WeightsError, count_votes
from bench.datasets.digits import TASK, Digits
from defenses.parts.networks.residual import ResidualNet, Shape
from defenses.parts.purification.smoothed import GaussianVote, Vote
from defenses.smoothing import Smoothing
from tests.defenses.tiny import rng

COLOURS = Task("colours", ("red", "green", "blue"), (3, 32, 32))


class Threshold(Classifier):
    """Three classes by the first pixel: below 0, between, above 1."""

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        first = images[:, 0, 0, 0]
        return torch.stack([-first, 0 * first, first - 1], 1)


def vote(draws: int = 100, rows: int = 512, sigma: float = 1.0) -> GaussianVote:
    return GaussianVote(Threshold(), 3, Vote(sigma, draws, 0.001, 4), rows)


def votes(classifier: GaussianVote, images: Tensor, draws: int) -> Tensor:
    """What the harness would count of it."""
    return count_votes(classifier.base, images, classifier.sigma, draws, rng(), 3, classifier.rows)


def pixels(*values: float) -> Tensor:
    images = torch.zeros(len(values), 1, 2, 2)
    images[:, 0, 0, 0] = torch.tensor(values)
    return images


def test_packaged_weights_reach_the_accuracy_of_their_card() -> None:
    batch = Digits().load("test", None).read(range(1024))
    predicted = Smoothing().load(TASK, "cpu")(batch.images, rng()).argmax(1)
    correct = float((predicted == batch.labels).double().mean())
    assert correct >= 0.85
    card = json.loads(Smoothing().files(TASK)["network"].with_suffix(".json").read_text())
    assert correct == pytest.approx(card["accuracy"]["clean"], abs=0.01)


def test_counts_are_those_of_the_normal_distribution() -> None:
    counts = votes(vote(), pixels(0.0, 1.0, 3.0), 20_000)
    below = torch.distributions.Normal(0.0, 1.0).cdf(-torch.tensor([[0.0, -1.0], [1.0, 0.0], [3.0, 2.0]]))
    expected = torch.stack([below[:, 0], below[:, 1] - below[:, 0], 1 - below[:, 1]], 1)
    assert counts.sum(1).tolist() == [20_000] * 3
    assert torch.allclose(counts / 20_000, expected, atol=0.012)


def test_noise_does_not_depend_on_the_cut() -> None:
    images = pixels(*torch.rand(7, generator=rng()).tolist())
    whole = votes(vote(50), images, 50)
    smaller = vote(50, rows=16)
    assert torch.equal(votes(smaller, images, 50), whole)
    assert smaller.shrink() == "chunks of 8 noisy images"
    smaller.shrink()
    assert torch.equal(votes(smaller, images, 50), whole)


def test_the_last_logit_wins_exactly_where_the_binomial_test_does_not_reject() -> None:
    from scipy.stats import binomtest

    images = pixels(*torch.linspace(-1, 2, 41).tolist())
    classifier = vote()
    logits, counts = classifier(images, rng()), votes(classifier, images, 100)
    for row, count in zip(logits, counts, strict=True):
        first, second = count.topk(2).values.tolist()
        refuses = binomtest(first, first + second, 0.5).pvalue > 0.001
        assert int(row.argmax()) == (3 if refuses else int(count.argmax()))
    assert 0 < int((logits.argmax(1) == 3).sum()) < 41


def test_white_box_attacks_get_the_gradient_of_the_mean_probabilities_under_the_same_noise() -> None:
    images = pixels(0.1, 0.6).requires_grad_(True)
    victim = Victim(vote(), rng())
    logits = victim(images)
    assert logits.shape == (2, 3)
    (found,) = torch.autograd.grad(logits[:, 0].sum(), images)
    stand_in = vote().stand_in()
    assert stand_in is not None
    source = rng()
    noise = torch.stack([torch.randn(2, 1, 2, 2, generator=source) for _ in range(4)])
    leaf = images.detach().requires_grad_(True)
    mean = Threshold()((leaf + noise).flatten(0, 1), rng()).softmax(1).view(4, 2, 3).mean(0).log()
    assert torch.allclose(stand_in(images, rng()), mean, atol=1e-6)
    assert float(found.abs().max()) > 0
    (expected,) = torch.autograd.grad(mean[:, 0].sum(), leaf)
    (ours,) = torch.autograd.grad(stand_in(images, rng())[:, 0].sum(), images)
    assert torch.allclose(ours, expected, atol=1e-6)


def test_the_rows_of_a_call_are_the_users_or_a_habit_of_the_cpu_and_can_be_halved_to_one() -> None:
    assert Smoothing().load(TASK, "cpu").rows == 128
    chosen = Smoothing(rows=3).load(TASK, "cpu")
    assert chosen.rows == 3
    assert chosen.shrink() == "chunks of 1 noisy images"
    assert chosen.rows == 1
    with pytest.raises(UsageError, match="rows must be at least 1; got 0"):
        Smoothing(rows=0).load(TASK, "cpu")


def test_settings_and_bases_that_make_no_sense_are_refused() -> None:
    for change in ({"sigma": 0.0}, {"alpha": 1.0}, {"draws": 0}, {"copies": 0}):
        with pytest.raises(UsageError, match=next(iter(change))):
            Vote(**{"sigma": 1.0, "draws": 1, "alpha": 0.5, "copies": 1} | change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="must be deterministic"):
        GaussianVote(vote(), 3, Vote(1.0, 1, 0.5, 1), 8)


def test_a_checkpoint_of_the_papers_code_is_read_with_its_depth_and_normalisation(tmp_path: Path) -> None:
    net = ResidualNet(Shape((16, 3, 1), False, ((16, 3, 1), (32, 3, 2), (64, 3, 2))), 3, 3).eval()
    state = {f"1.{key}": value for key, value in net.state_dict().items()}
    torch.save({"epoch": 90, "arch": "cifar_resnet20", "state_dict": state}, tmp_path / "checkpoint.pth.tar")
    weights = str(tmp_path / "checkpoint.pth.tar")
    base = Smoothing(weights=weights).load(COLOURS, "cpu").base  # type: ignore[attr-defined]
    assert isinstance(base, Network)
    images = torch.rand(2, 3, 32, 32)
    mean, std = torch.tensor((0.4914, 0.4822, 0.4465)), torch.tensor((0.2023, 0.1994, 0.2010))
    with torch.no_grad():
        expected = net((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        torch.testing.assert_close(base(images, rng()), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(WeightsError, match="grey"):
        Smoothing(weights=weights).load(TASK, "cpu")


def test_the_recipe_adds_the_noise_of_the_settings() -> None:
    assert Smoothing(sigma=0.5).recipe(TASK).noise == 0.5
    assert Smoothing().recipe(COLOURS).noise == 0.25
