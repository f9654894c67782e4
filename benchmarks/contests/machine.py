"""What describes the machine of a measurement: its kind and its libraries, and nothing that names it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("defense-bench", "torch", "numpy", "diffusers", "pyautoattack", "torchattacks", "foolbox", "adv-lib")
CPUINFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """The CPU's model, the GPU's where there is one, cores, threads in use, versions, and how busy the machine is as it
    starts (Unix's load)."""
    return {
        "cpu": _cpu(),
        "accelerator": _accelerator(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def described(facts: dict[str, Any]) -> str:
    """The same as one sentence."""
    versions = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    beside = f"{facts['accelerator']}; " if facts.get("accelerator") else ""
    cores = f"{facts['cores']} cores, {facts['threads']} in use"
    return (
        f"{beside}{facts['cpu']}, {cores}, load {facts['load']} at the start; "
        f"{facts['system']}, Python {facts['python']}, {versions}."
    )


def _cpu() -> str:
    if CPUINFO.is_file():
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerator() -> str | None:
    if not torch.cuda.is_available():
        return None
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
