"""The pictures count what they say, checked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.analysis.boards.leaderboards import leaderboards
from bench.domain.plan import Spec
from bench.pages.figures.bars import bars
from bench.pages.figures.budgets import budgets
from bench.pages.figures.classes import classes, confusion
from bench.pages.figures.curves import counted, survival
from bench.pages.figures.drawing import reader
from bench.pages.figures.frontier import frontier
from bench.pages.figures.settings import settings
from bench.pages.figures.thresholds import iterations, radii
from bench.stats import wilson
from bench.store.store import Store
from tests.pages.figures.drawn import board_with, fill, white, words


def test_the_front_holds_whom_nobody_beats(store: Store) -> None:
    for defense, lost in (("tmdc", 1), ("vit", 2), ("resnet", 2)):
        fill(store, white(defense), range(lost))
    told = words(frontier(board_with(store, "pgd-linf"), "x"))
    assert told == "Clean accuracy against worst case of 3 defenses tmdc: clean 100.0 %, worst case 87.5 %."


def test_a_lone_defense_has_no_front_and_no_bars(store: Store) -> None:
    fill(store, white("tmdc"), [0])
    board = board_with(store, "pgd-linf")
    assert frontier(board, "x") is None
    assert bars(board, "x") is None


def test_bars_of_several_seeds_show_their_mean(rich: Store) -> None:
    drawing = bars(board_with(rich, "fgsm-linf"), "x")
    assert "tmdc, fgsm-linf: 87.5 %." in words(drawing)
    assert drawing is not None
    assert "mean over seeds" in drawing.caption


def test_accuracy_against_budget_starts_at_the_clean_accuracy(rich: Store) -> None:
    drawing = budgets(board_with(rich, "pgd-linf"), reader(rich), "x")
    assert "tmdc: 100.0 % at 0, 87.5 % at 0.05, 62.5 % at 0.1." in words(drawing, panel=1)


def test_minimal_distances_count_the_samples_beyond_a_budget() -> None:
    distances = np.array([0.0, 0.1, 0.2, np.inf])
    curve = survival(distances, np.array([0.0, 0.1, 0.15, 5.0]), "x")
    assert curve.y == [0.75, 0.5, 0.5, 0.25]
    assert (curve.low[0], curve.high[0]) == (wilson(3, 4).low, wilson(3, 4).high)


def test_certified_accuracy_counts_radii_above_zero_alone(rich: Store) -> None:
    told = words(radii(board_with(rich, "certify-l2"), reader(rich), "x"))
    assert "smoothing: 87.5 % at 0," in told  # seven of eight have a radius


def test_iterations_count_what_is_broken_so_far(store: Store) -> None:
    fill(store, white("tmdc"), range(4), measures=lambda at: {"broken_at": (0, 1, 1, 3, -1, -1, -1, -1)[at]})
    told = words(iterations(board_with(store, "pgd-linf"), reader(store), "x"))
    assert "tmdc: 12.5 % at 0, 37.5 % at 1, 37.5 % at 2, 50.0 % at 3." in told


def test_a_defense_whose_iterations_are_unknown_in_part_is_not_drawn(store: Store) -> None:
    fill(store, white("tmdc"), range(4), measures=lambda at: {"broken_at": None if at else 1})
    assert iterations(board_with(store, "pgd-linf"), reader(store), "x") is None


def test_a_numeric_setting_that_varies_alone_makes_a_curve(rich: Store) -> None:
    stepped = next(board for board in leaderboards(rich) if board.example.sample_seed == 1)
    told = words(settings(stepped, "x"))
    assert told.startswith("tmdc: correct, % against step")
    assert "87.5 % at 100, 75.0 % at 200, 37.5 % at 500." in told


def test_settings_that_vary_together_make_none(store: Store) -> None:
    for step, rank in ((1, 2), (2, 4)):
        fill(store, replace(white("tmdc"), defense=Spec("tmdc", {"step": step, "rank": rank})), [0])
    assert settings(board_with(store, "pgd-linf"), "x") is None


def test_classes_are_counted_one_by_one(store: Store) -> None:
    fill(store, white("tmdc"), [0, 1])
    board = board_with(store, "pgd-linf")
    drawing = classes(board, reader(store), "x", ("zero", "one"))
    assert "tmdc: zero 50.0 %, one 50.0 %, 2 100.0 %, 3 100.0 %" in words(drawing, 1)
    assert "Most frequent errors: 1 for 2 50.0 %, 0 for 1 50.0 %." in words(confusion(board, reader(store), "x"))


def test_a_counted_curve_has_wilson_intervals() -> None:
    curve = counted("x", [0, 1], [4, 1], 4)
    assert curve.y == [1.0, 0.25]
    assert curve.low == [wilson(4, 4).low, wilson(1, 4).low]
