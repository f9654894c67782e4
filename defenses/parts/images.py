"""What hangs on a task's images alone: whether they are tiny, and how networks want them normalised; needs no torch."""

from __future__ import annotations

from bench import Task

Normalisation = tuple[tuple[float, ...] | None, tuple[float, ...] | None]
"""Mean and standard deviation by channel; None where images stay as they are."""
TINY = 16
"""Images of at most this many pixels a side get a small network."""
PHOTOGRAPH = 224
"""Pixels a side of the images that ImageNet's networks learned from."""
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def is_tiny(task: Task) -> bool:
    """Whether a task's images are too small for the networks made for photographs."""
    return max(task.shape[1:]) <= TINY


def normalisation(task: Task, std: tuple[float, ...] = CIFAR_STD) -> Normalisation:
    """Mean and standard deviation by channel: CIFAR-10's for colour images, none for grey ones."""
    return (CIFAR_MEAN, std) if task.shape[0] == 3 else (None, None)
