"""Residual networks: the ImageNet families under torchvision's parameter names, and small ones for small images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from defenses.parts.resize import resize


@dataclass(frozen=True)
class Shape:
    """What distinguishes one residual network from another.

    `stages` lists (width, blocks, stride); `expansion` 1 gives blocks of two 3x3 convolutions, 4 gives bottlenecks
    whose inner width is `width * inner` (He et al. 2015, 1512.03385; Zagoruyko and Komodakis 2016, 1605.07146).
    """

    stem: tuple[int, int, int]
    """Channels, kernel and stride of the first convolution."""
    pool: bool
    stages: tuple[tuple[int, int, int], ...]
    expansion: int = 1
    inner: int = 1


IMAGENET_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def fifty_layers(inner: int, kernel: int, width: int = 64) -> Shape:
    """ResNet-50 (`inner` 1) or WideResNet-50-2 (`inner` 2) with a stem of `width` channels; a 7x7 stem pools, a 3x3 one
    (CIFAR) neither strides nor pools."""
    large = kernel == 7
    stages = tuple((outputs * width // 64, blocks, stride) for outputs, blocks, stride in IMAGENET_STAGES)
    return Shape((width, kernel, 2 if large else 1), large, stages, expansion=4, inner=inner)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3, 1), nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        deeper = functional.relu(self.bn1(self.conv1(features)))
        deeper = self.bn2(self.conv2(deeper))
        return functional.relu(deeper + (features if self.downsample is None else self.downsample(features)))


class Bottleneck(nn.Module):
    """1x1, 3x3 (which carries the stride), 1x1 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, inner: int) -> None:
        super().__init__()
        outputs = width * 4
        self.conv1, self.bn1 = _convolution(inputs, width * inner, 1, 1), nn.BatchNorm2d(width * inner)
        self.conv2, self.bn2 = _convolution(width * inner, width * inner, 3, stride), nn.BatchNorm2d(width * inner)
        self.conv3, self.bn3 = _convolution(width * inner, outputs, 1, 1), nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, inputs, H, W) to (N, 4 * width, H / stride, W / stride)."""
        deeper = functional.relu(self.bn1(self.conv1(features)))
        deeper = functional.relu(self.bn2(self.conv2(deeper)))
        deeper = self.bn3(self.conv3(deeper))
        return functional.relu(deeper + (features if self.downsample is None else self.downsample(features)))


class ResidualNet(nn.Module):
    """Images (N, C, H, W) to logits (N, K); parameters are named as torchvision and timm name them.

    By hand, since neither of the two is required, and the names of transformers' residual networks are others.
    """

    def __init__(self, shape: Shape, channels: int, classes: int) -> None:
        super().__init__()
        width, kernel, stride = shape.stem
        self.conv1, self.bn1 = _convolution(channels, width, kernel, stride), nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if shape.pool else nn.Identity()
        self.stages: list[str] = []
        block = BasicBlock if shape.expansion == 1 else Bottleneck
        for number, (outputs, count, step) in enumerate(shape.stages, start=1):
            blocks: list[nn.Module] = []
            for index in range(count):
                blocks.append(block(width, outputs, step if index == 0 else 1, shape.inner))
                width = outputs * shape.expansion
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            self.stages.append(f"layer{number}")
        self.fc = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        features = self.maxpool(functional.relu(self.bn1(self.conv1(images))))
        for stage in self.stages:
            features = self.get_submodule(stage)(features)
        logits: Tensor = self.fc(features.mean((2, 3)))
        return logits


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """The same function in evaluation mode with every batch norm folded into the convolution before it."""
    module.eval()
    for parent in module.modules():
        for (first, convolution), (second, norm) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, first, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, second, nn.Identity())
    return module


def stem(shape: Sequence[int]) -> tuple[int, int]:
    """Kernel size, 3 (CIFAR) or 7 (ImageNet), and channels of the stem whose `conv1.weight` has this shape."""
    return 7 if shape[-1] == 7 else 3, shape[0]


class Enlarged(nn.Module):
    """A network that sees its images in another size, scaled bilinearly."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        if images.shape[2:] != (self.size, self.size):
            images = resize(images, (self.size, self.size), "bilinear")
        logits: Tensor = self.network(images)
        return logits


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
