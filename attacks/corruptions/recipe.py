"""Common corruptions (Hendrycks and Dietterich 2019, 1903.12261) as an attack that never asks its victim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.corruptions.severities import KINDS
from bench import Attack, Batch, CorruptionKind, Perturbed, ThreatModel, UsageError, Victim

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class Corruption(Attack):
    """One of 15 + 4 common corruptions (Hendrycks and Dietterich 2019, 1903.12261); epsilon is its severity, 1 to 5.

    Equal to the authors' `make_cifar_c.py`, `make_tinyimagenet_c.py` and `make_imagenet_c.py` given their draws, up to
    1/255 in a few pixels, frost excepted. As there, images are 8-bit before and after (rounded on the way in, cut off
    on the way out). The authors' severities are for 32, 64 and 224 pixels: the shorter side takes the nearest table.
    Lengths stay as many pixels as the table has them, for the blurs of a smaller image would shrink to nothing; those
    of the elastic transform grow with the image, as there.

    Deviations: the authors' photographs of frost give way to a random field of their colours, contrast, patchiness and
    spectrum; grey images (one channel) are lit, splashed and frosted by luminance, and saturation leaves them as they
    are; where no drop falls, spatter leaves the image as it is, which the authors divide by zero; images are not saved
    as JPEG afterwards, as ImageNet-C's were.
    """

    norm: ClassVar[str] = "corruption"
    knowledge = "black-box"
    kind: CorruptionKind = "gaussian_noise"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"There is no corruption {self.kind!r}; kind must be one of {', '.join(KINDS)}.")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The corrupted images, with their severity as the witness; every image draws from a stream of its own.

        Raises `UsageError` for images that have neither 1 nor 3 channels.
        """
        import numpy as np
        import torch

        from attacks.corruptions.kinds import corrupted

        if batch.images.shape[1] not in (1, 3):
            raise UsageError(f"Corruptions are of images with 1 or 3 channels; these have {batch.images.shape[1]}.")
        severity = int(threat.epsilon)
        seeds = torch.randint(2**62, (len(batch),), generator=rng, device=rng.device).tolist()
        pixels = (batch.images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        found = np.empty_like(pixels)
        for number, (image, seed) in enumerate(zip(pixels, seeds, strict=True)):
            found[number] = corrupted(image, self.kind, severity, np.random.default_rng(seed))
            victim.watch(number + 1, len(batch), self.kind)
        images = torch.from_numpy(found).permute(0, 3, 1, 2).to(batch.images) / 255
        return Perturbed(images.contiguous(), witness=torch.full((len(batch),), float(severity)))
