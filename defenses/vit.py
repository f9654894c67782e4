"""The vision transformer: ViT-B/16 for photographs, a small one for tiny images."""

from __future__ import annotations

from dataclasses import dataclass

from bench import Task
from defenses.parts.images import is_tiny
from defenses.parts.training.nets import Plain
from defenses.parts.training.recipes import ClassifierRecipe


@dataclass(frozen=True)
class ViT(Plain):
    """ViT-B/16 at 224 pixels; on images of at most 16 pixels a small transformer with patches of 2 pixels.

    Dosovitskiy et al. 2020, 2010.11929, through transformers. `weights` is a file, a folder or a hub id (default for
    cifar10: nateraw/vit-base-patch16-224-cifar10), its configuration inside it or in `config.json` beside it, or a file
    in timm's or torchvision's names. Images are normalised with mean and deviation 0.5 and enlarged bilinearly to the
    size that the transformer reads.
    """

    family = "standard nets"
    name = kind = "vit"
    hub = {"cifar10": "nateraw/vit-base-patch16-224-cifar10"}

    def recipe(self, task: Task) -> ClassifierRecipe:
        """AdamW with warm-up and a cosine."""
        if is_tiny(task):
            return ClassifierRecipe(150, 64, "adamw", 2e-3, 0.05, 200, 0.1, 0.998, "affine", clip=1.0)
        return ClassifierRecipe(200, 128, "adamw", 5e-4, 0.05, 2000, 0.1, 0.9999, "crop-flip", clip=1.0)

    def fine_tuning(self, task: Task) -> ClassifierRecipe:
        """Five epochs of AdamW at a small rate."""
        if is_tiny(task):
            return self.recipe(task)
        return ClassifierRecipe(5, 128, "adamw", 5e-5, 0.01, 200, 0.0, 0.0, "crop-flip", clip=1.0)
