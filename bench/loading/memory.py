"""A device's memory: how much of it is free, and what a process keeps of it or gives back."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
"""Where Linux's files lie; tests write their own."""
_GROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Both versions of control groups: the folder, its limit and use in bytes, and what of the use may be taken back."""


def free_share(device: str) -> float:
    """The share of the device's memory that anybody may still use, 0 to 1; 1 where nobody can tell.

    On the CPU that of the machine, or of the control group that this process is in (a container, a job of a scheduler)
    where less is left there.
    """
    import torch

    if device.startswith("cuda"):
        free, total = torch.cuda.mem_get_info(device)
        return float(free / total)
    if device != "cpu":
        return 1.0
    return min([_machine(), *_groups()])


def let_go(device: str) -> None:
    """Give memory that is only kept for later back, for others work on the device too."""
    import torch

    if device != "cpu":
        free = getattr(torch.get_device_module(device), "empty_cache", None)
        if free is not None:
            free()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def _machine() -> float:
    try:
        lines = (ROOT / "proc/meminfo").read_text().splitlines()
        sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return sizes["MemAvailable"] / sizes["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return 1.0


def _groups() -> Iterator[float]:
    for folder, limit, use, cache in _GROUPS:
        for group in _paths(ROOT / folder):
            try:
                most, used = (int((group / name).read_text()) for name in (limit, use))
                lines = (group / "memory.stat").read_text().splitlines()
                back = next(int(line.split()[1]) for line in lines if line.startswith(f"{cache} "))
                yield max(0.0, 1 - (used - back) / most)
            except (OSError, ValueError, StopIteration, ZeroDivisionError):  # "max" is no number: there is no limit
                continue


def _paths(folder: Path) -> Iterator[Path]:
    """This process's group and those that it is in, as far as they can be seen."""
    try:
        found = {line.split(":", 2)[2] for line in (ROOT / "proc/self/cgroup").read_text().splitlines()}
    except (OSError, IndexError):
        return
    groups = [folder / name.lstrip("/") for name in sorted(found)]
    yield from {path for group in groups for path in (group, *group.parents) if path.is_relative_to(folder)}
