"""What a study's trainings would take: each is tried for some seconds, and so is the crafting of its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.domain.errors import BenchError
from bench.domain.plan import Plan
from bench.evaluation.estimates.estimate import Certainty, Estimate
from bench.evaluation.estimates.forecast import forecast
from bench.evaluation.requests.clerk import plans_of
from bench.evaluation.requests.request import Request
from bench.executors.contract import Executor
from bench.loading.environment import resolve_device
from bench.protocols.reader import WHITE_BOX
from bench.protocols.studies import Study, StudyTraining
from bench.store.store import Store
from bench.studies.trainings import given, request_of
from bench.training.apart import attempt_apart
from bench.training.training import TrainingRequest
from bench.training.trial import TriedTraining


@dataclass(frozen=True)
class TrainingForecast:
    """What a training that is still to be made would take, in one process: its steps as they were `tried`, and before
    them the `crafting` of its adversarial images as that of so many test images (None: it wants none); or the `problem`
    why that cannot be said."""

    name: str
    defense: str
    tried: TriedTraining | None = None
    crafting: Estimate | None = None
    problem: str | None = None

    @property
    def images(self) -> int:
        """The training images that it wants perturbed."""
        return 0 if self.tried is None else self.tried.images

    @property
    def crafting_seconds(self) -> float:
        """Seconds of the crafting."""
        found = self.crafting
        return 0.0 if found is None else found.loading + sum(found.seconds) * self.images / found.samples

    @property
    def seconds(self) -> float:
        """Seconds of all of it."""
        return self.crafting_seconds + (0.0 if self.tried is None else self.tried.seconds)

    @property
    def flop(self) -> float:
        """A lower bound of the floating-point operations."""
        crafted = 0.0 if self.crafting is None else self.crafting.flop * self.images / self.crafting.samples
        return crafted + (0.0 if self.tried is None else self.tried.flop)

    @property
    def peak_memory(self) -> int:
        """In bytes, of what was tried."""
        tried = 0 if self.tried is None else self.tried.peak_memory
        return max(tried, 0 if self.crafting is None else self.crafting.peak_memory)

    @property
    def certainty(self) -> Certainty:
        """A training is never seen to its end."""
        return "at least" if self.crafting is not None and self.crafting.certainty == "at least" else "extrapolated"


def forecast_trainings(
    study: Study,
    trainings: Sequence[StudyTraining],
    store: Store,
    folder: Path,
    weights: Mapping[str, Path],
    tells: Callable[[str], None],
    device: str,
    data_dir: Path | None,
    executor: str | Executor,
) -> list[TrainingForecast]:
    """What some trainings of a study would take; each is begun in a folder of its own below this one, where weights lie
    then as its rows need them. `weights` are those of other trainings."""
    found, weights = [], dict(weights)
    for training in trainings:
        tells(f"beginning the training {training.name}")
        ask = partial(request_of, training, study, folder / training.name, weights, resolve_device(device), data_dir)
        found.append(_begun(training, study, weights, ask))
        tried = found[-1].tried
        if tried is not None and tried.weights is not None:
            weights[training.name] = tried.weights
    asked = {
        each.name: _crafted(training, study, each.images, weights, data_dir)
        for each, training in zip(found, trainings, strict=True)
        if each.images and training.adversarial is not None
    }
    plans = dict(zip(asked, plans_of(list(asked.values()), device) if asked else [], strict=True))
    known = {name: plan for name, plan in plans.items() if isinstance(plan, Plan)}
    rows = forecast(list(known.values()), store, tells, device, data_dir, 1, executor, 0).rows if known else ()
    problems = {name: str(error) for name, error in plans.items() if isinstance(error, BenchError)}
    crafting = {}
    for name, row in zip(known, rows, strict=True):
        if row.problem is not None:
            problems[name] = row.problem
        elif row.estimates:
            crafting[name] = row.estimates[-1][1]
    return [
        replace(each, crafting=crafting.get(each.name), problem=each.problem or problems.get(each.name))
        for each in found
    ]


def _begun(
    training: StudyTraining, study: Study, weights: Mapping[str, Path], ask: Callable[[], TrainingRequest]
) -> TrainingForecast:
    """The training that is asked for, tried; what it wrote stands for the weights of all its steps."""
    missing = [name for name in training.needs() if name not in weights]
    if missing:
        problem = f"It needs the weights of {', '.join(missing)}, which could not be tried."
        return TrainingForecast(training.name, training.defense, problem=problem)
    try:
        request = ask()
        tried = attempt_apart(request, request.folder)
    except BenchError as error:
        return TrainingForecast(training.name, training.defense, problem=str(error))
    for step in {row.step for row in study.rows if row.step is not None} if tried.weights is not None else ():
        path = request.folder / f"step-{step:06d}.safetensors"
        if tried.weights is not None and not path.exists():
            path.write_bytes(tried.weights.read_bytes())
    return TrainingForecast(training.name, training.defense, tried)


def _crafted(
    training: StudyTraining, study: Study, images: int, weights: Mapping[str, Path], data_dir: Path | None
) -> Request:
    """The crafting of a training's images as a plan, of as many test images where there are so many."""
    made = training.adversarial
    assert made is not None
    return Request(
        defense=made.source,
        attack=made.attack,
        protocol=study.protocol,
        defense_settings=given(made.source_params, weights),
        attack_settings=made.params,
        dataset=study.dataset,
        data_dir=data_dir,
        source=WHITE_BOX,
        epsilon=made.epsilon,
        samples=min(images, study.protocol.samples),
    )
