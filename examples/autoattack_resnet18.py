"""The CIFAR-10 ResNet-18 that pyautoattack carries in its wheel, as a defense: 93.7 % clean on the first 1000 images.

bench evaluate --defense examples/autoattack_resnet18.py:AutoAttackResNet18 --attack aa-linf --dataset cifar10 \
    --data-dir FOLDER --source self --samples 100 --sampling first
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import Defense, Network, Task, UsageError, WeightsError


@dataclass(frozen=True)
class AutoAttackResNet18(Defense):
    """A standard, undefended ResNet-18; it takes pixels in [0, 1] without normalisation."""

    def load(self, task: Task, device: str) -> Network:
        """The network with its weights. Raises `UsageError` for any data set but CIFAR-10."""
        import torch

        if task.shape != (3, 32, 32) or len(task.classes) != 10:
            raise UsageError(
                f"This ResNet-18 was trained on CIFAR-10; use --dataset cifar10 instead of {task.dataset}."
            )
        # The wheel's folder of examples is no package, so its module is loaded by its path.
        spec = importlib.util.spec_from_file_location("autoattack_example_resnet", _folder() / "resnet.py")
        if spec is None or spec.loader is None:
            raise WeightsError(f"{_folder()} holds no resnet.py; install pyautoattack 0.2.0 or later.")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        network = module.ResNet18()
        network.load_state_dict(torch.load(self.files(task)["network"], map_location="cpu", weights_only=True))
        return Network(network.to(device))

    def files(self, task: Task) -> Mapping[str, Path]:
        """The checkpoint in the wheel."""
        return {"network": _folder() / "model_test.pt"}


def _folder() -> Path:
    package = importlib.util.find_spec("pyautoattack")
    if package is None or package.origin is None:
        raise WeightsError("pyautoattack is not installed, and the weights are in its wheel; pip install pyautoattack.")
    return Path(package.origin).parent / "examples"
