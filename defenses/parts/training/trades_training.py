"""How TRADES learns: its loss, and where its generated images come from."""

from __future__ import annotations

from torch import Generator, Tensor, nn
from torch.nn import functional

from bench import Trained, Training, UsageError
from defenses.parts.images import is_tiny
from defenses.parts.training import generated, robust_training
from defenses.parts.training.adversarial import divergence, diverging, evaluating
from defenses.parts.training.recipes import TradesRecipe


def learn(run: Training, recipe: TradesRecipe, name: str, network: str, model: generated.Model) -> Trained:
    """Train a fresh network and write its best weights as NAME.safetensors; `model` draws images where none are given.

    The denoiser may have learned from the images that are held out here, so that what is measured on them is somewhat
    high; it only chooses among the weights of one run.
    """
    extra = None
    if recipe.share and recipe.generated is not None:
        extra = generated.given(recipe.generated, run, recipe.share)
    elif recipe.share:
        if recipe.denoiser is None and not is_tiny(run.task):
            raise UsageError(
                "Generated images are wanted: pass -T generated=FOLDER (of `bench generate`), -T denoiser=FILE (of "
                "`bench train diffusion-classifier`), or -T share=0 to learn without them."
            )
        extra = generated.drawn(run, model, recipe.images, recipe.sampling_steps, recipe.share)

    def loss(module: nn.Module, images: Tensor, labels: Tensor, rng: Generator) -> Tensor:
        return trades_loss(module, images, labels, recipe, rng)

    return robust_training.learn(run, recipe, name, network, loss, extra)


def trades_loss(module: nn.Module, images: Tensor, labels: Tensor, recipe: TradesRecipe, rng: Generator) -> Tensor:
    """Cross-entropy of clean images, plus `beta` times the divergence that the worst images within the budget cause.

    Zhang et al. 2019, 1901.08573, eq. 5. The inner attack meets the network in evaluation mode, the loss in training
    mode, as in their released code. Deviation: the attack starts uniformly in the budget, not 0.001 around the image;
    that of Wang et al. starts so too, and attacks in training mode with the running statistics standing still.
    """
    with evaluating(module):
        perturbed = diverging(module, images, recipe.budget, rng)
    clean = module(images)
    natural = functional.cross_entropy(clean, labels, label_smoothing=recipe.label_smoothing)
    return natural + recipe.beta * divergence(module(perturbed), clean.softmax(1))
