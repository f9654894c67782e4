"""Judging: a classifier answers questions about images, and sees nothing else."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.domain.blame import blame
from bench.domain.defense import Smoothed
from bench.domain.errors import PluginError, UsageError
from bench.domain.queries.asking import WROTE, ask, check_logits, without_refusals
from bench.domain.queries.smoothing import count_votes
from bench.domain.queries.watching import watched
from bench.evaluation.shard.hearing import Answer, Hearing, Question, Testimony
from bench.loading.classifiers import Shelf
from bench.loading.door import Introduction, introduce
from bench.loading.environment import environment, peak_memory, reset_peak_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from bench.domain.defense import Classifier, Watch

_Known = dict[tuple[tuple[int, ...], bytes], "NDArray[np.float32]"]
"""The logits (draws, columns) of an image, by the seeds under which it was asked about and the hash of its bytes."""
_Heard = tuple[list[Answer], bool, bool, Introduction | None, float | None, tuple[int, int]]

AUDITED = 32
"""One image in so many is asked about without shortcuts too, where a classifier takes any; `FEWEST` at least."""
FEWEST = 2


def hear(hearing: Hearing, shelf: Shelf, watch: Watch) -> Testimony:
    """The classifier's answers. Raises `PluginError` where it fails, answers with no logits or writes into an image."""
    reset_peak_memory(shelf.device)
    started = time.perf_counter()

    def run(classifier: Classifier) -> _Heard:
        found, answers, known = None, [], _Known()
        with blame(hearing.defense.name), watched(watch) as told:
            if hearing.introduced:
                shown = _tensor(hearing.questions[0].images, shelf.device)
                found = introduce(classifier, shown, shelf.device)
            for number, question in enumerate(hearing.questions):
                told(number, len(hearing.questions), "asked")
                answers.append(_answer(classifier, question, hearing, shelf.device, known))
            alike = _alike(classifier, hearing, shelf.device)
        asked_votes = any(question.votes for question in hearing.questions)
        sigma = float(classifier.sigma) if asked_votes and isinstance(classifier, Smoothed) else None
        return answers, bool(classifier.deterministic), bool(classifier.abstains), found, sigma, alike

    (answers, deterministic, abstains, introduction, sigma, alike), remarks = shelf.fitted(
        hearing.defense, hearing.task, run
    )
    return Testimony(
        answers=tuple(answers),
        deterministic=deterministic,
        abstains=abstains,
        introduction=introduction,
        sigma=sigma,
        remarks=remarks,
        seconds=time.perf_counter() - started,
        peak_memory=peak_memory(shelf.device),
        environment=environment(shelf.device),
        alike=alike,
    )


def _alike(classifier: Classifier, hearing: Hearing, device: str) -> tuple[int, int]:
    """Of some images of the last plain question, how many get the same verdict without the classifier's shortcuts.

    Nobody knows which these are, for the questions mix clean images with perturbed ones.
    """
    plain = [each for each in hearing.questions if each.votes is None and each.cotangent is None]
    whole = classifier.exhaustive() if plain else None
    if whole is None:
        return 0, 0
    question = plain[-1]
    total = sum(len(each.images) for each in hearing.questions)
    images = question.images[: max(FEWEST, total // AUDITED)]
    columns = len(hearing.task.classes) + classifier.abstains
    verdicts = [
        check_logits(ask(each, _tensor(images, device), _generator(question.seeds[0], device)), len(images), columns)
        .detach()
        .argmax(1)
        for each in (classifier, whole)
    ]
    return int((verdicts[0] == verdicts[1]).sum()), len(images)


def _answer(classifier: Classifier, question: Question, hearing: Hearing, device: str, known: _Known) -> Answer:
    if question.votes is not None:
        return Answer(np.stack(_votes(classifier, _tensor(question.images, device), question, hearing, device)))
    if question.cotangent is not None:
        return _with_gradient(classifier, _tensor(question.images, device), question, device)
    if classifier.deterministic or not classifier.common_noise:
        return Answer(_logits(classifier, question.images, question.seeds, hearing, device))
    keys = [(question.seeds, hashlib.sha256(image.tobytes()).digest()) for image in question.images]
    unknown = {key: place for place, key in reversed(list(enumerate(keys))) if key not in known}
    asked = np.array(sorted(unknown.values()), dtype=np.int64)
    if len(asked):
        logits = _logits(classifier, question.images[asked], question.seeds, hearing, device)
        known.update({keys[place]: logits[:, row] for row, place in enumerate(asked)})
    return Answer(np.stack([known[key] for key in keys], 1), asked=asked)


def _logits(
    classifier: Classifier, images: NDArray[np.float32], seeds: tuple[int, ...], hearing: Hearing, device: str
) -> NDArray[np.float32]:
    """Logits (draws, N, columns) of images (N, C, H, W)."""
    import torch

    given = _tensor(images, device)
    columns = len(hearing.task.classes) + classifier.abstains
    found = []
    for seed in seeds[:1] if classifier.deterministic else seeds:
        logits = check_logits(ask(classifier, given, _generator(seed, device)), len(given), columns)
        found.append(logits.detach().float().cpu().numpy().copy())  # which a plugin cannot reach any more
    if not torch.equal(given, _tensor(images, device)):
        raise PluginError(WROTE)
    return np.stack(found)


def _with_gradient(classifier: Classifier, images: Tensor, question: Question, device: str) -> Answer:
    """The logits of the classes alone, without a gradient and with one, and the gradient."""
    import torch

    assert question.cotangent is not None

    def logits_of(asked: Tensor) -> Tensor:
        return without_refusals(ask(classifier, asked, _generator(question.seeds[0], device)), classifier)

    plain = logits_of(images).detach()
    images.requires_grad_()
    with torch.enable_grad():
        logits = logits_of(images.view_as(images))
    weights = _tensor(question.cotangent, device).to(logits)
    gradient = torch.zeros_like(images)
    if logits.requires_grad:
        # of a sum, for with weights of its own `grad` imports sympy, a second in every process
        (found,) = torch.autograd.grad((logits * weights).sum(), images, allow_unused=True)
        gradient = gradient if found is None else found
    return Answer(*(found.detach().float().cpu().numpy() for found in (plain[None], gradient, logits[None])))


def _votes(
    classifier: Classifier, images: Tensor, question: Question, hearing: Hearing, device: str
) -> list[NDArray[np.int64]]:
    """Votes under noise that is drawn here, of the base of a smoothed classifier; any other cannot be certified."""
    smoothed = smoothed_of(classifier, hearing.defense.name)
    sigma = float(smoothed.sigma)
    if not 0 < sigma < float("inf"):
        raise PluginError(f"its noise is {sigma}; sigma must be a number above 0.")
    assert question.votes is not None
    return [
        count_votes(
            *(smoothed.base, images, sigma, draws, _generator(seed, device)),
            classes=len(hearing.task.classes),
            rows=smoothed.rows,
        )
        .cpu()
        .numpy()
        for draws, seed in zip(question.votes, question.seeds, strict=True)
    ]


def smoothed_of(classifier: Classifier, name: str) -> Smoothed:
    """The same classifier; `UsageError` where it is not a smoothed one, which alone a proof can be about."""
    if not isinstance(classifier, Smoothed):
        raise UsageError(
            f"Only smoothed classifiers can be certified; {name} is none. Take a defense such as smoothing."
        )
    return classifier


def _tensor(array: NDArray[Any], device: str) -> Tensor:
    import torch

    return torch.tensor(array, device=device)


def _generator(seed: int, device: str) -> Generator:
    import torch

    return torch.Generator(device).manual_seed(seed)
