"""A classifier behind a diffusion that purifies: several draws of its noise go down together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from defenses.parts.purification.descent import Diffusion
from defenses.parts.purification.purified import Purified


class Diffused(Purified):
    """A diffusion in front of a classifier."""

    purifier: Diffusion

    def at_once(self, count: int) -> int:
        """As many draws as fit into one descent whose graphs are kept."""
        return max(1, self.purifier.at_once(count))

    def together(self, images: Sequence[Tensor], rngs: Sequence[Generator]) -> list[Tensor]:
        """Logits of several batches in one descent; a classifier that is random itself is asked about each apart."""
        purified = self.purifier.together(images, rngs)
        if not self.classifier.deterministic:
            return [self.classifier(batch, rng) for batch, rng in zip(purified, rngs, strict=True)]
        logits = self.classifier(torch.cat(purified), rngs[0])
        return list(torch.split(logits, [len(batch) for batch in images]))
