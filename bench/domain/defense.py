"""A defense as a recipe (`Defense`) and in memory (`Classifier`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from bench.domain.dataset import Task


class Classifier(ABC):
    """Images in, logits out; the one function that an attack sees."""

    deterministic: bool = True
    """Whether equal images always give equal logits, whatever the rng."""
    common_noise: bool = False
    """Whether all images of a call meet one noise, so that equal images get equal logits under equal rngs, whatever
    their place and company. A judge asks such a classifier once about what is the same image."""
    differentiable: bool = True
    """Whether autograd through a call gives the gradient of the logits."""
    abstains: bool = False
    """Whether the logits have a last column more, (N, K + 1), for images that the classifier refuses to classify."""

    @abstractmethod
    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        """Logits (N, K) float32 of images (N, C, H, W) in [0, 1]; all randomness comes from `rng`.

        Noise is drawn for the whole batch before the batch is cut to fit memory.
        """

    def at_once(self, count: int) -> int:
        """How many draws of its noise a random classifier answers together better than one by one, about so many
        images; 1 where that gains nothing."""
        return 1

    def together(self, images: Sequence[Tensor], rngs: Sequence[Generator]) -> list[Tensor]:
        """Logits (N, K) of several batches (N, C, H, W), each under an rng of its own: to rounding what they get one by
        one."""
        return [self(batch, rng) for batch, rng in zip(images, rngs, strict=True)]

    def stand_in(self) -> Classifier | None:
        """A differentiable classifier whose gradient replaces this one's (BPDA; Athalye et al. 2018, 1802.00420)."""
        return None

    def identity_stand_in(self) -> Classifier | None:
        """A classifier of the same logits to rounding whose gradient takes what purifies the images for the identity;
        None where nothing does. It also serves where there is no gradient and no other stand-in, at one forward pass
        instead of two."""
        return None

    def exact(self) -> Classifier | None:
        """A classifier of the same logits to rounding with their exact gradient, where attacks are given another's by
        default; None where the default is exact, or nothing is."""
        return None

    def surrogate(self) -> Classifier | None:
        """A cheaper classifier whose gradient points about the same way: a purifier with fewer steps (Lee and Kim 2023,
        2303.09051), a diffusion classifier with fewer timesteps. Its logits need not be these; None where there is
        none."""
        return None

    def exhaustive(self) -> Classifier | None:
        """The same classifier without the shortcuts that it takes where it is sure enough (classes ruled out early);
        under the same rng it should give the same verdicts, and the harness asks it about some of the images to see
        whether it does. None where no shortcut is taken."""
        return None

    def shrink(self) -> str | None:
        """Use less memory a call from now on and say how ('chunks of 64 rows'); None when nothing is left to shrink."""
        return None


class Smoothed(Classifier):
    """A classifier by majority under Gaussian noise, which can be certified (Cohen et al. 2019, 1902.02918).

    The harness certifies it: it adds the noise to the images itself and asks `base` about them.
    """

    sigma: float
    """Standard deviation of the noise in pixel units."""
    base: Classifier
    """What classifies noisy images (N, C, H, W) around [0, 1]; deterministic, and never abstaining."""
    rows: int = 128
    """How many noisy images go through `base` at once."""


class Network(Classifier):
    """A plain torch module as a deterministic, differentiable classifier.

    `mean` and `std` (one value a channel) normalise the images first.
    """

    def __init__(
        self, module: nn.Module, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
    ) -> None:
        import torch

        self.module = module.eval().requires_grad_(False)
        self._rows: int | None = None
        self._largest = 0
        device = next((p.device for p in module.parameters()), torch.device("cpu"))
        self._mean = None if mean is None else torch.tensor(mean, device=device).view(1, -1, 1, 1)
        self._std = None if std is None else torch.tensor(std, device=device).view(1, -1, 1, 1)

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        import torch
        from torch.utils.checkpoint import checkpoint

        self._largest = max(self._largest, len(images))
        if self._rows is None or len(images) <= self._rows:
            return self._logits(images)
        parts = torch.split(images, self._rows)
        if images.requires_grad and torch.is_grad_enabled():
            return torch.cat([checkpoint(self._logits, part, use_reentrant=False) for part in parts])
        return torch.cat([self._logits(part) for part in parts])

    def to(self, device: str) -> Network:
        """The same network, moved to a device."""
        self.module.to(device)
        self._mean, self._std = (None if each is None else each.to(device) for each in (self._mean, self._std))
        return self

    def shrink(self) -> str | None:
        rows = (self._rows or self._largest) // 2
        if rows < 1:
            return None
        self._rows = rows
        return f"chunks of {rows} images"

    def _logits(self, images: Tensor) -> Tensor:
        if self._mean is not None:
            images = images - self._mean
        if self._std is not None:
            images = images / self._std
        logits: Tensor = self.module(images).float()
        return logits


class Defense(ABC):
    """A recipe for a classifier. Subclasses are frozen dataclasses: their fields are their settings and identity."""

    revision: ClassVar[str] = "1"
    """Raise it whenever the same settings would give other predictions."""
    family: ClassVar[str] = ""
    """What kind of defense it is, in a word or two, for readers: 'purification'."""

    @abstractmethod
    def load(self, task: Task, device: str) -> Classifier:
        """The classifier for a task, ready on `device`. Raises `WeightsError` where a checkpoint cannot be used."""

    def resolve(self, task: Task) -> Self:
        """This recipe with settings that depend on the task spelled out as `load` chooses them, for plans."""
        return self

    def on(self, task: Task, device: Callable[[], str]) -> Self:
        """This recipe with settings that depend on the kind of device spelled out (a precision of 'auto'), for plans.

        Ask `device()`, 'cuda:0' or 'cpu', only where it matters: looking for a GPU takes a second.
        """
        return self

    def files(self, task: Task) -> Mapping[str, Path]:
        """The files that `load` will read, by role; their SHA-256 become part of every plan. A setting that says where
        one of them lies, or the folder or hub repository that holds them, is left out of plans."""
        return {}

    def passes(self, task: Task) -> float | None:
        """Passes of its network that one classification takes, where settings that are spelled out say it alone."""
        return None

    @classmethod
    def models(cls) -> Sequence[Published]:
        """The models of a zoo that this defense can load, with what is published of them; for `bench list models`."""
        return ()


class Watch(Protocol):
    """Told about progress: `done` of `total` units, and a short note for the reader; may raise `EndTraining`."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


@dataclass(frozen=True)
class Published:
    """A model that a defense can load, and the figures that its source publishes (proportions), measured elsewhere.

    `epsilon` is None where the norm has no budget ('corruptions'); `source` says whose figures these are.
    """

    name: str
    dataset: str
    norm: str
    epsilon: Fraction | None
    clean: float
    robust: float
    title: str
    venue: str
    source: str
