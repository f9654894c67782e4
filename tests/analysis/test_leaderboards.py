"""Which plans stand side by side, worst cases, ranks and gaps, all through a real store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.analysis.specs import differences
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.store.store import Store
from tests.analysis.made import add, make_plan, small_plan

ATTACKS = ("fgsm-linf", "pgd-linf", "aa-linf", "aa-l2")
RIGHT = [True] * 8


def add_constant(store: Store, plan: Plan, right: int, clean: int | None = None) -> None:
    """All shards of a plan: the first `right` perturbed samples and the first `clean` clean ones are right."""
    clean = plan.samples if clean is None else clean
    add(store, plan, [i < clean for i in range(plan.samples)], [i < right for i in range(plan.samples)])


def summary(board: Leaderboard) -> tuple[str | None, list[str], list[str]]:
    protocol = board.protocol.name if board.protocol else None
    return protocol, [c.attack.name for c in board.columns], [row.defense.name for row in board.rows]


def test_an_empty_store_has_no_leaderboard(store: Store) -> None:
    assert leaderboards(store) == ()


def test_a_protocols_plans_stand_together_in_its_order_with_the_sources_white_box_row(store: Store) -> None:
    for attack in reversed(ATTACKS):
        add_constant(store, make_plan("resnet", attack), 700)
        add_constant(store, make_plan("tmdc", attack), 900)
    (board,) = leaderboards(store)
    assert summary(board) == ("transfer-1024", list(ATTACKS), ["tmdc", "resnet"])
    assert [row.rank for row in board.rows] == [1, 2]
    assert [row.found[0].assurance.text for row in board.rows] == ["transfer", "white-box"]
    assert board.source is not None
    assert (board.source.name, board.missing) == ("resnet", ())


def test_an_attack_that_no_row_has_is_named(store: Store) -> None:
    add_constant(store, make_plan(), 900)
    (board,) = leaderboards(store)
    assert board.missing == ("fgsm-linf", "pgd-linf", "aa-l2")
    assert board.rows[0].rank == 1


@pytest.mark.parametrize("params", [{"steps": 1}, {"restarts": 2}, {"random_start": False}])
def test_an_attack_with_another_setting_never_counts_for_a_protocol(
    store: Store, params: dict[str, int | bool]
) -> None:
    add_constant(store, make_plan(attack="pgd-linf", params=params), 900)
    (board,) = leaderboards(store)
    assert board.protocol is None


def test_plans_of_two_protocols_make_two_leaderboards_that_share_what_both_ask_for(store: Store) -> None:
    add_constant(store, make_plan(attack="fgsm-linf"), 950)
    add_constant(store, make_plan(attack="aa-linf"), 900)
    add_constant(store, make_plan(attack="aa-linf", params={"version": "plus"}), 890)
    boards = leaderboards(store)
    assert [summary(board)[:2] for board in boards] == [
        ("transfer-1024", ["fgsm-linf", "aa-linf"]),
        ("tmdc-2024", ["fgsm-linf", "aa-linf"]),
    ]


def test_white_box_plans_count_at_the_customary_budget_alone(store: Store) -> None:
    white_box = make_plan(source=None, threat=ThreatModel("linf", Fraction("0.1")))
    add_constant(store, white_box, 500)
    add_constant(store, replace(white_box, threat=ThreatModel("linf", Fraction("0.2"))), 100)
    boards = leaderboards(store)
    assert [board.protocol and board.protocol.name for board in boards] == ["white-box-1024", None]


def test_other_settings_make_a_leaderboard_with_the_sources_row(store: Store) -> None:
    for defense, right in (("resnet", 3), ("tmdc", 6)):
        add_constant(store, small_plan(defense), right)
    (board,) = leaderboards(store)
    assert summary(board) == (None, ["aa-linf"], ["tmdc", "resnet"])


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"sample_seed": 1}, {"draws": 2}, {"shard_size": 8}, {"images": "beef" * 16}, {"source": None}],
)
def test_plans_that_cannot_be_compared_stand_apart(store: Store, change: dict[str, Any]) -> None:
    add_constant(store, small_plan(), 6)
    other = small_plan("vit", **change)
    add(store, other, [(1,) * other.draws] * 8, [(1,) * other.draws] * 8)
    assert [len(board.rows) for board in leaderboards(store)] == [1, 1]


def test_the_worst_case_is_the_and_over_clean_image_and_attacks_on_each_sample(store: Store) -> None:
    clean = [True, True, True, True, True, True, True, False]
    rows: dict[str, Sequence[bool]] = {
        "fgsm-linf": [True, True, False, True, True, True, True, True],
        "aa-linf": [True, False, True, True, True, True, True, True],
        "aa-l2": [False, True, True, True, True, True, True, True],
    }
    for attack, perturbed in rows.items():
        add(store, small_plan(attack=attack), clean, perturbed)
    ((row,),) = (board.rows for board in leaderboards(store))
    assert row.worst is not None
    assert (row.worst.successes, row.worst.n) == (4, 8)
    assert [result.robust.mean.successes for result in row.found] == [7, 7, 7]


def test_with_several_draws_the_worst_case_takes_each_samples_lowest_rate(store: Store) -> None:
    half, most = (1, 1, 0, 0), (1, 1, 1, 0)
    add(store, small_plan(attack="fgsm-linf", draws=4), [most] * 8, [half, most] * 4)
    add(store, small_plan(attack="aa-linf", draws=4), [most] * 8, [most, half] * 4)
    ((row,),) = (board.rows for board in leaderboards(store))
    assert row.worst is not None
    assert row.worst.rate == 0.5


def test_incomplete_invalid_and_missing_results_keep_a_row_unranked_and_say_why(store: Store) -> None:
    for defense in ("vit", "tmdc", "wide-resnet", "diffusion-classifier"):
        add_constant(store, small_plan(defense, "fgsm-linf"), 5)
    add_constant(store, small_plan("vit"), 2)
    add(store, small_plan("tmdc"), RIGHT, RIGHT, shards=[0])
    add(store, small_plan("wide-resnet"), RIGHT, RIGHT, invalid="One image left the budget.")
    (board,) = leaderboards(store)
    rows = {row.defense.name: row for row in board.rows}
    assert (board.rows[0].defense.name, rows["vit"].rank, rows["vit"].gaps) == ("vit", 1, ())
    assert rows["tmdc"].gaps == ("aa-linf at linf 0.05 is incomplete: 4 of 8 samples",)
    assert rows["wide-resnet"].gaps == ("aa-linf at linf 0.05 is invalid: One image left the budget",)
    assert rows["diffusion-classifier"].gaps == ("aa-linf at linf 0.05 was not run",)
    assert all(row.rank is None and row.worst is None for name, row in rows.items() if name != "vit")


def test_rows_without_a_worst_case_are_in_the_order_of_their_mean_over_valid_results(store: Store) -> None:
    add_constant(store, small_plan("vit", "fgsm-linf"), 3)
    add_constant(store, small_plan("tmdc", "aa-linf"), 6)
    add(store, small_plan("wide-resnet", "aa-l2"), RIGHT, RIGHT, invalid="One image left the budget.")
    (board,) = leaderboards(store)
    assert [row.defense.name for row in board.rows] == ["tmdc", "vit", "wide-resnet"]


def test_rows_that_the_samples_cannot_tell_apart_share_a_rank(store: Store) -> None:
    def survivors(count: int) -> list[bool]:
        return [place < count for place in range(1024)]

    for defense, count in (("vit", 800), ("tmdc", 797), ("wide-resnet", 790), ("resnet", 700)):
        add(store, make_plan(defense, source=None, samples=1024), [True] * 1024, survivors(count))
    (board,) = leaderboards(store)
    # Nested survivors: 3 discordant samples have p 0.25; 7 have 0.016, after Holm over the pairs 0.03.
    assert [(row.defense.name, row.rank) for row in board.rows] == [
        ("vit", 1),
        ("tmdc", 1),
        ("wide-resnet", 3),
        ("resnet", 4),
    ]


def test_ranks_of_few_samples_are_all_ties(store: Store) -> None:
    for defense, right in (("vit", 5), ("tmdc", 5), ("wide-resnet", 1)):
        add_constant(store, small_plan(defense), right)
    (board,) = leaderboards(store)
    assert [row.rank for row in board.rows] == [1, 1, 1]


def test_plans_that_differ_only_in_their_seed_stand_in_one_place_with_their_spread(store: Store) -> None:
    for seed, right in ((0, 6), (1, 4), (7, 5)):
        add_constant(store, small_plan("tmdc", seed=seed), right)
    add_constant(store, small_plan("vit"), 5)
    (board,) = leaderboards(store)
    assert [(row.defense.name, row.results[0].robust_accuracy) for row in board.rows if row.results[0]] == [
        ("tmdc", 6 / 8),
        ("vit", 5 / 8),
    ]
    found = board.rows[0].results[0]
    assert found is not None
    assert found.spread is not None
    assert found.spread.seeds == (0, 1, 7)
    assert found.spread.rates == (6 / 8, 4 / 8, 5 / 8)
    assert found.spread.mean == pytest.approx(5 / 8)
    assert found.spread.worst.rate == 4 / 8
    assert board.rows[1].results[0].spread is None  # type: ignore[union-attr]


def test_unfinished_and_invalid_seeds_do_not_count_for_a_spread(store: Store) -> None:
    add_constant(store, small_plan(seed=0), 6)
    add(store, small_plan(seed=1), [True] * 8, [True] * 8, invalid="too far")
    add(store, small_plan(seed=2), [True] * 8, [True] * 8, shards=[0])
    (board,) = leaderboards(store)
    assert board.rows[0].results[0].spread is None  # type: ignore[union-attr]


def test_clean_predictions_that_differ_between_attacks_are_noted(store: Store) -> None:
    add_constant(store, small_plan(attack="fgsm-linf"), 5, clean=8)
    add_constant(store, small_plan(attack="aa-linf"), 5, clean=7)
    ((row,),) = (board.rows for board in leaderboards(store))
    assert len(row.notes) == 1
    assert "clean predictions differ" in row.notes[0].sentence


def test_two_rows_of_one_defense_are_told_apart_by_what_differs() -> None:
    small, large = Spec("net", {"width": 32, "depth": 2}), Spec("net", {"width": 64, "depth": 2}, "2")
    assert differences(small, [small, large, Spec("other", {"depth": 9})]) == ("width=32", "version 1")
    trained = replace(large, weights={"network": "0123456789"})
    assert differences(trained, [large, trained]) == ("network 01234567",)
    assert differences(small, [small]) == ()


def test_a_certificate_stands_beside_the_attacks_and_keeps_no_row_off_the_ranking(store: Store) -> None:
    for defense in ("vit", "tmdc"):
        add_constant(store, small_plan(defense, "fgsm-linf", source=None), 6)
    proof = small_plan("tmdc", "certify-l2", source=None, knowledge="certified")
    add_constant(store, proof, 2)
    (board,) = leaderboards(store)
    assert [column.attack.name for column in board.columns] == ["certify-l2", "fgsm-linf"]
    assert [(row.rank, row.worst.rate) for row in board.rows if row.worst] == [(1, 6 / 8), (1, 6 / 8)]
    assert [row.gaps for row in board.rows] == [(), ()]


def test_corruptions_stand_on_a_leaderboard_of_their_own(store: Store) -> None:
    add_constant(store, small_plan("vit", "fgsm-linf", source=None), 6)
    fog = small_plan(
        "vit", "corruption", params={"kind": "fog"}, source=None, threat=ThreatModel("corruption", Fraction(3))
    )
    add_constant(store, fog, 1)
    boards = leaderboards(store)
    assert [[column.attack.name for column in board.columns] for board in boards] == [["fgsm-linf"], ["corruption"]]


def test_settings_stand_in_the_order_of_their_numbers(store: Store) -> None:
    for steps in (10, 2, 1):
        add_constant(store, small_plan("vit", "pgd-linf", params={"steps": steps}, source=None), 6)
    (board,) = leaderboards(store)
    assert [column.attack.params["steps"] for column in board.columns] == [1, 2, 10]
