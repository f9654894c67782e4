"""Small classifiers to attack, and what they are attacked with."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Generator, Tensor, nn

from bench import Batch, Classifier, Network, ThreatModel, Victim


def generator(seed: int = 0) -> Generator:
    """A fresh CPU generator."""
    return torch.Generator().manual_seed(seed)


def threat(norm: str, epsilon: str) -> ThreatModel:
    """A threat model written briefly."""
    return ThreatModel(norm, Fraction(epsilon))


def network(classes: int = 10, channels: int = 1, seed: int = 0) -> nn.Module:
    """An untrained convolutional net for images of any size, centred so that random images fall into many classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        features = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        last = nn.Linear(32, classes)
        last.weight.data.mul_(10.0)
        last.bias.data = -last.weight.data @ features(torch.rand(64, channels, 8, 8)).mean(0).detach()
        return nn.Sequential(features, last).eval().requires_grad_(False)


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    """The classifier W x + b, by default with the b that gives grey images equal logits."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data, layer.bias.data = weight, -weight.sum(1) / 2 if bias is None else bias
    return nn.Sequential(nn.Flatten(), layer).requires_grad_(False)


def grey(count: int, pixels: int) -> Tensor:
    """Images so far from black and white that no perturbation of 0.2 meets the end of the range."""
    return 0.3 + 0.4 * torch.rand(count, 1, 1, pixels, generator=generator(3))


def right(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which images (N,) are classified correctly."""
    with torch.no_grad():
        return module(images).argmax(1) == labels


class Forgotten(Network):
    """A plain module that does not promise equal logits for equal images, so that nobody remembers them."""

    deterministic = False


def victim(module: nn.Module, seed: int = 1) -> Victim:
    """A plain module under attack."""
    return Victim(Network(module), generator(seed))


def watched(classifier: Classifier) -> tuple[Victim, list[tuple[float, float, str]]]:
    """A classifier under attack, and what is told of the attack's progress: what is done, of how much, a note."""
    seen: list[tuple[float, float, str]] = []
    return Victim(classifier, generator(), lambda done, total, note="": seen.append((done, total, note))), seen


def batch_for(
    module: nn.Module, count: int, channels: int = 1, size: tuple[int, int] = (8, 8), wrong: int = 0
) -> Batch:
    """Random images labelled as the module predicts them, but for the first `wrong`."""
    images = torch.rand(count, channels, *size, generator=generator(7))
    with torch.no_grad():
        logits = module(images)
    labels = logits.argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % logits.shape[1]
    return Batch(tuple(range(count)), images, labels)


class Noisy(Classifier):
    """A classifier that adds seeded noise to its logits."""

    deterministic = False

    def __init__(self, module: nn.Module, scale: float) -> None:
        self.module, self.scale = module.requires_grad_(False), scale

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        logits: Tensor = self.module(images)
        return logits + self.scale * torch.randn(logits.shape, generator=rng)


class Recorded(Noisy):
    """Writes down the seed of every pass's noise."""

    def __init__(self, module: nn.Module, scale: float) -> None:
        super().__init__(module, scale)
        self.seeds: list[int] = []

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        self.seeds.append(rng.initial_seed())
        return super().__call__(images, rng)
