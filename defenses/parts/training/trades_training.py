"""How TRADES learns: its loss, its recipe, and where its generated images come from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from torch import Generator, Tensor, nn
from torch.nn import functional

from bench import Trained, Training, UsageError
from defenses.parts.images import is_tiny
from defenses.parts.training import generated, robust_nets, robust_training
from defenses.parts.training.adversarial import divergence, diverging, evaluating
from defenses.parts.training.training import at_least_one


@dataclass(frozen=True)
class TradesRecipe(robust_training.RobustRecipe):
    """Hyperparameters of TRADES: those of adversarial training, the weight `beta` of robustness, and generated images.

    They fill the `share` of every batch (0: none are needed). They are read from `generated`, a folder of `bench
    generate` or a file as such data are published (.npz with `image` (N, H, W, C) uint8 and `label`), or else drawn
    within the run: `images` of them, in `sampling_steps`, by `denoiser`, a file of `bench train diffusion-classifier`
    (None: its packaged one).
    """

    beta: float = 5.0
    share: float = 0.7
    generated: str | None = None
    denoiser: str | None = None
    images: int = 4000
    sampling_steps: int = 18

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(images=self.images, sampling_steps=self.sampling_steps)
        if not 0 <= self.share <= 1:
            raise UsageError(f"The recipe's share must lie in [0, 1]; got {self.share}.")


DIGITS = TradesRecipe(
    epochs=120,
    batch=64,
    learning_rate=0.1,
    weight_decay=5e-4,
    averaging=0.995,
    augmentation="affine",
    epsilon=Fraction("0.1"),
    step_size=Fraction("0.025"),
    label_smoothing=0.1,
    held_out=0.15,
    every=5,
    share=0.3,
)
"""The share, of 0, 0.2, 0.3, 0.5 and 0.7, with the best robust accuracy on held-out training images: a denoiser that
learned from 773 images knows little that is not in them."""
CIFAR = TradesRecipe(
    epochs=400,
    batch=512,
    learning_rate=0.2,
    weight_decay=5e-4,
    averaging=0.995,
    augmentation="crop-flip",
    epsilon=Fraction("8/255"),
    step_size=Fraction("2/255"),
    label_smoothing=0.1,
    warmup=1000,
)
"""Wang et al. 2023, 2302.04638, section 4 and the released `train-wa.py`.

Deviations: the rate rises linearly in 1000 steps, there as a cosine in 2.5 % of the epochs; momentum is 0.9, there it
goes from 0.95 to 0.85 and back with the rate (the default of torch's one-cycle schedule, though 0.9 is published);
weights decay in batch norms too, whose momentum is 0.1, there 0.01; their running statistics are averaged with the
weights, there taken from the last step. The best weights are chosen by PGD of 20 steps on 1000 images, there by 40
steps of the Carlini-Wagner loss on 1024.
"""


def learn(run: Training, recipe: TradesRecipe, name: str, network: robust_nets.Name, model: generated.Model) -> Trained:
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
