"""Many moves in a row whose exact gradient needs the graph of one, and is cheaper where more of them fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import tick

Move = Callable[[Tensor], Tensor]


def chain(state: Tensor, moves: Sequence[Move], kept: int = 0) -> Tensor:
    """The state after all moves, differentiable once, exactly.

    Moves must be functions of the state alone: their noise is drawn before. Forward, states are kept, and the graphs of
    the last `kept` moves; backward, every other move is made again from its state, one graph at a time. torch's own
    `checkpoint` tells nobody how far the way back is, and a move that differentiates within itself is not for it.
    """
    if torch.is_grad_enabled() and state.requires_grad:
        apply: Callable[..., Tensor] = _Chain.apply
        return apply(state, moves, kept)
    for number, move in enumerate(moves):
        tick(number, len(moves), "steps")
        state = move(state)
    return state


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, moves: Sequence[Move], kept: int) -> Tensor:
        ctx.moves, ctx.states, ctx.ends = moves, [], {}
        for number, move in enumerate(moves):
            tick(number, len(moves), "steps")
            if number < len(moves) - kept:
                ctx.states.append(state)
                state = move(state)
                continue
            with torch.enable_grad():
                leaf = state.detach().requires_grad_(True)
                ctx.states.append(leaf)
                ctx.ends[number] = move(leaf)
            state = ctx.ends[number].detach()
        return state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        for number in reversed(range(len(ctx.moves))):
            tick(len(ctx.moves) - 1 - number, len(ctx.moves), "steps back")
            leaf, end = ctx.states[number], ctx.ends.pop(number, None)
            if end is None:  # not kept, or another backward pass has used its graph up
                with torch.enable_grad():
                    leaf = leaf.detach().requires_grad_(True)
                    end = ctx.moves[number](leaf)
            (gradient,) = torch.autograd.grad(end, leaf, gradient)
        return gradient, None, None
