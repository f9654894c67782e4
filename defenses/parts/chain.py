"""Many moves in a row whose exact gradient needs the graph of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import tick

Move = Callable[[Tensor], Tensor]


def chain(state: Tensor, moves: Sequence[Move]) -> Tensor:
    """The state after all moves, differentiable once, exactly.

    Moves must be functions of the state alone: their noise is drawn before. Forward, states are kept and graphs are
    not; backward, every move is made again from its state, one graph at a time.
    """
    if torch.is_grad_enabled() and state.requires_grad:
        apply: Callable[..., Tensor] = _Chain.apply
        return apply(state, moves)
    for number, move in enumerate(moves):
        tick(number, len(moves), "steps")
        state = move(state)
    return state


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, moves: Sequence[Move]) -> Tensor:
        ctx.moves, ctx.states = moves, []
        for number, move in enumerate(moves):
            tick(number, len(moves), "steps")
            ctx.states.append(state)
            state = move(state)
        return state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        for number, (move, state) in enumerate(zip(reversed(ctx.moves), reversed(ctx.states), strict=True)):
            tick(number, len(ctx.moves), "steps back")
            with torch.enable_grad():
                leaf = state.detach().requires_grad_(True)
                (gradient,) = torch.autograd.grad(move(leaf), leaf, gradient)
        return gradient, None
