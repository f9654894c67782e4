"""The scope in which a shard runs: its own seeded global generators, exact kernels, one CPU thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator


@contextmanager
def exact(device: str) -> Iterator[None]:
    """Kernels that give equal bits every time: one thread on the CPU, no autotuning and no TF32 on CUDA.

    The number of threads changes how a sum is split, so a shard always runs on one; several shards run side by side.
    """
    import torch

    threads = torch.get_num_threads()
    matmul = torch.backends.cuda.matmul.allow_tf32
    if device == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.set_num_threads(threads)


@contextmanager
def seeded(rng: Generator, device: str) -> Iterator[None]:
    """Global generators of torch, numpy and Python seeded from `rng`, and given back as they were.

    For library code that draws from them; a classifier's own noise comes from its stream and cannot be reset by it.
    """
    import random

    import numpy as np
    import torch

    devices = [torch.device(device).index or 0] if device.startswith("cuda") else []
    states = np.random.get_state(), random.getstate()  # the global generator is what libraries draw from
    with torch.random.fork_rng(devices=devices):
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
    import os
    import random

    import numpy as np
    import torch

    seed = int.from_bytes(os.urandom(4), "big")
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
