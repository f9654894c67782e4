"""Elimination of classes, staged and in a race, against errors that are known exactly."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from bench import UsageError
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification, Grid
from defenses.parts.diffusion.elimination import Elimination, Stages
from defenses.parts.diffusion.noise_errors import Chunks
from defenses.parts.diffusion.race import Race
from defenses.parts.diffusion.search import LATENTS, Search
from tests.defenses.tiny import (
    GREYS,
    Formula,
    images,
    pixel_classifier,
    rng,
)


class KnownErrors(Formula):
    """A denoiser of black images whose error under class k at timestep t is exactly `table[k, t]`."""

    def __init__(self, table: Tensor) -> None:
        self.network = nn.Identity()
        self.schedule = torch.linspace(0.9, 0.1, table.shape[1], dtype=torch.float64)
        self._table = table

    def encode(self, images: Tensor) -> Tensor:
        return images * 0

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        return noisy / (1 - signal).sqrt() + self._table[classes, steps].view(-1, 1, 1, 1)


def known_logits(table: Tensor, elimination: Elimination, seed: int = 1) -> list[float]:
    grid = Grid.even(tuple(range(table.shape[1])), "l1")
    model = DiffusionClassification(KnownErrors(table), grid, elimination, len(table), Chunks(4, 4, 4))
    found: list[float] = model(torch.zeros(1, 1, 2, 2), rng(seed))[0].tolist()
    return found


@pytest.mark.parametrize("elimination", [Stages((2, 4, 8), (4, 2, 1)), Race(1e-3), Stages((8,), (1,))])
def test_logits_are_minus_the_mean_error_times_the_size_of_a_code_whenever_a_class_left(
    elimination: Elimination,
) -> None:
    offsets = torch.tensor([0.6, 0.1, 0.5, 0.3, 0.2, 0.4])
    logits = known_logits(offsets[:, None].expand(-1, 8), elimination)
    assert logits == pytest.approx((-4 * offsets).tolist(), abs=1e-5)


def test_a_class_that_left_by_bad_luck_ranks_below_the_one_that_led_then_by_its_excess_over_that_one() -> None:
    first = Stages((2, 8), (2, 1)).looks(range(8))[0]
    table = torch.full((3, 8), 0.9)
    table[1] = 0.8
    table[2] = 0.0
    table[2, list(first)] = 1.5
    logits = known_logits(table, Stages((2, 8), (2, 1)))
    assert logits == pytest.approx([-4 * 0.9, -4 * 0.8, -4 * (0.8 + 0.7)], abs=1e-5)


def test_the_published_search_looks_at_the_published_timesteps() -> None:
    assert LATENTS.grid() == tuple(range(1, 1000, 2))
    first, second = LATENTS.elimination.looks(range(500))
    assert [LATENTS.grid()[place] for place in first[:3]] == [11, 31, 51]
    assert (len(first), len(second)) == (50, 450)
    assert sorted(first + second) == list(range(500))


@pytest.mark.parametrize("timesteps", [1, 7, 300, 333, 500, 600, 999, 1000])
def test_any_number_of_timesteps_spans_the_whole_range_evenly(timesteps: int) -> None:
    grid = Search(timesteps, 0, 1000, "l1", Race(1e-3)).grid()
    spacing = 1000 / timesteps
    assert len(set(grid)) == timesteps
    assert grid[0] == int(spacing / 2)
    assert 1000 - spacing / 2 - 1 <= grid[-1] < 1000
    gaps = [after - before for before, after in pairwise(grid)]
    assert all(abs(gap - spacing) < 1 for gap in gaps)
    if 1000 % timesteps == 0:  # as the released code has it
        assert grid == tuple(range(int(spacing) // 2, 1000, int(spacing)))


def test_the_stages_of_an_uneven_search_span_it_too_and_see_every_timestep_once() -> None:
    search = Search(600, 100, 1000, "l1", Stages((70, 450, 600), (5, 2, 1)))
    stages = search.elimination.looks(range(600))
    assert len(stages[0]) == 70
    assert min(stages[0]) < 600 / 70
    assert max(stages[0]) >= 600 - 600 / 70
    assert sorted(sum(stages, ())) == list(range(600))
    assert (search.grid()[0], search.grid()[-1]) == (100, 999)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"search": "staged", "seen": (5, 10)}, "up to 30"),
        ({"search": "staged", "seen": (30, 5)}, "ever more"),
        ({"search": "staged", "kept": (3, 2)}, "down to 1"),
        ({"seen": (6, 30)}, "seen and kept are of search=staged"),
        ({"risk": 0.0}, "between 0 and 1"),
        ({"negligible": 1.0}, "negligible must be at least 0 and below 1"),
        ({"lowest": 400}, "0 <= lowest < highest"),
        ({"highest": 2000}, "knows timesteps below 1000"),
        ({"rows": 0}, "rows must be at least 1"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(changes: dict[str, object], reason: str) -> None:
    settings = replace(DiffusionClassifier(), **changes)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=reason):
        pixel_classifier(settings)


def test_an_image_gets_the_same_logits_alone_and_in_company() -> None:
    model = pixel_classifier(DiffusionClassifier(), torch.float64)
    batch = images(3, GREYS.shape).double()
    together = model(batch, rng())
    torch.testing.assert_close(model(batch[2:], rng()), together[2:])
    assert not torch.equal(model(batch, rng(2)), together)


def test_shrinking_halves_the_rows_until_one_is_left_and_changes_no_prediction() -> None:
    model = pixel_classifier(DiffusionClassifier(rows=6))
    before = model(images(2, GREYS.shape), rng())
    assert [model.shrink(), model.shrink()] == ["chunks of 3 rows", "chunks of 1 rows"]
    torch.testing.assert_close(model(images(2, GREYS.shape), rng()), before, rtol=1e-4, atol=1e-4)
    for _ in range(20):
        model.shrink()
    assert model.shrink() is None
