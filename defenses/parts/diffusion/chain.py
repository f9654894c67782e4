"""Many moves in a row whose exact gradient needs the graph of one, and is cheaper where more of them fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import tick

Move = Callable[[Tensor], Tensor]
Each = Callable[[Callable[[Any], Tensor], Iterable[Any], torch.device], Iterable[Tensor]]
"""How parts are computed, on a device: what a function makes of each, in their order."""


def one_by_one(compute: Callable[[Any], Tensor], parts: Iterable[Any], device: torch.device) -> Iterable[Tensor]:
    """One part after the other."""
    return map(compute, parts)


def chain(state: Tensor, moves: Sequence[Move], kept: int = 0) -> Tensor:
    """The state after all moves, differentiable once, exactly.

    Moves must be functions of the state alone: their noise is drawn before. Forward, states are kept, and the graphs of
    the last `kept` moves; backward, every other move is made again from its state, one graph at a time. torch's own
    `checkpoint` tells nobody how far the way back is, and a move that differentiates within itself is not for it.
    """
    return chains([state], [moves], kept)[0]


def chains(
    states: Sequence[Tensor], moves: Sequence[Sequence[Move]], kept: int = 0, each: Each = one_by_one
) -> Sequence[Tensor]:
    """The same of several states, each with moves of its own, there and back in the way that `each` says."""
    walks = [_Walk(way, kept) for way in moves]
    if torch.is_grad_enabled() and states[0].requires_grad:
        apply: Callable[..., tuple[Tensor, ...]] = _Chains.apply
        return apply(walks, each, *states)
    return _all(_Walk.through, walks, states, each)


@dataclass
class _Walk:
    """Moves, the states before each, and the graphs that are kept of the last ones."""

    moves: Sequence[Move]
    kept: int
    states: list[Tensor] = field(default_factory=list)
    ends: dict[int, Tensor] = field(default_factory=dict)

    def through(self, state: Tensor) -> Tensor:
        """The state after all moves."""
        for number, move in enumerate(self.moves):
            tick(number, len(self.moves), "steps")
            state = move(state)
        return state

    def there(self, state: Tensor) -> Tensor:
        """The same, with what the way back needs."""
        for number, move in enumerate(self.moves):
            tick(number, len(self.moves), "steps")
            if number < len(self.moves) - self.kept:
                self.states.append(state)
                state = move(state)
                continue
            with torch.enable_grad():
                leaf = state.detach().requires_grad_(True)
                self.states.append(leaf)
                self.ends[number] = move(leaf)
            state = self.ends[number].detach()
        return state

    def back(self, gradient: Tensor) -> Tensor:
        """The gradient before all moves of one after them."""
        for number in reversed(range(len(self.moves))):
            tick(len(self.moves) - 1 - number, len(self.moves), "steps back")
            leaf, end = self.states[number], self.ends.pop(number, None)
            if end is None:  # not kept, or another backward pass has used its graph up
                with torch.enable_grad():
                    leaf = leaf.detach().requires_grad_(True)
                    end = self.moves[number](leaf)
            (gradient,) = torch.autograd.grad(end, leaf, gradient)
        return gradient


class _Chains(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, walks: list[_Walk], each: Each, *states: Tensor) -> tuple[Tensor, ...]:
        ctx.walks, ctx.each = walks, each
        return _all(_Walk.there, walks, states, each)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_all(_Walk.back, ctx.walks, gradients, ctx.each)


def _all(
    go: Callable[[_Walk, Tensor], Tensor], walks: Sequence[_Walk], states: Sequence[Tensor], each: Each
) -> tuple[Tensor, ...]:
    return tuple(each(lambda pair: go(*pair), zip(walks, states, strict=True), states[0].device))
