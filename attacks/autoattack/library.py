"""pyautoattack's side effects, contained: its seeds, trace function, counters and log end with a run."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench import Batch, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass
class Progress:
    """Turns the passes that go through the victim and the library's log into the victim's `watch`.

    The total is what samples that are never broken need, so `done` runs ahead of the passes as samples break.
    """

    victim: Victim
    samples: int
    passes: dict[str, int] = field(default_factory=dict)
    attack: str = "clean"
    robust: float = 1.0
    before: float = 0.0
    here: int = 0
    told: float = 0.0

    def passed(self, count: int) -> None:
        """Count passes in samples, and tell the watch about every tenth of a percent."""
        self.here += count
        total = self.samples * sum(self.passes.values())
        if self.attack in self.passes and self.robust > 0:
            share = min(1.0, self.here / (self.passes[self.attack] * self.robust * self.samples))
            done = self.before + share * self.passes[self.attack] * self.samples
            if done - self.told >= total / 1000:
                self.told = done
                self.victim.watch(done, total, f"{self.attack}, {self.robust:.0%} still robust".replace("%", " %"))

    def read(self, line: str) -> None:
        """Follow the library from one attack to the next."""
        if found := re.match(r"(?:initial accuracy|robust accuracy after \S+): ([\d.]+)%", line):
            self.robust = float(found[1]) / 100
        elif found := re.match(r"running (\S+)$", line):
            self.before += self.samples * self.passes.get(self.attack, 0)
            self.attack, self.here = found[1], 0


class Falls:
    """Which part of AutoAttack misled each sample first, as the library itself checks what a part found."""

    def __init__(self, labels: Tensor) -> None:
        self._labels = labels
        self._open = list(range(len(labels)))
        self._names = [""] * len(labels)

    @property
    def names(self) -> tuple[str, ...]:
        """A name a sample: "clean" where the clean image did, "" where none did."""
        return tuple(self._names)

    def checked(self, part: str, logits: Tensor) -> None:
        """Logits of the samples that were robust before `part` ran, or of all where it is "clean".

        Clean images are looked at several times; the last look is the one that counts.
        """
        rows = self._open if part != "clean" else list(range(len(self._labels)))
        right = (logits.detach().argmax(1) == self._labels[rows]).tolist()
        for row, is_right in zip(rows, right, strict=True):
            self._names[row] = "" if is_right else part
        self._open = [row for row, is_right in zip(rows, right, strict=True) if is_right]


def passes(adversary: Any, name: str) -> int:
    """Model passes of a sample that one attack never breaks, with the library's check of the result."""
    apgd, targeted, fab = adversary.apgd, adversary.apgd_targeted, adversary.fab
    if name == "square":
        return int(adversary.square.n_queries) + 4
    if name == "fab":
        return 2 + int(fab.n_restarts) * (2 * int(fab.n_iter) + 2)
    if name == "fab-t":
        return 2 + int(fab.n_target_classes) * (2 * int(fab.n_iter) + 3)
    if name == "apgd-t":
        return 2 + int(targeted.n_target_classes) * (points(targeted) * int(targeted.eot_iter) + 1)
    return 2 + int(apgd.n_restarts) * points(apgd) * int(apgd.eot_iter)


def points(part: Any) -> int:
    """Points that one run of APGD visits: its steps' and its start's, or its three stages' in l1."""
    return int(part.n_iter) + (3 if part.use_largereps else 1)


def set_steps(part: Any, steps: int) -> None:
    """Give a part of APGD another number of steps, and the checkpoints that follow from it when it is built."""
    part.n_iter = part.n_iter_orig = steps
    part.n_iter_2, part.n_iter_min, part.size_decr = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))


def classes_of(victim: Victim, batch: Batch) -> int:
    """How many classes the victim knows, from one query."""
    import torch

    with torch.no_grad():
        return victim(batch.images[:1]).shape[1]


def seed_from(rng: Generator) -> int:
    """The library's seed, drawn from the passed generator."""
    import torch

    return int(torch.randint(2**31, (), generator=rng, device=rng.device))


@contextmanager
def isolated(read: Callable[[str], object] = str) -> Iterator[list[str]]:
    """A scope in which the library's side effects end; yields the warnings that it and Python gave
    within, each once and shortened.

    The library seeds torch's global generators, clears the trace function, counts calls for ever and logs.
    """
    import torch
    from pyautoattack import checks

    warned: list[str] = []
    trace, logger, handler = sys.gettrace(), logging.getLogger("auto-attack"), Handler(read, warned)
    logging_was = (logger.handlers, logger.level, logger.propagate, logger.disabled)
    checks.funcs.update(dict.fromkeys(checks.funcs, 0))
    started = torch.cuda.is_initialized()  # torch gives it no types
    devices = [torch.cuda.current_device()] if started else []
    try:
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            logger.handlers, logger.propagate, logger.disabled = [handler], False, False
            logger.setLevel(logging.DEBUG)
            yield warned
            told = (*warned, *(str(warning.message) for warning in caught))
            warned[:] = dict.fromkeys(map(_short, told))
    finally:
        sys.settrace(trace)
        logger.handlers, logger.propagate, logger.disabled = logging_was[0], logging_was[2], logging_was[3]
        logger.setLevel(logging_was[1])


class Handler(logging.Handler):
    """Keeps warnings and hands every other line on."""

    def __init__(self, read: Callable[[str], object], warned: list[str]) -> None:
        super().__init__()
        self._read, self._warned = read, warned

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._warned.append(record.getMessage())
        else:
            self._read(record.getMessage())


def _short(warning: str) -> str:
    """A warning without its pointer to the manual, and without the count that would make every shard's different."""
    return re.sub(r"there are \d+ points", "there are points", warning.partition(" See flags_doc")[0])
