"""A network of half precision inside a program of full precision: nothing but the network itself is narrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench import UsageError

Network = Callable[[Tensor], Tensor]

BACKOFFS = (0, 6, 12, 18)
"""By how many powers of two a gradient that overflowed is made smaller, one after the other."""
LARGEST = 126
"""The largest power of two that float32 holds with its inverse."""


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which everything around a network of this type is computed: its own, but at least float32."""
    return torch.promote_types(dtype, torch.float32)


def type_of(network: nn.Module) -> torch.dtype:
    """The type of a network's parameters."""
    return next(network.parameters()).dtype


def narrowly(network: Network, values: Tensor, dtype: torch.dtype) -> Tensor:
    """What a network of type `dtype` makes of values (R, ...), in the values' own type; rows must not mix in it.

    In half precision the gradient of each row goes through the network scaled by a power of two of its own, which is
    undone in the values' type: it neither vanishes, however small it is, nor hangs on other rows. A row that overflows
    goes again at a smaller scale. Raises `UsageError` where that does not help, or the answer itself overflows.
    """
    if dtype.itemsize > 2:
        return network(values.to(dtype)).to(values.dtype)
    if values.requires_grad and torch.is_grad_enabled():
        apply: Callable[..., Tensor] = _Narrow.apply
        return apply(values, network, dtype)
    return _finite(network(values.to(dtype)), dtype, "numbers").to(values.dtype)


class _Narrow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, network: Network, dtype: torch.dtype) -> Tensor:
        with torch.enable_grad():
            ctx.leaf = values.detach().to(dtype).requires_grad_(True)
            ctx.answer = network(ctx.leaf)
        return _finite(ctx.answer.detach(), dtype, "numbers").to(values.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        exponents = _exponents(cotangent)
        scaled = torch.ldexp(cotangent, _beside(-exponents, cotangent))
        gradient = torch.full_like(ctx.leaf, torch.nan, dtype=cotangent.dtype)
        for backoff in BACKOFFS:
            found = _slope(ctx, scaled * 2.0**-backoff) * 2.0**backoff
            wanting = ~gradient.isfinite().flatten(1).all(1)
            gradient = torch.where(_beside(wanting, gradient), found, gradient)
            if bool(gradient.isfinite().all()):
                return torch.ldexp(gradient, _beside(exponents, gradient)), None, None
        raise _overflow(ctx.leaf.dtype, "gradients")


def _slope(ctx: Any, cotangent: Tensor) -> Tensor:
    """The gradient through the network, in the cotangent's type."""
    found: Tensor = torch.autograd.grad(ctx.answer, ctx.leaf, cotangent.to(ctx.answer.dtype), retain_graph=True)[0]
    return found.to(cotangent.dtype)


def _exponents(cotangent: Tensor) -> Tensor:
    """For each row (R,) the power of two that its largest value is just below; 0 where all are zero."""
    largest = cotangent.flatten(1).abs().amax(1)
    return torch.frexp(largest).exponent.clamp(-LARGEST, LARGEST)


def _beside(rows: Tensor, values: Tensor) -> Tensor:
    """One value a row (R,) in the shape in which it meets values (R, ...)."""
    return rows.view(-1, *[1] * (values.ndim - 1))


def _finite(answer: Tensor, dtype: torch.dtype, what: str) -> Tensor:
    if not bool(answer.isfinite().all()):
        raise _overflow(dtype, what)
    return answer


def _overflow(dtype: torch.dtype, what: str) -> UsageError:
    name = str(dtype).removeprefix("torch.")
    better = "bfloat16 or float32" if dtype == torch.float16 else "float32"
    return UsageError(f"The network's {what} overflow in {name}; choose precision={better}.")
