"""One seeded, resumable training loop for every network: averaged weights, progress, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench import EndTraining, Training, UsageError, WeightsError
from defenses.parts.randomness import ambient, stream
from defenses.parts.training.recipes import ClassifierRecipe, RobustRecipe

CHECKPOINTS_A_RUN = 20
SECONDS_BETWEEN = 60.0
REPORTS_A_RUN = 200
SECONDS_BETWEEN_REPORTS = 0.5
Part = nn.Module | torch.optim.Optimizer
"""What a checkpoint holds the state of."""


@dataclass(frozen=True)
class Course:
    """How long and how fast a network learns: settings of the loop that every recipe has in some form.

    `warmup` steps rise linearly, then the rate is constant or falls as a cosine; `averaging` is the decay of the
    weights' exponential average (0 keeps the last weights); `clip` bounds the gradient's norm (0: no bound).
    By hand, since torch's and transformers' schedules begin at a rate of 0, and keep a state that checkpoints lack.
    """

    steps: int
    warmup: int
    decay: str = "cosine"
    averaging: float = 0.0
    clip: float = 0.0
    precision: str = "float32"

    def rate(self, step: int) -> float:
        """The learning rate of a step (from 0) as a share of the largest one."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.decay == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / max(1, self.steps - self.warmup)))


def sgd(module: nn.Module, recipe: ClassifierRecipe | RobustRecipe) -> torch.optim.SGD:
    """SGD with Nesterov's momentum 0.9, as residual networks are trained."""
    return torch.optim.SGD(
        module.parameters(), recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )


@dataclass(frozen=True)
class Learned:
    """What a loop gives: the averaged network, its last losses' mean, and how long this call took."""

    module: nn.Module
    loss: float
    seconds: float


def shuffled(size: int, batch: int, seed: int, step: int) -> Tensor:
    """The indices of a step's batch: every sample once an epoch in fresh order, remainder left out."""
    batch = min(batch, size)
    epoch, place = divmod(step, size // batch)
    order = torch.randperm(size, generator=stream(seed, "order", epoch))
    return order[place * batch : (place + 1) * batch]


def fit(
    run: Training,
    name: str,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    course: Course,
    loss: Callable[[int, Generator], Tensor],
    identity: object,
    keep: Callable[[int], None] | None = None,
    settled: Callable[[int, nn.Module], bool] | None = None,
) -> Learned:
    """Train `module` by `loss(step, rng)` for `course.steps` steps, from the last checkpoint in `run.folder` if any.

    `keep(step)` is called after every step (counted from 1); so is `settled(step, average)`, whose True ends the
    training, as `EndTraining` from the run's watch does. `identity` is what the run is: a checkpoint of another one is
    refused with `UsageError`. Every step's randomness derives from (seed, step), the global generator's too.
    """
    started = time.monotonic()
    average = copy.deepcopy(module).requires_grad_(False) if course.averaging else module
    path = run.folder / f"{name}.checkpoint.pt"
    label = f"{name} seed {run.seed} {identity!r} {run.origin}".rstrip()
    parts: dict[str, Part] = {"module": module, "average": average, "optimizer": optimizer}
    first, recent = _resume(path, label, parts)
    rates = [group["lr"] for group in optimizer.param_groups]
    module.train()
    every, report = (max(1, course.steps // times) for times in (CHECKPOINTS_A_RUN, REPORTS_A_RUN))
    told = 0.0
    written = started
    for step in range(first, course.steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * course.rate(step)
        value = _step(run, module, optimizer, course, loss, step)
        recent = value if step == 0 else 0.98 * recent + 0.02 * value
        if course.averaging:
            _follow(average, module, min(course.averaging, (step + 1) / (step + 10)))
        if keep is not None:
            keep(step + 1)
        if settled is not None and settled(step + 1, average):
            break
        late = time.monotonic() - written > SECONDS_BETWEEN
        if ((step + 1) % every == 0 or late) and step + 1 < course.steps:
            written = time.monotonic()
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            _checkpoint(path, label, step + 1, float(recent), parts)
        due = (step + 1) % report == 0 or time.monotonic() - told > SECONDS_BETWEEN_REPORTS
        if due and step + 1 < course.steps:
            told = time.monotonic()
            try:
                run.watch(step + 1, course.steps, f"loss {float(recent):.4f}")
            except EndTraining:
                break
    run.watch(course.steps, course.steps, f"loss {float(recent):.4f}")
    return Learned(average.eval(), float(recent), time.monotonic() - started)


def finish(run: Training, name: str) -> None:
    """Drop the checkpoint of a run whose weights have been written."""
    (run.folder / f"{name}.checkpoint.pt").unlink(missing_ok=True)


def _step(
    run: Training,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    course: Course,
    loss: Callable[[int, Generator], Tensor],
    step: int,
) -> Tensor:
    rng = stream(run.seed, "step", step)
    kind = torch.device(run.device).type
    with ambient(rng.initial_seed(), run.device):
        with torch.autocast(kind, torch.bfloat16, enabled=course.precision == "bfloat16"):
            value = loss(step, rng)
        optimizer.zero_grad()
        value.backward()
        if course.clip:
            trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
            nn.utils.clip_grad_norm_(trainable, course.clip)
        optimizer.step()
    return value.detach()


@torch.no_grad()
def _follow(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the average towards the module; integer buffers (batch counters) are copied.

    By hand, since torch's `AveragedModel` copies the first weights and names them otherwise in checkpoints.
    """
    kept, current = list(average.state_dict().values()), list(module.state_dict().values())
    floats = [(a, b) for a, b in zip(kept, current, strict=True) if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)
    for a, b in zip(kept, current, strict=True):
        if not a.is_floating_point():
            a.copy_(b)


def _checkpoint(path: Path, label: str, step: int, recent: float, parts: Mapping[str, Part]) -> None:
    state = {"label": label, "step": step, "loss": recent} | {name: part.state_dict() for name, part in parts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    part.replace(path)


def _resume(path: Path, label: str, parts: Mapping[str, Part]) -> tuple[int, Tensor | float]:
    if not path.exists():
        return 0, 0.0
    try:
        state: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found, step, recent = state["label"], state["step"], state["loss"]
    except Exception as error:  # a damaged archive raises whatever the unpickler stumbles over
        raise WeightsError(f"The training checkpoint {path} cannot be read; delete it to start afresh.") from error
    if found != label:
        raise UsageError(
            f"The folder holds a checkpoint of another run ({found}); this one is {label}. "
            f"Choose another --output or delete {path}."
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return step, recent
