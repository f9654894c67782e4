"""The standard residual networks: ResNet-50 and WideResNet-50-2 for photographs, small ones for tiny images."""

from __future__ import annotations

from dataclasses import dataclass

from defenses.parts.training.nets import Plain


@dataclass(frozen=True)
class ResNet(Plain):
    """ResNet-50; on images of at most 16 pixels a small residual network of the same family.

    He et al. 2015, 1512.03385, in torchvision's and timm's parameter names. `weights` is a file, a folder or a hub id
    (default for cifar10: edadaltocg/resnet50_cifar10); the stem, 3x3 without pooling or 7x7, is the one that the
    weights have; weights that were trained on from ImageNet's see their images enlarged to its 224 pixels. Colour
    images are normalised with CIFAR-10's mean and deviation.
    """

    family = "standard nets"
    name = kind = "resnet"
    hub = {"cifar10": "edadaltocg/resnet50_cifar10"}


@dataclass(frozen=True)
class WideResNet(Plain):
    """WideResNet-50-2; on images of at most 16 pixels a small, wide residual network.

    Zagoruyko and Komodakis 2016, 1605.07146, in torchvision's parameter names: ResNet-50 whose bottlenecks are twice
    as wide inside. No public CIFAR-10 weights are known: pass `weights` (a file, a folder or a hub id) or train some.
    The stem, 3x3 without pooling or 7x7, is the one that the weights have; weights that were trained on from ImageNet's
    see their images enlarged to its 224 pixels.
    """

    family = "standard nets"
    name = kind = "wide-resnet"
