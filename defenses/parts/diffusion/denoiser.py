"""A conditional denoiser: what every diffusion classifier asks of its network, in pixels or in latents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
from torch import Generator, Tensor, nn

from bench import WeightsError
from defenses.parts.narrow import wide


class Denoiser(ABC):
    """Predicts the noise in noised codes of images of a class; a code is what is noised (pixels or a latent).

    `schedule` (T,) float64 holds alphas_cumprod, the share of the signal's variance left at each timestep.
    """

    network: nn.Module
    schedule: Tensor
    pixels: bool = False
    """Whether codes are images themselves."""
    area: int = 0
    """Places (h w) of a latent; 0 where codes are images."""

    def settled(self) -> Self:
        """The same, its weights never to change again, so that what they allow can be computed at once."""
        return self

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Codes (N, c, h, w) of images (N, C, H, W) in [0, 1]; differentiable, at least in float32."""

    @abstractmethod
    def sample(self, images: Tensor, rng: Generator) -> Tensor:
        """Codes as training sees them: drawn, where encoding is random."""

    @abstractmethod
    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        """The predicted noise of R noised codes at timesteps (R,) under classes (R,), in the codes' type whatever the
        network's; `signal` (R, 1, 1, 1) float64 is the schedule at those timesteps."""

    def noise_at(self, codes: Tensor, timestep: int) -> Tensor:
        """The noise that a network which looks at no class predicts in codes (R, c, h, w), all at one timestep."""
        steps = torch.full((len(codes),), timestep, device=codes.device)
        signal = self.schedule[timestep].to(codes.device).view(1, 1, 1, 1)
        return self.noise(codes, steps, torch.zeros_like(steps), signal)

    def noised(self, codes: Tensor, noise: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar_t) code + sqrt(1 - abar_t) noise (Ho et al. 2020, 2006.11239, eq. 4), and abar_t (R, 1, 1, 1)."""
        signal = self.schedule.to(codes.device)[steps].view(-1, 1, 1, 1)
        kept, added = amplitudes(signal, codes.dtype)
        return kept * codes + added * noise, signal

    def errors(self, codes: Tensor, noise: Tensor, steps: Tensor, classes: Tensor, loss: str) -> Tensor:
        """Mean error (R,) of the predicted noise by row, absolute ('l1') or squared ('l2'), at least in float32."""
        noisy, signal = self.noised(codes, noise, steps)
        predicted = self.noise(noisy, steps, classes, signal)
        type_of_errors = wide(codes.dtype)
        difference = (predicted.to(type_of_errors) - noise.to(type_of_errors)).flatten(1)
        return difference.abs().mean(1) if loss == "l1" else difference.square().mean(1)


def as_noise(predicted: Tensor, kind: str, noisy: Tensor, signal: Tensor) -> Tensor:
    """The noise behind a prediction: itself for 'epsilon', sqrt(abar) v + sqrt(1 - abar) x_t for 'v_prediction'
    (Salimans and Ho 2022, 2202.00512, appendix D)."""
    if kind == "epsilon":
        return predicted
    kept, added = amplitudes(signal, noisy.dtype)
    return kept * predicted + added * noisy


def amplitudes(signal: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """sqrt(abar) and sqrt(1 - abar) of a float64 `signal`, rounded to a type only when they are formed: in bfloat16
    1 - abar is 0 at the first timesteps."""
    return signal.sqrt().to(dtype), (1 - signal).sqrt().to(dtype)


def prediction_of(settings: Mapping[str, object], path: Path) -> str:
    """What the network predicts by a scheduler's configuration: 'epsilon' or 'v_prediction'."""
    kind = str(settings.get("prediction_type", "epsilon"))
    if kind not in ("epsilon", "v_prediction"):
        raise WeightsError(f"The denoiser in {path} predicts {kind!r}; only epsilon and v_prediction are understood.")
    return kind


def linear_schedule(count: int, first: float, last: float) -> Tensor:
    """alphas_cumprod (count,) float64 of betas that rise linearly from `first` to `last`."""
    return (1 - torch.linspace(first, last, count, dtype=torch.float64)).cumprod(0)


def noise_levels(schedule: Tensor) -> Tensor:
    """sigma (T,) of every timestep: the noise relative to the signal, in codes of [-1, 1].

    The change of variables from a variance-preserving network to EDM's (Karras et al. 2022, appendix C.3): with
    x_t = sqrt(abar_t) (x + sigma_t n), D(x + sigma_t n; sigma_t) = x + sigma_t (n - e(x_t, t)), so that D's squared
    error is sigma_t^2 times that of the predicted noise.
    """
    return ((1 - schedule) / schedule).sqrt()


def schedule_of(settings: Mapping[str, object], path: Path) -> Tensor:
    """alphas_cumprod (T,) float64 of a diffusers scheduler configuration.

    Kinds as diffusers defines them: linear, scaled_linear (linear in the root), squaredcos_cap_v2, trained_betas. By
    hand, since its schedulers round every beta to float32.
    Raises `WeightsError` for another kind.
    """
    count = int(str(settings.get("num_train_timesteps", 1000)))
    first, last = float(str(settings.get("beta_start", 1e-4))), float(str(settings.get("beta_end", 0.02)))
    kind = settings.get("beta_schedule", "linear")
    if settings.get("trained_betas") is not None:
        return (1 - torch.tensor(settings["trained_betas"], dtype=torch.float64)).cumprod(0)
    if kind == "scaled_linear":
        return (1 - torch.linspace(first**0.5, last**0.5, count, dtype=torch.float64).square()).cumprod(0)
    if kind == "squaredcos_cap_v2":
        time = torch.arange(count + 1, dtype=torch.float64) / count
        share = ((time + 0.008) / 1.008 * torch.pi / 2).cos().square()
        return (share[1:] / share[:-1]).clamp_min(1e-3).cumprod(0)
    if kind == "linear":
        return linear_schedule(count, first, last)
    raise WeightsError(f"The scheduler in {path} has the unknown beta_schedule {kind!r}.")
