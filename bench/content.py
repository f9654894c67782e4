"""The hash of what makes an object in memory what it is: its class, its settings and its tensors.

By hand, for cloudpickle's bytes of one object differ between processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any

from bench.domain.defense import Network

if TYPE_CHECKING:
    from torch import nn

PLAIN = (bool, int, float, str, bytes, type(None))
LIBRARIES = ("torch", "torchvision", "timm", "transformers", "diffusers", "bench", "builtins", "collections")
"""Whose classes are known by their names; any other class is known by its code."""


def content_of(found: object) -> str:
    """SHA-256 of what makes an object what it is; the same in the process that loads it again."""
    content = hashlib.sha256()
    for part in _described(found):
        content.update(len(part).to_bytes(8, "little") + part)
    return content.hexdigest()


def tensors_of(module: nn.Module) -> dict[str, Any]:
    """A module's parameters and buffers by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _described(found: object) -> Iterator[bytes]:
    """What makes an object what it is: its class and settings, of a module its submodules' and all tensors."""
    from torch import nn

    if isinstance(found, nn.Module):
        yield from _module(found)
    elif isinstance(found, Network):
        yield from _plain(found)
        yield from _module(found.module)
    else:
        yield from _plain(found)
        for value in vars(found).values():
            if isinstance(value, nn.Module):
                yield from _module(value)


def _module(module: nn.Module) -> Iterator[bytes]:
    for name, inner in module.named_modules():
        yield name.encode()
        yield inner.extra_repr().encode()
        yield from _plain(inner)
    for name, tensor in tensors_of(module).items():
        yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
        yield _bytes(tensor)


def _plain(found: object) -> Iterator[bytes]:
    """An object's class, by its name or by its code, and those of its attributes that are plain."""
    import torch

    yield from _class(type(found))
    for key, value in sorted(getattr(found, "__dict__", {}).items()):
        if key == "training" or key.startswith(("_forward", "_backward", "_state_dict", "_load_state")):
            continue
        if isinstance(value, torch.Tensor):
            yield key.encode() + _bytes(value)
        elif (text := _text(value)) is not None:
            yield f"{key} {text}".encode()


def _text(value: object) -> str | None:
    """Plain data as text, functions by their code; None for what is neither."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, list | tuple):
        parts = [_text(each) for each in value]
        return None if None in parts else repr(parts)
    if isinstance(value, Mapping):
        return repr({str(key): _text(each) for key, each in value.items()})
    code = value if isinstance(value, CodeType) else getattr(value, "__code__", None)
    if code is None:
        return None
    return f"{code.co_code!r} {code.co_names} {code.co_varnames} {[_text(each) for each in code.co_consts]}"


def _class(kind: type) -> Iterator[bytes]:
    for each in kind.__mro__:
        yield f"{each.__module__}.{each.__name__}".encode()  # a copied class has forgotten where it stood
        if each.__module__.partition(".")[0] not in LIBRARIES:
            yield from (f"{name} {text}".encode() for name, text in sorted(_members(each)))


def _members(kind: type) -> Iterator[tuple[str, str]]:
    """A class's methods, by their code, and its plain attributes."""
    for name, value in vars(kind).items():
        inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        inner = inner.fget if isinstance(inner, property) else inner
        text = None if name.startswith("__") and not hasattr(inner, "__code__") else _text(inner)
        if text is not None:
            yield name, text


def _bytes(tensor: Any) -> bytes:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
