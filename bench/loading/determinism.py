"""The scope in which a shard runs: its own seeded global generators, exact kernels, one CPU thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Generator


WORKSPACES = (":4096:8", ":16:8")
"""The settings of CUBLAS_WORKSPACE_CONFIG under which cuBLAS repeats itself; torch asks for one of them."""
ONE_GENERATOR = ("cpu", "mps")
"""Kinds of devices that have no generator a device: the CPU's is always given back, MPS's cannot be."""


@contextmanager
def exact(device: str) -> Iterator[None]:
    """Kernels that give equal bits every time: one thread on the CPU, no autotuning and no TF32 on CUDA.

    The number of threads changes how a sum is split, so a shard always runs on one; several shards run side by side. An
    operation that has no deterministic kernel on the device raises `RuntimeError` instead of answering otherwise every
    time. Fused attention needs no switch of its own: under torch's deterministic algorithms flash and memory-efficient
    attention take their deterministic backward passes, and cuDNN's is not chosen.
    """
    with _scopes.lock:
        if not _scopes.entered:
            _scopes.before = _states()
        _scopes.entered += 1
        _make_exact(device)
    try:
        yield
    finally:
        with _scopes.lock:
            _scopes.entered -= 1
            if not _scopes.entered:
                _restore(_scopes.before)


@dataclass
class _Scopes:
    """How many scopes are open in this process, in whatever thread, and what torch was before the first: its switches
    are the process's, so the last to leave gives them back."""

    entered: int = 0
    before: tuple[Any, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)


_scopes = _Scopes()


def _states() -> tuple[Any, ...]:
    import torch

    cudnn = torch.backends.cudnn
    return (
        torch.get_num_threads(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.get_deterministic_debug_mode(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
    )


def _make_exact(device: str) -> None:
    import torch

    if device == "cpu":
        torch.set_num_threads(1)
    elif os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in WORKSPACES:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = WORKSPACES[0]  # read once, when this process first multiplies on CUDA
    # without memory filled, which takes a twentieth of a diffusion classifier's time
    _set(matmul=False, mode="error", filled=False, cudnn=(True, False, True, False))


def _restore(states: tuple[Any, ...]) -> None:
    import torch

    threads, matmul, mode, filled, cudnn = states
    _set(matmul, mode, filled, cudnn)
    torch.set_num_threads(threads)


def _set(matmul: bool, mode: Any, filled: bool, cudnn: tuple[bool, bool, bool, bool]) -> None:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = matmul
    # `use_deterministic_algorithms` does the same, and imports torch's compiler for it: seconds in every process
    torch.set_deterministic_debug_mode(mode)
    memory: Any = torch.utils.deterministic
    memory.fill_uninitialized_memory = filled
    flags: Any = torch.backends.cudnn
    flags.enabled, flags.benchmark, flags.deterministic, flags.allow_tf32 = cudnn


@contextmanager
def seeded(rng: Generator, device: str) -> Iterator[None]:
    """Global generators of torch, numpy and Python seeded from `rng`, and given back as they were.

    For library code that draws from them; a classifier's own noise comes from its stream and cannot be reset by it.
    """
    import random

    import numpy as np
    import torch

    place = torch.device(device)
    devices = [] if place.type in ONE_GENERATOR else [place.index or 0]
    states = np.random.get_state(), random.getstate()  # the global generator is what libraries draw from
    with torch.random.fork_rng(devices, device_type=place.type):
        torch.manual_seed(rng.initial_seed())
        np.random.seed(rng.initial_seed() % 2**32)
        random.seed(rng.initial_seed())
        try:
            yield
        finally:
            np.random.set_state(states[0])
            random.setstate(states[1])


def shake() -> None:
    """Put the global generators of torch, numpy and Python into states that nobody can foresee.

    Processes that are forked off one server would share them, and a plugin that draws from them would seem to repeat
    itself.
    """
    import random

    import numpy as np
    import torch

    seed = int.from_bytes(os.urandom(4), "big")
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
