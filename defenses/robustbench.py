"""Any model of RobustBench's zoo, with the checkpoint that the zoo itself would load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import Defense, Network, Published, Task, UsageError

if TYPE_CHECKING:
    from defenses.parts.zoos.zoo import Entry

Norm = Literal["linf", "l2", "corruptions"]
Data = Literal["cifar10", "cifar100", "imagenet"]
CLASSES: dict[Data, int] = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}


@dataclass(frozen=True)
class RobustBench(Defense):
    """A model of RobustBench's zoo, by its name there; for CIFAR-10, CIFAR-100 and ImageNet.

    Croce et al. 2021, 2010.09670. `norm` and `data` choose the leaderboard; `data` is the task's name unless it is
    given (images of ImageNet in folders: data=imagenet). Checkpoints lie in `model_dir` as the zoo keeps them
    (cifar10/Linf/NAME.pt) and are downloaded to it where they are missing. Needs the extra `robustbench`.
    """

    family = "RobustBench's zoo"
    model: str
    norm: Norm = "linf"
    data: Data | None = None
    model_dir: str = "models"

    def resolve(self, task: Task) -> RobustBench:
        """The same model with its data set spelled out."""
        return replace(self, data=self._data(task))

    def load(self, task: Task, device: str) -> Network:
        """The zoo's module, its normalisation inside. Of pickles only tensors and plain containers are read."""
        return Network(self._entry(task).load(self._folder()).to(device))

    def files(self, task: Task) -> Mapping[str, Path]:
        """The checkpoint, or each one of an ensemble; downloaded first where it is missing."""
        paths = self._entry(task).checkpoints(self._folder())
        return {"network": paths[0]} if len(paths) == 1 else {f"network-{n}": path for n, path in enumerate(paths)}

    @classmethod
    def models(cls) -> Sequence[Published]:
        """The zoo's own tables."""
        from defenses.parts.zoos.published import figures

        return figures()

    def _data(self, task: Task) -> Data:
        data = next((name for name in CLASSES if name == (self.data or task.dataset)), None)
        if data is None:
            raise UsageError(f"RobustBench has models of {', '.join(CLASSES)}; {task.dataset} is none of them.")
        if len(task.classes) != CLASSES[data]:
            found = len(task.classes)
            raise UsageError(
                f"RobustBench's models of {data} know {CLASSES[data]} classes; {task.dataset} has {found}."
            )
        return data

    def _entry(self, task: Task) -> Entry:
        from defenses.parts.zoos.zoo import Entry

        data = self._data(task)
        return Entry(self.model, data, self.norm, CLASSES[data])

    def _folder(self) -> Path:
        return Path(self.model_dir).expanduser()
