"""The wide residual network of robust training, with pre-activation and swish, and the plan of every WRN."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from bench import Network, Task, WeightsError
from defenses.parts.images import Normalisation, normalisation
from defenses.parts.networks.residual import fold_batch_norm
from defenses.parts.randomness import ambient
from defenses.parts.weights.checkpoints import fill, read, save

STD = (0.2471, 0.2435, 0.2616)
"""CIFAR-10's, as the released code rounds it."""
SIZES = {"wide-resnet-10-1": (10, 1), "wide-resnet-28-10": (28, 10), "wide-resnet-70-16": (70, 16)}
"""Depth and width by name."""


def plan(depth: int, width: int) -> list[list[tuple[int, int, int]]]:
    """Channels in, channels out and stride of every block in the three stages of a WRN-depth-width.

    Zagoruyko and Komodakis 2016, 1605.07146; `depth` is 6 n + 4 for n blocks a stage.
    """
    stages = []
    inputs = 16
    for outputs, stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
        rest = [(outputs, outputs, 1)] * ((depth - 4) // 6 - 1)
        stages.append([(inputs, outputs, stride), *rest])
        inputs = outputs
    return stages


def size_of(state: Mapping[str, Tensor], key: str, path: Path, what: str) -> tuple[int, int]:
    """Depth and width of a WRN, from its first stage: `key` names a block's first convolution, {} its number.

    Raises `WeightsError` where there is no such block.
    """
    if key.format(0) not in state:
        raise WeightsError(f"The weights {path} are no {what}: {key.format(0)!r} is missing.")
    blocks = 1
    while key.format(blocks) in state:
        blocks += 1
    return 6 * blocks + 4, max(1, len(state[key.format(0)]) // 16)


class Block(nn.Module):
    """Batch norm, swish, 3x3 with the stride, and the same again without it, beside a shortcut.

    Where the width changes, the shortcut is a 1x1 convolution of what the first swish gave. The stride's padding is
    that of TensorFlow's SAME: none above and to the left of an even number of pixels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.batchnorm_0 = nn.BatchNorm2d(inputs)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, stride, padding=1 if stride == 1 else 0, bias=False)
        self.batchnorm_1 = nn.BatchNorm2d(outputs)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, inputs, H, W) to (N, outputs, H / stride, W / stride), rounded up."""
        active = functional.silu(self.batchnorm_0(features))
        beside = features if self.shortcut is None else self.shortcut(active)
        if self.stride == 2:
            active = functional.pad(active, (active.shape[3] % 2, 1, active.shape[2] % 2, 1))
        deeper = self.conv_1(functional.silu(self.batchnorm_1(self.conv_0(active))))
        return cast("Tensor", beside + deeper)


class WideNet(nn.Module):
    """Logits (N, K) of normalised images (N, C, H, W), in the parameter names of DeepMind's and Wang et al.'s code.

    Gowal et al. 2020, 2010.03593; Wang et al. 2023, 2302.04638. Deviation: the mean over all pixels stands for that
    over 8x8, so that images need not have 32 pixels.
    """

    def __init__(self, depth: int, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.init_conv = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        stages = [nn.Sequential(*(Block(*block) for block in stage)) for stage in plan(depth, width)]
        self.layer = nn.Sequential(*(nn.Sequential(OrderedDict(block=stage)) for stage in stages))
        self.batchnorm = nn.BatchNorm2d(64 * width)
        self.logits = nn.Linear(64 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """One pass."""
        features = functional.silu(self.batchnorm(self.layer(self.init_conv(images))))
        logits: Tensor = self.logits(features.mean((2, 3)))
        return logits


@dataclass(frozen=True)
class WideFamily:
    """The networks of one of the names in `SIZES`."""

    name: str

    def normalisation(self, task: Task) -> Normalisation:
        """As the released code has it."""
        return normalisation(task, STD)

    def fresh(self, task: Task) -> WideNet:
        """A network to be trained, with the released code's first weights."""
        net = WideNet(*SIZES[self.name], task.shape[0], len(task.classes))
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(net.logits.bias)
        return net

    def started(self, path: Path, task: Task) -> WideNet:
        """The network in a file of `bench train`, in a released checkpoint or in RobustBench's copy of one.

        Raises `WeightsError` where it holds another network, or one of another size than the name says.
        """
        state, _ = read(path)
        # the released code saves a Sequential, the network under '0.'; other code has other wrappers
        prefix = next((key.removesuffix("init_conv.weight") for key in state if key.endswith("init_conv.weight")), "")
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        size = size_of(state, "layer.0.block.{}.conv_0.weight", path, self.name)
        if size != SIZES[self.name]:
            found = "wide-resnet-{}-{}".format(*size)
            hint = f"; pass -D network={found}" if found in SIZES else ""
            raise WeightsError(f"The weights {path} are those of a {found}; {self.name} was expected{hint}.")
        module = WideNet(*size, task.shape[0], len(task.classes))
        fill(module, state, path)
        return module

    def store(self, module: nn.Module, path: Path) -> Path:
        """Write a network's weights."""
        return save(path, module.state_dict())

    def load(self, path: Path, task: Task, device: str) -> Network:
        """The classifier in such a file, batch norm folded. Raises like `started`."""
        with ambient():
            module = self.started(path, task)
        return Network(fold_batch_norm(module).to(device), *normalisation(task, STD))
