"""Gradients through DiffPure and RDC beside plain loops: the same noise, the same classes, gradients compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from bench import Batch, Classifier
from bench.datasets.digits import TASK, Digits
from bench.plugins.registry import defenses
from contests.bouts.classifiers import linear_betas, predict_in_pixels
from contests.contest import Answer, Bout, Contest, Demand, Side
from contests.sides.loops import Predict, diffpure, edm_logits, likelier
from contests.sides.subjects import digits
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification
from defenses.parts.diffusion.likelihood import LikelihoodMaximizer
from defenses.parts.purification.descent import Diffusion
from defenses.parts.purification.purified import Purified

SEED = 7
EXACT = Demand("predicted class", cosine=0.9999)
"""Two programs for one function differ by the rounding of their sums."""
SPARED = Demand("predicted class", equal=0.99)
"""A race leaves out levels, and the gradient classes that hardly weigh: it is another function's, and only told."""
LEVELS = 16
"""RDC's noise levels on tiny images."""


def _batch(samples: int) -> Batch:
    return Digits().load("test", None).read(range(samples))


def gradient(logits: Callable[[Tensor], Tensor], batch: Batch) -> Answer:
    """Predicted classes, and the gradients of the cross-entropy in the images."""
    leaf = batch.images.clone().requires_grad_(True)
    with torch.enable_grad():
        found = logits(leaf)
        (slope,) = torch.autograd.grad(functional.cross_entropy(found, batch.labels, reduction="sum"), leaf)
    return Answer(found.detach().argmax(1), slope)


def _side(answer: Callable[[], Answer]) -> Side:
    def work() -> Callable[[], Answer]:
        found = answer()
        return lambda: found

    return work


def _ours(model: Classifier, batch: Batch) -> Side:
    return _side(lambda: gradient(lambda images: model(images, _rng()), batch))


def _rng() -> Generator:
    return torch.Generator().manual_seed(SEED)


@cache
def _loaded(name: str, **settings: Any) -> Purified:
    model = defenses.make(name, settings).load(TASK, "cpu")
    assert isinstance(model, Purified)
    return model


def _by_diffpure(t_star: float, steps: int, saving: bool, samples: int) -> Bout:
    """DiffPure as a classifier, and its chain in autograd's hands."""
    model, batch = _loaded("diffpure", t_star=t_star, steps=steps), _batch(samples)
    assert isinstance(model.purifier, Diffusion)
    network = model.purifier.denoiser.network

    def predict(noisy: Tensor, timesteps: Tensor, classes: Tensor) -> Tensor:
        predicted: Tensor = network(noisy, timesteps).sample
        return predicted

    def peer(images: Tensor) -> Tensor:
        noise = torch.randn(steps + 1, *images.shape, generator=_rng())
        cleaned = diffpure(predict, linear_betas(), images, noise, round(1000 * t_star), steps, saving)
        return digits().network(cleaned, _rng())

    return Bout(_ours(model, batch), _side(lambda: gradient(peer, batch)), (network,))


def edm_weights(sigmas: Tensor) -> Tensor:
    """EDM's loss weight times the density of its training noise (Karras et al. 2022, table 1), for errors of D, so that
    those of the predicted noise would weigh 1 on average."""
    weight = (sigmas**2 + 0.25) / (0.5 * sigmas) ** 2
    density = torch.exp(-((sigmas.log() + 1.2) ** 2) / (2 * 1.2**2)) / (sigmas * 1.2 * math.sqrt(2 * math.pi))
    return weight * density / (weight * density * sigmas**2).mean()


def _by_rdc(settings: dict[str, Any], samples: int) -> Bout:
    """RDC at the likelier images, the maximisation's gradient taken for the identity's as published."""
    model, batch = _loaded("rdc", **settings).identity_stand_in(), _batch(samples)
    assert isinstance(model, Purified)
    original = _loaded("rdc", **settings)
    assert isinstance(original.purifier, LikelihoodMaximizer)
    assert isinstance(original.classifier, DiffusionClassification)
    front, network = original.purifier.denoiser.network, original.classifier.denoiser.network
    betas = linear_betas().double()
    signal = (1 - betas).cumprod(0)
    levels = ((1 - signal) / signal).sqrt()

    def in_front(noisy: Tensor, timesteps: Tensor, classes: Tensor) -> Tensor:
        predicted: Tensor = front(noisy, timesteps).sample
        return predicted

    def peer() -> Answer:
        rng, shape = _rng(), (5, len(batch))
        wanted = 0.4 + 0.2 * torch.rand(shape, generator=rng)
        noise = torch.randn(*shape, *TASK.shape, generator=rng)
        steps = (levels - wanted[..., None]).abs().argmin(-1)
        shown = likelier(in_front, signal, batch.images, steps, noise, 0.1)
        grid = (levels - torch.linspace(1e-4, 3.0, LEVELS, dtype=torch.float64)[:, None]).abs().argmin(-1)
        drawn = torch.randn(LEVELS, *TASK.shape, generator=rng)
        return _image_by_image(predict_in_pixels(network), signal, shown, drawn, grid, batch.labels)

    return Bout(_ours(model, batch), _side(peer), (front, network))


def _image_by_image(
    predict: Predict, signal: Tensor, images: Tensor, noise: Tensor, grid: Tensor, labels: Tensor
) -> Answer:
    """The classes and gradients of the EDM classifier, one image's whole graph at a time."""
    weights = edm_weights(((1 - signal[grid]) / signal[grid]).sqrt()).float()
    verdicts, slopes = [], []
    for image, label in zip(images, labels, strict=True):
        leaf = image.clone().requires_grad_(True)
        with torch.enable_grad():
            logits = edm_logits(predict, signal, leaf, noise, grid, weights, len(TASK.classes))
            (slope,) = torch.autograd.grad(functional.cross_entropy(logits[None], label[None]), leaf)
        verdicts.append(logits.detach().argmax())
        slopes.append(slope)
    return Answer(torch.stack(verdicts), torch.stack(slopes))


def _diffpure(name: str, t_star: float, steps: int, saving: bool, samples: int) -> Contest:
    peer = "autograd, steps made again (checkpoint)" if saving else "autograd, every graph kept"
    make = partial(_by_diffpure, t_star, steps, saving)
    return Contest(name, f"diffpure, t* {t_star:g} in {steps} steps", peer, EXACT, make, samples)


CONTESTS = (
    _diffpure("diffpure", 0.075, 10, True, 64),
    _diffpure("diffpure-100", 0.1, 100, True, 16),
    _diffpure("diffpure-100-kept", 0.1, 100, False, 16),
    *(
        Contest(name, ours, "plain loop, image by image", demand, partial(_by_rdc, settings), 16)
        for name, ours, demand, settings in (
            ("rdc-full", "rdc, search=full, negligible=0", EXACT, {"search": "full", "negligible": 0.0}),
            ("rdc", "rdc, search=race, 5 % negligible", SPARED, {"search": "race", "negligible": 0.05}),
        )
    ),
)
