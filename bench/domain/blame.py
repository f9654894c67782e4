"""Whose fault it is: what a plugin raises becomes one sentence that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.domain.errors import PASSING, BenchError, PluginError


@contextmanager
def blame(name: str) -> Iterator[None]:
    """Turn whatever a plugin raises into a `PluginError` that names it; deliberate errors and lack of memory pass.

    The innermost blame holds: a defense that fails under an attack is named, not the attack.
    """
    try:
        yield
    except PluginError as error:
        if error.culprit is not None:
            raise
        named = PluginError(f"{name}: {error}", culprit=name)
        named.local = error.local
        raise named from error
    except BenchError:
        raise
    except PASSING:
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise
        raise PluginError(f"{name} failed with {type(error).__name__}: {error}", culprit=name) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
