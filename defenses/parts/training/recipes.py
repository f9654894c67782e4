"""The hyperparameters that `bench train -T` can set, by kind of training; needs no torch.

They have fields in common and no base: a field's place stands in the label by which a run knows its checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bench import UsageError

Augmentation = Literal["affine", "crop-flip", "flip", "none"]


def at_least_one(**sizes: int) -> None:
    """`UsageError` for the first of these sizes that is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise UsageError(f"The recipe's {name} must be at least 1; got {size}.")


@dataclass(frozen=True)
class ClassifierRecipe:
    """Hyperparameters of a standard net's training; `optimizer` is 'sgd' (Nesterov) or 'adamw'.

    `noise` is the deviation of Gaussian noise on the augmented images, in pixels of [0, 1]. `start` are weights to go
    on from, those of timm, torchvision or transformers: 'pretrained', 'packaged', a file, a folder or a hub id.
    """

    epochs: int
    batch: int
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    weight_decay: float
    warmup: int
    label_smoothing: float
    averaging: float
    augmentation: Augmentation
    clip: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    noise: float = 0.0
    start: str | None = None

    def __post_init__(self) -> None:
        at_least_one(epochs=self.epochs, batch=self.batch)


@dataclass(frozen=True)
class Budget:
    """How far and how fast the inner attack climbs: linf radius and step in pixel units, number of steps."""

    epsilon: Fraction
    step: Fraction
    steps: int


@dataclass(frozen=True)
class RobustRecipe:
    """Hyperparameters of adversarial training: SGD (Nesterov 0.9) with a cosine, and its inner attack in linf.

    `epsilon` and `step_size` are exact and in pixel units. Every `every` epochs robust accuracy is measured on the
    share `held_out` of the training images, against twice the steps, and once more at the end; without a better one for
    `patience` measurements (0: however many) the training ends. The best weights are kept. `start` are weights to go on
    from: 'pretrained', 'packaged', a file, a folder or a hub id.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    averaging: float
    augmentation: Augmentation
    epsilon: Fraction
    step_size: Fraction
    steps: int = 10
    label_smoothing: float = 0.0
    warmup: int = 0
    held_out: float = 0.02
    every: int = 1
    patience: int = 0
    clip: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    start: str | None = None

    def __post_init__(self) -> None:
        at_least_one(epochs=self.epochs, batch=self.batch, steps=self.steps, every=self.every)

    @property
    def budget(self) -> Budget:
        """That of the inner attack."""
        return Budget(self.epsilon, self.step_size, self.steps)


@dataclass(frozen=True)
class TradesRecipe(RobustRecipe):
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


@dataclass(frozen=True)
class DenoiserRecipe:
    """Hyperparameters of a denoiser's training (AdamW, warm-up, cosine)."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup: int
    averaging: float
    clip: float
    augmentation: Augmentation
    strength: float
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, batch=self.batch)


@dataclass(frozen=True)
class EnergyRecipe:
    """Hyperparameters of JEM (Adam): the network, its schedule, and the sampler.

    A chain of `chain` steps starts in a buffer of `buffer` samples, or afresh with probability `restart`.
    `penalty` weighs the mean squared log density (Du and Mordatch 2019, 1903.08689), which keeps short runs stable.
    Deviations: one batch serves both losses, and the learning rate falls as a cosine; for tiny images also a larger
    one, chains of 10 steps, a buffer of 1000, the penalty, a bound on the gradient and averaged weights.
    """

    depth: int
    width: int
    steps: int
    batch: int
    learning_rate: float
    warmup: int
    averaging: float
    augmentation: Augmentation
    chain: int = 20
    size: float = 1.0
    spread: float = 0.01
    buffer: int = 10_000
    restart: float = 0.05
    input_noise: float = 0.03
    penalty: float = 0.0
    clip: float = 0.0

    def __post_init__(self) -> None:
        at_least_one(width=self.width, steps=self.steps, batch=self.batch, chain=self.chain, buffer=self.buffer)
        if self.depth < 10 or self.depth % 6 != 4:
            raise UsageError(f"The recipe's depth must be 10, 16, 22, ...; got {self.depth}.")


@dataclass(frozen=True)
class TruthRecipe:
    """Hyperparameters of Truth Maximization; `evaluated` is the step whose weights the defense takes.

    Checkpoints are kept of step 0, every `early_every` steps up to `early`, then every `late_every`, and at the end.
    Batches come from a random `share` of the training images; only those that some step sees are attacked.
    """

    steps: int
    batch: int
    learning_rate: float
    evaluated: int
    rank: int = 4
    alpha: float = 4.0
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-2
    epsilon: float = 1e-8
    clip: float = 1.0
    warmup: int = 100
    early_every: int = 100
    early: int = 500
    late_every: int = 1000
    share: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, batch=self.batch, rank=self.rank, evaluated=self.evaluated)
        at_least_one(early_every=self.early_every, late_every=self.late_every)
        if not 0 < self.share <= 1:
            raise UsageError(f"The recipe's share must lie in (0, 1]; got {self.share}.")
        if self.evaluated > self.steps:
            raise UsageError(f"The recipe's evaluated step {self.evaluated} lies beyond its {self.steps} steps.")

    def keeps(self, step: int) -> bool:
        """Whether the weights after this step are kept."""
        regular = step % (self.early_every if step <= self.early else self.late_every) == 0
        return regular or step in (self.evaluated, self.steps)
