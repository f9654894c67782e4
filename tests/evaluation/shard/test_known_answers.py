"""A classifier whose images all meet one noise is asked once about what is the same image under the same noise."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.datasets.digits import TASK, Digits
from bench.domain.defense import Defense
from bench.domain.plan import Spec
from bench.domain.queries.watching import ignore
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.shard.hearing import Answer, Hearing, Question
from bench.evaluation.shard.judging import hear
from bench.evaluation.shard.replay import again
from bench.loading.classifiers import Shelf
from bench.loading.door import COMPANY
from bench.plugins.registry import defenses
from bench.protocols import find_protocol
from tests.broken_plugins import Faulty
from tests.evaluation.runs import outcomes, run

DENOISER = defenses.make("diffusion-classifier", {"timesteps": 6})
ONE_NOISE, NOISE_A_PLACE = Faulty("one-noise"), Faulty("noise-a-place")


def clean() -> NDArray[np.float32]:
    found: NDArray[np.float32] = Digits().load("test", None).read(range(6)).images.numpy()
    return found


def perturbed() -> NDArray[np.float32]:
    """The second and the fifth image are others."""
    images = clean()
    images[[1, 4]] = 1 - images[[1, 4]]
    return images


def spec(defense: Defense) -> Spec:
    name = "diffusion-classifier" if defense is DENOISER else "tests.broken_plugins:Faulty"
    return defenses.spec(name, defense, TASK)


def answers(defense: Defense, *questions: Question) -> tuple[Answer, ...]:
    return hear(Hearing(spec(defense), TASK, questions), Shelf("cpu"), ignore).answers


def places(answer: Answer) -> list[int] | None:
    return None if answer.asked is None else answer.asked.tolist()


@pytest.mark.parametrize("defense", [ONE_NOISE, DENOISER])
def test_what_is_known_of_an_image_is_not_asked_again_and_the_answers_are_the_same(defense: Defense) -> None:
    questions = (Question(clean(), (1, 2)), Question(perturbed(), (1, 2)), Question(clean(), (1, 3)))
    found = answers(defense, *questions)
    assert [places(answer) for answer in found] == [[0, 1, 2, 3, 4, 5], [1, 4], [0, 1, 2, 3, 4, 5]]
    for question, answer in zip(questions, found, strict=True):
        (whole,) = answers(defense, question)
        assert np.allclose(answer.logits, whole.logits, rtol=1e-5)
    assert not np.allclose(found[0].logits[1], found[2].logits[1])


@pytest.mark.parametrize("fault", ["noisy", "own-noise", "none"])
def test_every_other_classifier_is_asked_about_everything(fault: str) -> None:
    question = Question(clean(), (1,))
    assert [places(answer) for answer in answers(Faulty(fault), question, question)] == [None, None]


def test_an_image_that_comes_twice_in_a_question_is_asked_once() -> None:
    images = clean()[[0, 1, 0, 2, 2, 2]]
    (answer,) = answers(ONE_NOISE, Question(images, (5,)))
    assert places(answer) == [0, 1, 3]
    assert np.array_equal(answer.logits[:, [0, 1, 0, 3, 3, 3]], answer.logits)


def test_what_is_asked_again_is_what_was_put_to_the_letter() -> None:
    request = Request("resnet", "fgsm-linf", find_protocol("transfer-1024"), epsilon=Fraction("0.1"), samples=12)
    plan = make_plan(request)
    questions = (Question(clean(), (1,)), Question(perturbed(), (1,)), Question(clean(), (1,)))
    first = hear(Hearing(spec(ONE_NOISE), TASK, questions), Shelf("cpu"), ignore)
    asked = again(plan, plan.shards()[0], questions, first, None, 100).asked
    assert sorted(each.places.tolist() for each in asked) == [[0, 1, 2, 3, 4, 5], [7, 10]]  # of the third nothing was
    every = np.concatenate([question.images for question in questions])
    assert all(np.array_equal(each.question.images, every[each.places]) for each in asked)


@pytest.mark.parametrize(("defense", "kept"), [(ONE_NOISE, True), (DENOISER, True), (NOISE_A_PLACE, False)])
def test_who_says_so_without_reason_is_found_out_at_the_door(defense: Defense, kept: bool) -> None:
    hearing = Hearing(spec(defense), TASK, (Question(clean(), (1,)),), introduced=True)
    introduction = hear(hearing, Shelf("cpu"), ignore).introduction
    assert introduction is not None
    assert (introduction.contracts[COMPANY] == "") == kept
    assert kept or "all images meet one noise" in introduction.contracts[COMPANY]


def test_untouched_images_of_a_whole_run_have_the_clean_predictions(tmp_path: Path) -> None:
    request = Request(
        *("diffusion-classifier", "aa-linf", find_protocol("transfer-1024")),
        defense_settings={"timesteps": 8},
        attack_settings={"n_iter": 3, "n_queries": 10},
        epsilon=Fraction("0.05"),
        samples=48,
        draws=2,
    )
    results = run(make_plan(request), tmp_path)
    assert [result.invalid for result in results] == [None] * len(results)
    same = [outcome.clean == outcome.perturbed for outcome in outcomes(results) if outcome.distance == 0]
    assert all(same)
    assert 0 < len(same) < 48
