"""What describes a run and does not belong to its plan: device, versions, commit."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "numpy", "pyautoattack", "diffusers", "transformers", "peft", "safetensors", "sqlalchemy")


@cache
def environment(device: str) -> dict[str, str]:
    """Facts about this process's machine and libraries, as text."""
    facts = {
        "device": _device_name(device),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "bench": _version("defense-bench"),
        **{name: _version(name) for name in PACKAGES},
    }
    return {**facts, **_commit()}


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
    """Bytes: the largest allocation on a GPU since `reset_peak_memory`, the process's largest size on the CPU."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(kilobytes if sys.platform == "darwin" else kilobytes * 1024)


def reset_peak_memory(device: str) -> None:
    """Start a new measurement; the CPU's cannot be reset."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    if device == "cpu":
        return f"CPU {_processor()}"
    return device


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
        return "not installed"


def _commit() -> dict[str, str]:
    """The commit of the checkout that this code runs from; nothing for an installed wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return {}
    try:
        run = ["git", "-C", str(root)]
        head = subprocess.run([*run, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        changes = subprocess.run(
            [*run, "status", "--porcelain"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": head.stdout.strip(), "changed": "yes" if changes.stdout.strip() else "no"}
