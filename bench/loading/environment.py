"""What describes a run and does not belong to its plan: device, versions, commit."""

from __future__ import annotations

import ctypes
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "pyautoattack", "diffusers", "transformers", "peft", "safetensors", "sqlalchemy")
EXTRAS = ("timm",)
"""Named where they are installed."""
MISSING = "not installed"

HEAD, NO_COMMIT = "# branch.oid ", "(initial)"
"""What git writes before the commit that is checked out, and in its place where there is none yet."""
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_resident_before: int | None = None
"""Bytes that the process held when its measurement began; None where it cannot be measured so."""


@cache
def environment(device: str) -> dict[str, str]:
    """Facts about this process's machine and libraries, as text."""
    return {
        "device": _device_name(device),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions(),
        **_commit(),
    }


@cache
def versions() -> dict[str, str]:
    """The versions of bench and of the libraries that results hang on."""
    return {"bench": _version("defense-bench"), **{name: _version(name) for name in PACKAGES}} | {
        name: found for name in EXTRAS if (found := _version(name)) != MISSING
    }


def resolve_device(wanted: str) -> str:
    """'auto' as 'cuda' where a GPU is at hand and 'cpu' where none is; anything else is checked and kept."""
    import torch

    from bench.domain.errors import UsageError

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"The device {wanted!r} cannot be used here ({reason}); use --device auto.") from None
    return wanted


def peak_memory(device: str) -> int:
    """Bytes since `reset_peak_memory`: on a GPU the largest allocation, on the CPU what the process grew by at most.

    The CPU's is Linux's largest resident size less the one at the reset; where that cannot be reset (another system, a
    container that forbids it) it is the largest size that the process ever had.
    """
    module = _with_memory_statistics(device)
    if module is not None:
        return int(module.max_memory_allocated(device))
    if _resident_before is not None:
        return max(0, _status("VmHWM") - _resident_before)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(size if sys.platform == "darwin" else size * 1024)


def reset_peak_memory(device: str) -> None:
    """Start a new measurement."""
    global _resident_before
    module = _with_memory_statistics(device)
    if module is not None:
        module.reset_peak_memory_stats(device)
        return
    try:
        _give_back_freed_memory()
        CLEAR_REFS.write_text("5")
        _resident_before = _status("VmRSS")
    except (OSError, LookupError):
        _resident_before = None


def _with_memory_statistics(device: str) -> Any:
    """torch's module of a device that counts its own memory; None for the CPU and others that do not."""
    if device == "cpu":
        return None
    import torch

    module = torch.get_device_module(device)
    return module if hasattr(module, "max_memory_allocated") else None


def _status(name: str) -> int:
    """One of Linux's figures of this process, in bytes."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def _give_back_freed_memory() -> None:
    """What was freed before must not serve a shard unseen; glibc alone can be asked to hand it back."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _device_name(device: str) -> str:
    if device == "cpu":
        return f"CPU {_processor()}"
    import torch

    name = getattr(torch.get_device_module(device), "get_device_name", None)
    return device if name is None else str(name(device))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING


def _commit() -> dict[str, str]:
    """The commit of the checkout that this code runs from; nothing for an installed wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return {}
    try:
        asked = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    head = next((line.removeprefix(HEAD) for line in told if line.startswith(HEAD)), "")
    changes = [line for line in told if not line.startswith("#")]
    return {"commit": head, "changed": "yes" if changes else "no"} if head != NO_COMMIT else {}
