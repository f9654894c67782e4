"""How fast a classifier is: timed passes on a few images and on a shard's whole batch; runs where crafting does."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median_high
from typing import TYPE_CHECKING

from bench.domain.blame import blame
from bench.domain.queries.victim import Victim
from bench.domain.queries.watching import watched
from bench.evaluation.estimates.trial import Pace, Pacing
from bench.loading.classifiers import Shelf
from bench.loading.environment import environment, peak_memory, reset_peak_memory

if TYPE_CHECKING:
    from torch import Tensor

    from bench.domain.defense import Classifier, Watch

FEW = 2
"""Images of the smaller batch."""
TIMES, LONG = 3, 0.5
"""A batch is timed so often, and for so many seconds, where there is time for it; the median counts."""


def pace(job: Pacing, shelf: Shelf, watch: Watch) -> Pace:
    """How fast the classifier of a job is.

    Every batch goes through a victim, as an attack's would. Raises `PluginError` where the defense fails.
    """
    import bench.loading.counting  # noqa: F401  # whose own size is nothing that a shard will need

    reset_peak_memory(shelf.device)

    def run(classifier: Classifier) -> Pace:
        with watched(watch):
            return _pace(job, classifier, shelf.device)

    with blame(job.defense.name):
        found, _ = shelf.fitted(job.defense, job.task, run)
    return found


def _pace(job: Pacing, classifier: Classifier, device: str) -> Pace:
    import torch

    from bench.loading.counting import counted

    started = time.perf_counter()
    images = torch.tensor(job.images, device=device)
    victim = Victim(classifier, torch.Generator(device).manual_seed(0), name=job.defense.name)
    few = images[:FEW]
    # The first call of a process is slow besides, so it is the one that is counted and not timed.
    flop, slopes = counted(lambda: _asked(victim, few)) / len(few), bool(victim.routes)
    both = counted(lambda: _differentiated(victim, few)) / len(few) if slopes else flop

    def timed(size: int, until: float) -> tuple[float, float | None]:
        batch = images[:size]
        plain = _median(lambda: _asked(victim, batch), until)
        return plain, _median(lambda: _differentiated(victim, batch), until) if slopes else None

    forward, backward, sizes = [], [], [len(few)]
    until = time.perf_counter() + job.seconds
    for size in sizes:
        plain, whole = timed(size, until)
        forward.append((size, plain))
        if whole is not None:
            backward.append((size, max(0.0, whole - plain)))
        if len(sizes) == 1:
            rows = size * max(LONG, until - time.perf_counter()) / (plain + (whole or 0.0))
            larger = min(len(images), int(rows))
            sizes += [larger] if larger > size else []
    return Pace(
        deterministic=bool(classifier.deterministic),
        forward=tuple(forward),
        backward=tuple(backward),
        flop=flop,
        flop_backward=both - flop,
        peak_memory=peak_memory(device),
        seconds=time.perf_counter() - started,
        device=environment(device)["device"],
    )


def _median(work: Callable[[], object], until: float) -> float:
    """Seconds of a piece of work, done once at least and not again where that would take too long."""
    found: list[float] = []
    while not found or ((len(found) < TIMES or sum(found) < LONG) and time.perf_counter() + max(found) < until):
        before = time.perf_counter()
        work()
        found.append(time.perf_counter() - before)
    return median_high(found[1:] or found)  # the first of a size asks for its memory


def _asked(victim: Victim, images: Tensor) -> Tensor:
    """Logits off the device, so that they are finished."""
    return victim(images).cpu()


def _differentiated(victim: Victim, images: Tensor) -> Tensor:
    """The gradient of a sum of logits, off the device."""
    import torch

    asked = images.clone().requires_grad_()
    with torch.enable_grad():
        logits = victim(asked)
    (gradient,) = torch.autograd.grad(logits.square().sum(), asked, allow_unused=True)
    return asked if gradient is None else gradient.cpu()
