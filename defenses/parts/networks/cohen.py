"""Checkpoints of Cohen et al.'s own code: CIFAR residual networks behind a normalisation layer."""

from __future__ import annotations

from pathlib import Path

from bench import Network, Task, WeightsError
from defenses.parts.networks.residual import ResidualNet, Shape, fold_batch_norm
from defenses.parts.randomness import ambient
from defenses.parts.weights.checkpoints import fill, read

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
_PREFIX = "1."


def is_official(path: Path) -> bool:
    """Whether a file is one of that code's: a network in the second place of a sequence."""
    state, _ = read(path)
    return all(key.startswith(_PREFIX) for key in state)


def load(path: Path, task: Task, device: str) -> Network:
    """The network, ResNet-20 to ResNet-110 as the checkpoint has it, with the paper's normalisation.

    Cohen et al. 2019, 1902.02918, `cifar_resnet20` and `cifar_resnet110` in their code; three stages of 16, 32 and 64
    channels (He et al. 2015, 1512.03385, section 4.2) with projection shortcuts.
    """
    state = {key.removeprefix(_PREFIX): value for key, value in read(path)[0].items()}
    if task.shape[0] != len(MEAN):
        raise WeightsError(f"The network {path} reads colour images; those of {task.dataset} are grey.")
    blocks = len({key.split(".")[1] for key in state if key.startswith("layer1.")})
    shape = Shape((16, 3, 1), False, ((16, blocks, 1), (32, blocks, 2), (64, blocks, 2)))
    with ambient():
        module = ResidualNet(shape, task.shape[0], len(task.classes))
    fill(module, state, path)
    return Network(fold_batch_norm(module).to(device), MEAN, STD)
