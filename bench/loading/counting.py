"""Counts floating-point operations by torch's own formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Counter(TorchDispatchMode):
    """Counts what is done with tensors in its scope: matrix products, convolutions and attention.

    torch's `FlopCounterMode` says besides which module they were in, for which it hooks into autograd; a defense that
    differentiates on its own way, as one that recomputes does, fails under it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.total = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        self.total += formula(*args, **(kwargs or {}), out_val=out) if formula is not None else 0
        return out


def counted(work: Callable[[], object]) -> float:
    """The floating-point operations of what `work` does."""
    with Counter() as counter:
        work()
    return float(counter.total)
