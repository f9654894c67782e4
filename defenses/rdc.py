"""The robust diffusion classifier: an image made likelier, then classified by EDM's loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Classifier, Defense, Task, UsageError
from defenses.parts.diffusion.elimination import Stages
from defenses.parts.diffusion.race import Race
from defenses.parts.images import is_tiny
from defenses.parts.weights.layout import PATTERNS, denoiser_files, precision_at, unconditional_files
from defenses.parts.weights.places import NOWHERE, locate

if TYPE_CHECKING:
    from torch import Tensor

DENOISER = "diffusion-classifier"
FEWER = 4
"""How many times as many noise levels as its surrogate the classifier looks at."""
EXACT = ("auto", "float32")
"""Precisions in which there are second derivatives; auto is the other."""


@dataclass(frozen=True)
class RDC(Defense):
    """Likelihood maximisation, then a diffusion classifier by EDM's weighted errors.

    Chen et al. 2024, 2305.15241. `weights` is a class-conditional denoiser in pixel space (as of diffusion-classifier,
    whose packaged one is the default), `front` an unconditional one (as of diffpure) for the likelihood: `steps` Adam
    steps of `learning_rate`, each under a noise of [`softest`, `loudest`]. The classifier looks at `levels` evenly
    spaced noises of [`lowest`, `highest`]: published 1001 or 126, tiny images 16; with `search` race at no class any
    more that is ruled out, at the stated `risk` an image of another verdict than all levels'. Gradients leave out the
    classes that together have at most the share `negligible` of a loss's weight. Noises are deviations for pixels in
    [-1, 1]; every one is taken to the nearest of the network's schedule. With `gradient` identity attacks get the
    classifier's exact gradient at the likelier image, the maximisation's replaced by the identity, as in the paper's
    code; exact goes through every Adam step as well, in float32 alone. EDM's own pickled networks are not read.
    `precision` is that of both networks; auto is float32. `rows` (image x class x level) go through a network at once.
    """

    family = "generative classifiers"
    weights: str | None = None
    front: str | None = None
    steps: int = 5
    learning_rate: float = 0.1
    softest: float = 0.4
    loudest: float = 0.6
    levels: int | None = None
    lowest: float = 1e-4
    highest: float = 3.0
    search: Literal["race", "full"] = "full"
    risk: float = 1e-3
    negligible: float = 0.0
    gradient: Literal["identity", "exact"] = "identity"
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    rows: int | None = None

    def __post_init__(self) -> None:
        for name in ("levels", "rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1; got {value}.")
        if self.gradient == "exact" and self.precision not in EXACT:
            raise UsageError(f"gradient=exact needs precision=float32, for second derivatives; got {self.precision}.")
        if not 0 < self.lowest < self.highest:
            raise UsageError(f"The noises need 0 < lowest < highest; got {self.lowest} and {self.highest}.")

    def resolve(self, task: Task) -> RDC:
        """The same classifier with its number of noise levels spelled out."""
        return replace(self, levels=self._levels(task))

    def on(self, task: Task, device: Callable[[], str]) -> RDC:
        """The same classifier with its precision spelled out."""
        return replace(self, precision=precision_at(self.precision, None, device))

    def load(self, task: Task, device: str) -> Classifier:
        """Both denoisers in memory, one before the other."""
        import torch

        from defenses.parts.diffusion.assembly import in_pixels
        from defenses.parts.diffusion.diffusion_classification import DiffusionClassification
        from defenses.parts.diffusion.likelihood import Ascent, LikelihoodMaximizer, edm_grid
        from defenses.parts.diffusion.memory import chunks_for
        from defenses.parts.purification.purified import Purified, StraightThrough

        files = self.files(task)
        front = in_pixels(files["front/denoiser"], self.precision, task, device, conditional=False)
        ascent = Ascent(self.steps, self.learning_rate, self.softest, self.loudest)
        exact = self.gradient == "exact"
        ahead = chunks_for(front, task, device, self.rows)
        denoiser = in_pixels(files["denoiser"], self.precision, task, device, conditional=True)
        sigmas = torch.linspace(self.lowest, self.highest, self._levels(task), dtype=torch.float64)
        chunks = chunks_for(denoiser, task, device, self.rows)

        def classification(sigmas: Tensor) -> DiffusionClassification:
            grid = edm_grid(denoiser.schedule, sigmas)
            how = Race(self.risk) if self.search == "race" else Stages.whole(len(sigmas))
            return DiffusionClassification(denoiser, grid, how, len(task.classes), chunks, self.negligible)

        def maximizer(exact: bool) -> LikelihoodMaximizer:
            return LikelihoodMaximizer(front, ascent, ahead, exact)

        few = self._levels(task) // FEWER
        fewer = classification(sigmas[FEWER // 2 :: FEWER]) if few else None
        return Purified(
            maximizer(exact),
            classification(sigmas),
            exact=exact,
            precise=(lambda: maximizer(True)) if self.precision in EXACT else None,
            cheaper=None if fewer is None else lambda: Purified(StraightThrough(maximizer(False)), fewer),
        )

    def files(self, task: Task) -> Mapping[str, Path]:
        """Both denoisers, and the configurations beside them that they do not hold themselves."""
        conditional = denoiser_files(locate(DENOISER, self.weights, task, NOWHERE, PATTERNS), DENOISER)
        front = unconditional_files(self.front, task)
        return conditional | {f"front/{role}": path for role, path in front.items()}

    def _levels(self, task: Task) -> int:
        """How many noise levels the classifier looks at."""
        if self.levels is not None:
            return self.levels
        return 16 if is_tiny(task) else 126
