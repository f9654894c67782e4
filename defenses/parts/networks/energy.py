"""A classifier that is an energy model too: a wide residual network without normalisation, and Langevin steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench import Classifier, Network, Task
from defenses.parts.gradients import straight_through
from defenses.parts.networks.wide_preactivation import plan, size_of
from defenses.parts.randomness import ambient
from defenses.parts.weights.checkpoints import fill, read

LEAK = 0.2


class Block(nn.Module):
    """LeakyReLU, 3x3, LeakyReLU, 3x3 with the stride, and a 1x1 shortcut where the shape changes."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride, padding=1)
        changes = stride != 1 or inside != outside
        self.shortcut = nn.Sequential(*([nn.Conv2d(inside, outside, 1, stride)] if changes else []))

    def forward(self, features: Tensor) -> Tensor:
        out = self.conv1(functional.leaky_relu(features, LEAK))
        out = self.conv2(functional.leaky_relu(out, LEAK)) + self.shortcut(features)
        return cast("Tensor", out)


class Trunk(nn.Module):
    """WRN-depth-width (Zagoruyko and Komodakis 2016, 1605.07146) without normalisation, up to its mean features."""

    def __init__(self, depth: int, width: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1)
        for number, stage in enumerate(plan(depth, width), start=1):
            self.add_module(f"layer{number}", nn.Sequential(*(Block(*block) for block in stage)))

    def forward(self, codes: Tensor) -> Tensor:
        out = codes
        for layer in self.children():
            out = layer(out)
        return functional.leaky_relu(out, LEAK).mean((2, 3))


class EnergyNet(nn.Module):
    """Logits (N, K) of codes (N, C, H, W) in [-1, 1], in the parameter names of JEM's released code."""

    def __init__(self, depth: int, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.f = Trunk(depth, width, channels)
        self.class_output = nn.Linear(64 * width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.class_output(self.f(codes))
        return logits


class EnergyClassifier(Classifier):
    """Classifies by logits, after `steps` Langevin steps up the density where there are any (JEM-k).

    Then it is random, and as in the released code the steps have no gradient: they have the identity's.
    """

    def __init__(self, network: Network, steps: int, size: float, spread: float) -> None:
        self.network = network
        self.steps, self.size, self.spread = steps, size, spread
        self.deterministic = self.differentiable = steps == 0

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K) of the refined images."""
        return self.network(self._refined(images, rng) if self.steps else images, rng)

    def log_density(self, images: Tensor) -> Tensor:
        """log p(x) (N,) up to a constant: logsumexp of the logits (Grathwohl et al. 2020, 1912.03263, eq. 6)."""
        return self.network(images, Generator()).logsumexp(1)

    def identity_stand_in(self) -> Classifier | None:
        """Itself where there are steps, which autograd passes over."""
        return self if self.steps else None

    def shrink(self) -> str | None:
        """Fewer images at once."""
        return self.network.shrink()

    def _refined(self, images: Tensor, rng: Generator) -> Tensor:
        noise = torch.randn(self.steps, *images.shape, generator=rng, device=rng.device).to(images)
        codes = climb(lambda u: self.log_density((u + 1) / 2), 2 * images.detach() - 1, noise, self.size, self.spread)
        return straight_through((codes + 1) / 2, images)


def climb(density: Callable[[Tensor], Tensor], codes: Tensor, noise: Tensor, size: float, spread: float) -> Tensor:
    """Codes (N, C, H, W) after a Langevin step for each noise: u + size grad log p(u) + spread z; no graph is kept."""
    for drawn in noise:
        with torch.enable_grad():
            leaf = codes.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(density(leaf).sum(), leaf)
        codes = leaf.detach() + size * slope + spread * drawn
    return codes


def load(path: Path, task: Task, device: str) -> Network:
    """The network in a file of `bench train`, or in one of the released checkpoints, at the depth and width it has."""
    state, _ = read(path)
    # the released code carries a second output that it never uses
    state = {key: value for key, value in state.items() if not key.startswith("energy_output.")}
    with ambient():
        module = EnergyNet(*size_of(state, "f.layer1.{}.conv1.weight", path, "JEM"), task.shape[0], len(task.classes))
    fill(module, state, path)
    centre = (0.5,) * task.shape[0]
    return Network(module.to(device), centre, centre)
