"""How much goes through networks: calls and rows, those with a graph apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass
class Work:
    """Calls of networks, the rows in them, and those rows whose gradient was asked for."""

    calls: int = 0
    rows: int = 0
    graph_rows: int = 0


@contextmanager
def counted(networks: Sequence[nn.Module]) -> Iterator[Work]:
    """The work of these networks within the scope, added up as it is done."""
    work = Work()

    def note(network: nn.Module, arguments: tuple[Any, ...]) -> None:
        rows = len(arguments[0])
        work.calls += 1
        work.rows += rows
        work.graph_rows += rows * (torch.is_grad_enabled() and arguments[0].requires_grad)

    with ExitStack() as hooks:
        for network in networks:
            hooks.callback(network.register_forward_pre_hook(note).remove)
        yield work
