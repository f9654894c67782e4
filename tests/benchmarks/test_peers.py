"""Every contest runs on a few samples and finds equal verdicts; loops against formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import peers
from contests.bouts.classifiers import PIXELS
from contests.bouts.searches import errors_of, over_table, searches, through_network
from contests.contest import Contest
from contests.kept import Cache, clean, key_of
from contests.running import missing, run
from contests.sides.loops import Elimination, diffpure, diffusion_classifier
from defenses.parts.diffusion.elimination import Stages, spread
from tests import needs

QUICK = {"pgd-linf-torchattacks", "pgd-linf-foolbox", "dc-staged", "dc-race", "diffpure", "rdc-full"}
SAMPLES = {"fmn-l2": 4, "ddn-l2": 4, "dc-race": 4}
CASES = [
    pytest.param(found, id=found.name, marks=() if found.name in QUICK else pytest.mark.slow)
    for found in peers.CONTESTS
]


@pytest.mark.parametrize("contest", CASES)
def test_both_sides_of_every_contest_agree_on_a_few_samples(contest: Contest) -> None:
    absent = missing(contest)
    if absent:
        commands = [needs.INSTALL.get(name.replace("_", "-"), "") for name in contest.packages]
        pytest.skip(f"{' and '.join(absent)}: {' && '.join(commands)}")
    found = run(contest, SAMPLES.get(contest.name, 2), 1)
    assert found.holds, found.likeness
    assert found.ours[0].work.rows > 0
    assert found.peer[0].work.rows > 0


def flat(noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
    """A prediction that is off by a tenth of the class's distance from 2, in every value."""
    return 0.1 * (classes - 2).abs().view(-1, 1, 1, 1).expand_as(noisy).float()


@pytest.mark.parametrize("how", [PIXELS, Elimination((30,), (1,)), Elimination((3, 10, 30), (4, 2, 1))])
def test_the_released_loop_finds_the_class_that_predicts_the_noise_best(how: Elimination) -> None:
    noise, signal = torch.zeros(30, 1, 2, 2), torch.full((300,), 0.5)
    found = diffusion_classifier(flat, signal, torch.zeros(1, 2, 2), noise, range(5, 300, 10), how, 5)
    assert found == 2


def test_the_released_loop_looks_at_the_timesteps_that_our_stages_look_at() -> None:
    asked: list[int] = []

    def predict(noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
        asked.extend(steps[classes == 2].tolist())
        return flat(noisy, steps, classes)

    grid = range(1, 1000, 2)
    how = Elimination((50, 500), (5, 1))
    diffusion_classifier(
        predict, torch.full((1000,), 0.5), torch.zeros(1, 2, 2), torch.zeros(500, 1, 2, 2), grid, how, 9
    )
    stages = Stages(how.seen, how.kept).looks(range(500))
    assert asked == [grid[place] for stage in stages for place in stage]
    assert stages[0] == spread(50, 500)


def test_diffpures_loop_without_noise_follows_the_sdes_drift() -> None:
    betas = torch.full((1000,), 0.01)
    start, noise = torch.full((1, 1, 1, 1), 0.75), torch.zeros(3, 1, 1, 1, 1)
    found = diffpure(lambda noisy, steps, classes: torch.zeros_like(noisy), betas, start, noise, 2, 2, saving=False)
    assert float(found) == pytest.approx((0.99**1 * 0.5 * (1 + 0.01 / 2) ** 2 + 1) / 2, abs=1e-6)


def test_searches_over_a_table_of_errors_are_the_searches_through_the_network() -> None:
    batch, cache, defense = clean(6), Cache(None), "diffusion-classifier"
    every = searches(12, (0.1, 1e-3))
    table = cache.get(key_of(defense, 12), lambda: errors_of(defense, every[0], batch.images, lambda done: None))
    assert table.shape == (6, 10, 12)
    rows = []
    for search in every:
        known, seen = over_table(defense, search, table), through_network(defense, search, batch.images)
        assert torch.equal(known.verdicts, seen.verdicts)
        assert known.rows == seen.rows
        rows.append(known.rows)
    assert rows[0] == 120
    assert max(rows[1:]) < 120
