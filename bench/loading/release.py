"""What a process gives back to its device between jobs, for others work on it too."""

from __future__ import annotations


def let_go(device: str) -> None:
    """Give memory that is only kept for later back to a device that has any to give."""
    import torch

    if device != "cpu":
        free = getattr(torch.get_device_module(device), "empty_cache", None)
        if free is not None:
            free()
