"""The condition that a classifier is in: its tensors as they were last written, its modules as they are set."""

from __future__ import annotations

import gc
from collections import deque
from types import FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bench.domain.defense import Classifier

MOST = 200_000
"""Objects that are looked at, from the classifier outwards."""
_LEAVES = (str, bytes, int, float, bool, type(None), type, ModuleType, FrameType)


def condition(classifier: Classifier) -> dict[int, object]:
    """How often each tensor that the classifier holds was written into, with its sums, and which modules train."""
    import torch

    found: dict[int, object] = {}
    seen, waiting = {id(classifier)}, deque[object]([classifier])
    while waiting and len(seen) < MOST:
        thing = waiting.popleft()
        if isinstance(thing, torch.Tensor):
            found[id(thing)] = (None if thing.is_inference() else thing._version, _sums(thing))
            continue
        if isinstance(thing, torch.nn.Module):
            found[id(thing)] = thing.training
        held = [thing.__closure__] if isinstance(thing, FunctionType) else gc.get_referents(thing)
        for inner in held:  # of a function what it closes over, not the globals of its module
            if id(inner) not in seen and not isinstance(inner, _LEAVES):
                seen.add(id(inner))
                waiting.append(inner)
    return found


def changes_by_itself(classifier: Classifier, ask: Callable[[], object]) -> bool:
    """Whether merely asking the classifier leaves it in another condition."""
    before = condition(classifier)
    ask()
    return changed(before, condition(classifier))


def changed(before: dict[int, object], after: dict[int, object]) -> bool:
    """Whether anything that was there before is in another condition."""
    return any(key in after and after[key] != value for key, value in before.items())


def _sums(tensor: Tensor) -> str:
    """The sums of a tensor's first third and of the rest as text, so that NaN equals itself; they see what is written
    past autograd."""
    import torch

    if tensor.is_sparse or tensor.is_quantized or tensor.device.type == "meta":
        return ""
    wide = torch.float64 if tensor.is_floating_point() else None
    flat = tensor.detach().flatten()
    third = len(flat) // 3
    return str([part.sum(dtype=wide).item() for part in (flat[:third], flat[third:])])
