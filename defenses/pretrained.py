"""Any model of timm, and any image classifier of transformers, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Defense, Network, Task, UsageError

if TYPE_CHECKING:
    from defenses.parts.zoos.entrance import Entrance
    from defenses.parts.zoos.named import Library

TIMM = "timm/"


@dataclass(frozen=True)
class Pretrained(Defense):
    """A published model by its name, with its own normalisation and input size.

    `model` is `timm/NAME` (Wightman 2019; needs the extra `timm`), the hub id of an image classifier of transformers or
    timm ('owner/name' or 'owner/name@revision'), or a folder with `model.safetensors`, `config.json` and, for
    transformers, `preprocessor_config.json`. `weights` is a file, folder or hub id to take them from instead. Grey
    images are shown as three equal channels. Images are taken whole unless `crop` says otherwise: 0.875 scales the
    shorter side to the size divided by that and keeps the centre, as such models' own pipelines do with photographs
    that nobody has cut. `size`, `mean`, `std` and `kernel` are the model's own unless they are given. Its labels are
    put into the order of the task's classes by their names; by-number takes them as they are numbered.
    """

    family = "published models"
    model: str
    weights: str | None = None
    size: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    kernel: Literal["bilinear", "bicubic"] | None = None
    crop: float = 1.0
    labels: Literal["by-name", "by-number"] = "by-name"

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise ValueError("crop must be above 0 and at most 1")
        if self.size is not None and (len(self.size) not in (1, 2) or min(self.size) < 1):
            raise ValueError("size must be one side, or height,width")

    def resolve(self, task: Task) -> Pretrained:
        """The same model, its name, its size and its normalisation spelled out."""
        from defenses.parts.zoos.named import is_local

        name, library = self._found()
        own = self._entrance(library, task)
        self._order(library, task)
        word = self.weights if is_local(self.model) else library.place.word
        return replace(self, model=name, weights=word, size=own.size, mean=own.mean, std=own.std, kernel=own.kernel)

    def load(self, task: Task, device: str) -> Network:
        """The network with resizing and normalisation inside, its logits in the order of the task's classes."""
        from defenses.parts.zoos.entrance import Entered

        _, library = self._found()
        order, entrance = self._order(library, task), self._entrance(library, task)
        return Network(Entered(library.build(len(task.classes)), entrance, order)).to(device)

    def files(self, task: Task) -> Mapping[str, Path]:
        """The weights and what says how they are to be read; fetched from the hub where they are missing."""
        return self._found()[1].files()

    def _found(self) -> tuple[str, Library]:
        """The model's name without its place, and what its library tells of it."""
        from defenses.parts.zoos.named import is_local, place_of

        name, _, revision = self.model.partition("@")
        if self.model.startswith(TIMM) and not is_local(self.model):
            from defenses.parts.zoos.named_timm import named

            spelled, found = named(name.removeprefix(TIMM), self.weights, revision)
            return TIMM + spelled, found
        place = place_of(self.weights or self.model)
        said = place.document() or {}
        name = self.model if is_local(self.model) else name
        if "model_type" in said:
            from defenses.parts.zoos.named_transformers import Transformers

            return name, Transformers(place)
        if "architecture" in said:
            from defenses.parts.zoos.named_timm import described

            return name, described(place)
        raise UsageError(
            f"{place.config} names no model of transformers or timm; give the folder or hub id of one that does, or "
            f"-D model=timm/NAME with -D weights={self.weights or self.model}."
        )

    def _entrance(self, library: Library, task: Task) -> Entrance:
        """The model's own way of reading images, but for what is set."""
        from defenses.parts.resize import KERNELS
        from defenses.parts.zoos.entrance import Entrance

        own = library.entrance()
        size = self.size or own["size"]
        size = (size[0], size[-1])
        mean, std, kernel = self.mean or own["mean"], self.std or own["std"], self.kernel or own["kernel"]
        if kernel not in KERNELS:
            raise UsageError(f"{self.model} is resized by {kernel!r}; pass -D kernel={' or '.join(KERNELS)} instead.")
        if len(mean) != len(std) or task.shape[0] not in (1, len(mean)):
            raise UsageError(f"{self.model} reads images of {len(mean)} channels; {task.dataset} has {task.shape[0]}.")
        return Entrance(size, mean, std, kernel, self.crop)

    def _order(self, library: Library, task: Task) -> tuple[int, ...] | None:
        from defenses.parts.zoos.labels import order

        count, names = library.labels()
        if count != len(task.classes):
            raise UsageError(
                f"{self.model} knows {count} classes; {task.dataset} has {len(task.classes)}: choose a model that was "
                f"trained on them, or -D weights= with a head of as many."
            )
        return order(names, task, self.model) if self.labels == "by-name" else None
