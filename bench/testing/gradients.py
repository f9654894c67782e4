"""What the gradients that a defense gives must keep."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.domain.queries.asking import ask
from bench.loading.door import alike
from bench.testing.generators import gap, generator
from bench.testing.loaded import Loaded

STEPS = (3e-2, 1e-2, 3e-3, 1e-3)
"""Lengths in pixel units at which a gradient is compared with differences; one of them must agree."""
SLACK = 0.15
"""Largest relative error, in the median over images, of a slope: networks have kinks, float32 has noise."""


def has_a_gradient(loaded: Loaded) -> str | None:
    """An attack gets a finite gradient that is not zero everywhere, from the classifier or from its stand-in."""
    _, gradient = _slope(loaded, loaded.images)
    if not bool(gradient.isfinite().all()):
        bad = int((~gradient.isfinite()).flatten(1).any(1).sum())
        return f"The gradient of {bad} of {len(gradient)} images is not finite."
    if not bool(gradient.any()):
        return "The gradient is zero everywhere; set differentiable = False and offer a stand_in()."
    return None


def answers_alike_whether_a_gradient_is_asked_for(loaded: Loaded) -> str | None:
    """The logits are the same with a gradient, the classifier's own or another in its place, as without."""
    expected = loaded.victim()(loaded.images.clone())
    for bypassed in (False, True) if loaded.classifier.identity_stand_in() is not None else (False,):
        victim, asked = loaded.victim(), loaded.images.clone().requires_grad_()
        if bypassed:
            victim.bypass()
        with torch.enable_grad():
            found = victim(asked).detach()
        if not alike(expected, found):
            return (
                f"Its logits differ by up to {gap(expected, found)} when a gradient is asked for; attacks and judge "
                f"must see one function, and an identity_stand_in() must keep its logits."
            )
    return None


def keeps_no_graph(loaded: Loaded) -> str | None:
    """Images that ask for no gradient give logits without a graph, which else would stay in memory."""
    if not ask(loaded.classifier, loaded.images.clone(), generator(0, loaded.recipe.device)).requires_grad:
        return None
    return "It keeps a graph that nobody asked for; load weights with requires_grad_(False)."


def has_the_gradient_of_its_own_logits(loaded: Loaded) -> str | None:
    """Along its gradient the logits rise as fast as it says, by central differences.

    Kinks and float32 noise make differences rough: the median over the images, at the best of several lengths, counts.
    """
    images = 0.05 + 0.9 * loaded.images  # away from the bounds, at which a clamp has a kink
    weights, gradient = _slope(loaded, images)
    victim = loaded.victim()  # under the noise of the gradient
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)
    ways = gradient / length.view(-1, 1, 1, 1)
    errors = []
    for step in STEPS:
        with torch.no_grad():
            rise = (victim(images + step * ways) - victim(images - step * ways)) @ weights
        errors.append(float(((rise / (2 * step) - length).abs() / length).median()))
    if min(errors) <= SLACK:
        return None
    return (
        f"Its logits rise otherwise than its gradient says (relative error {min(errors):.2g}); set "
        f"differentiable = False and offer the function that has this gradient as stand_in()."
    )


def _slope(loaded: Loaded, images: Tensor) -> tuple[Tensor, Tensor]:
    """Fixed weights of the logits (columns,), and the gradient (N, C, H, W) of the sum so weighted."""
    asked = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = loaded.victim()(asked)
        weights = torch.randn(logits.shape[1], generator=generator(3)).to(images.device)
        if not logits.requires_grad:
            return weights, torch.zeros_like(images)
        gradient = torch.autograd.grad((logits @ weights).sum(), asked, allow_unused=True)[0]
    return weights, torch.zeros_like(images) if gradient is None else gradient
