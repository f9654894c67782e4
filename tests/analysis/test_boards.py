"""What stands on a leaderboard, what it counts, and what keeps a row off its ranks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest

from bench.analysis.boards.choice import choose_boards
from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.analysis.boards.rows import Row, flaw_of
from bench.analysis.boards.tables import tabulate
from bench.analysis.comparisons.comparison import compare
from bench.analysis.results.entries import read_entry
from bench.analysis.specs import identity
from bench.domain.errors import UsageError
from bench.domain.plan import FIRST_HARNESS, Plan, Spec
from bench.domain.threat import ThreatModel
from bench.protocols import Protocol, ProtocolAttack, find_protocol
from bench.store.rows.records import Conflict
from bench.store.store import Store
from tests.analysis.made import add, honest, make_plan, small_plan

OTHER = "0d" * 32


def constant(store: Store, plan: Plan, right: int, **changes: Any) -> None:
    """All shards of a plan: all clean samples and the first `right` perturbed ones are right."""
    add(store, plan, [True] * plan.samples, [i < right for i in range(plan.samples)], **changes)


def mine(seed: int = 0, attacks: tuple[str, ...] = ("fgsm-linf",), **changes: Any) -> Protocol:
    """A protocol of somebody's own: transfer-1024 with these attacks and this seed."""
    own = replace(find_protocol("transfer-1024"), name="mine", seed=seed)
    return replace(own, attacks=tuple(map(ProtocolAttack, attacks)), **changes)


def row_of(board: Leaderboard, defense: str) -> Row:
    return next(row for row in board.rows if row.defense.name == defense)


def named(board: Leaderboard) -> tuple[str | None, list[str], list[str]]:
    protocol = board.protocol.name if board.protocol else None
    return protocol, [column.attack.name for column in board.columns], [row.defense.name for row in board.rows]


# Every protocol has its board.


def test_a_protocol_of_ones_own_with_one_attack_has_its_board_though_a_fuller_one_repeats_it(store: Store) -> None:
    for attack in ("fgsm-linf", "aa-linf"):
        constant(store, make_plan(attack=attack), 900)
    boards = leaderboards(store, [find_protocol("transfer-1024"), mine()])
    assert [named(board)[:2] for board in boards] == [
        ("transfer-1024", ["fgsm-linf", "aa-linf"]),
        ("mine", ["fgsm-linf"]),
    ]


def test_a_protocol_that_is_asked_for_by_name_has_its_board_in_any_case(store: Store) -> None:
    for attack in ("fgsm-linf", "aa-linf"):
        constant(store, make_plan(attack=attack), 900)
    assert [named(board)[0] for board in choose_boards(store)] == ["transfer-1024"]
    assert [named(board)[:2] for board in choose_boards(store, "tmdc-2024")] == [("tmdc-2024", ["fgsm-linf"])]


def test_a_protocol_with_a_seed_of_its_own_has_its_board_beside_that_of_another_seed(store: Store) -> None:
    for seed, right in ((0, 900), (7, 700)):
        constant(store, make_plan(attack="fgsm-linf", seed=seed), right)
    boards = leaderboards(store, [find_protocol("transfer-1024"), mine(seed=7)])
    figures = {
        named(board)[0]: [result.robust_accuracy for row in board.rows for result in row.found] for board in boards
    }
    assert figures == {"transfer-1024": [900 / 1024], "mine": [700 / 1024]}
    spreads = [result.spread and result.spread.seeds for board in boards for row in board.rows for result in row.found]
    assert spreads == [(0, 7), (0, 7)]


# What a board without a protocol counts.


def test_one_extra_cell_keeps_no_other_row_off_the_ranks(store: Store) -> None:
    for defense, right in (("vit", 6), ("tmdc", 5), ("rdc", 4)):
        constant(store, small_plan(defense, "fgsm-linf"), right)
    constant(store, small_plan("vit", "aa-linf"), 1)
    (board,) = leaderboards(store)
    assert [column.attack.name for column in board.aside] == ["aa-linf"]
    assert [(row.defense.name, row.rank, row.worst and row.worst.successes) for row in board.rows] == [
        ("vit", 1, 6),
        ("tmdc", 1, 5),
        ("rdc", 1, 4),
    ]
    assert "fgsm-linf, which most rows have" in tabulate(board).caption
    assert tabulate(board).headings[4].detail == "of clean and 1 attack"


def test_a_column_that_most_rows_have_is_counted_and_who_lacks_it_is_not_ranked(store: Store) -> None:
    for defense in ("vit", "tmdc", "rdc"):
        constant(store, small_plan(defense, "fgsm-linf"), 6)
    for defense in ("vit", "tmdc"):
        constant(store, small_plan(defense, "aa-linf"), 3)
    (board,) = leaderboards(store)
    assert board.aside == ()
    assert row_of(board, "rdc").gaps == ("aa-linf at linf 0.05 was not run",)


def test_on_the_board_of_a_protocol_all_columns_count(store: Store) -> None:
    for defense in ("vit", "tmdc", "rdc"):
        constant(store, make_plan(defense, "fgsm-linf"), 900)
    constant(store, make_plan("vit", "aa-linf"), 800)
    (board,) = leaderboards(store)
    assert board.aside == ()
    assert [row.defense.name for row in board.rows if row.rank] == ["vit"]


def test_what_is_wrong_in_a_column_that_does_not_count_is_told(store: Store) -> None:
    for defense in ("vit", "tmdc", "rdc"):
        constant(store, small_plan(defense, "fgsm-linf"), 6)
    constant(store, small_plan("vit", "aa-linf"), 1, invalid="One image left the budget.")
    (board,) = leaderboards(store)
    assert row_of(board, "vit").rank == 1
    assert str(row_of(board, "vit").notes[0]) == "aa-linf: It is invalid: One image left the budget."


# Untouched images.


def test_untouched_images_are_the_clean_accuracy_and_no_column(store: Store) -> None:
    plan = make_plan()
    constant(store, plan, 900, shards=[0])
    untouched = plan.untouched()
    add(store, untouched, [i < 1000 for i in range(1024)], [i < 1000 for i in range(1024)], distances=[0.0] * 1024)
    (board,) = leaderboards(store)
    assert named(board) == ("transfer-1024", ["aa-linf"], ["tmdc"])
    row = board.rows[0]
    assert row.clean.mean.rate == 1000 / 1024
    assert row.untouched is not None
    assert row.untouched.assurance.text == "clean"
    assert [result.plan.attack.name for result in row.everything] == ["none", "aa-linf"]


def test_a_store_of_untouched_images_alone_shows_their_accuracy(store: Store) -> None:
    for defense, right in (("vit", 900), ("tmdc", 950)):
        rows = [i < right for i in range(1024)]
        add(store, make_plan(defense).untouched(), rows, rows, distances=[0.0] * 1024)
    (board,) = leaderboards(store)
    assert named(board) == (None, [], ["tmdc", "vit"])
    assert [(row.clean.mean.successes, row.rank, row.gaps) for row in board.rows] == [(950, None, ()), (900, None, ())]
    assert "clean images" in tabulate(board).caption
    (own,) = leaderboards(store, [mine(attacks=("none",))])
    assert named(own)[0] == "mine"
    assert own.missing == ()


def test_untouched_images_that_do_not_count_keep_their_row_off_the_ranks(store: Store) -> None:
    constant(store, make_plan(), 900)
    untouched = make_plan().untouched()
    add(store, untouched, [True] * 1024, [True] * 1024, invalid="It answers otherwise.", distances=[0.0] * 1024)
    (board,) = leaderboards(store)
    assert board.rows[0].gaps == ("the untouched images is invalid: It answers otherwise",)


# Evidence and ranks.


def test_a_random_defense_on_fixed_noise_ranks_below_every_other_and_says_why(store: Store) -> None:
    random = {"random": True, "declared_random": True}
    for defense, right, changes in (("resnet", 500, {}), ("vit", 400, {}), ("rdc", 1000, random)):
        plan = make_plan(defense, "pgd-linf", source=None, threat=ThreatModel("linf", Fraction("0.1")))
        constant(store, plan, right, facts=honest(plan, **changes))
    (board,) = leaderboards(store)
    assert [(row.defense.name, row.rank) for row in board.rows] == [("resnet", 1), ("vit", 2), ("rdc", 3)]
    assert board.rows[2].behind.startswith("Random, and attacked by gradient under one frozen draw")
    assert board.words == ("white-box", "fixed noise")


def test_a_random_defense_that_was_also_attacked_in_expectation_ranks_where_its_worst_case_is(store: Store) -> None:
    for attack, noises in (("pgd-linf", 1), ("aa-rand-linf", 40)):
        for defense, right in (("rdc", 900), ("vit", 400)):
            plan = make_plan(defense, attack, source=None, threat=ThreatModel("linf", Fraction("0.2")))
            changes = {"random": True, "declared_random": True} if defense == "rdc" else {}
            constant(store, plan, right, facts=honest(plan, crafting={"noises": noises}, **changes))
    (board,) = leaderboards(store)
    assert [(row.defense.name, row.rank, row.behind) for row in board.rows] == [("rdc", 1, ""), ("vit", 2, "")]


def conflict(plan: Plan) -> Conflict:
    sentence = "3 of 128 samples came out otherwise in other.db."
    return Conflict(plan.digest, 0, "other.db", 3, 128, sentence, {"device": "other"}, datetime(2026, 1, 1))


def test_what_is_claimed_or_in_dispute_has_no_rank_and_is_not_paired(store: Store) -> None:
    for defense in ("tmdc", "vit"):
        constant(store, make_plan(defense), 900)
    whole = read_entry(store, make_plan()).result
    disputed = replace(whole, conflicts=(conflict(whole.plan),))
    claimed = replace(whole, claimed=True, origins=("other.db",))
    assert flaw_of(disputed) == "in dispute: 3 of 128 samples came out otherwise in other.db"
    assert flaw_of(claimed) == "merely claimed by other.db"
    assert (whole.counts, disputed.counts, claimed.counts) == (True, False, False)
    assert flaw_of(whole) is None


def test_a_shard_that_came_out_otherwise_again_puts_its_row_in_dispute(store: Store) -> None:
    for defense in ("tmdc", "vit"):
        constant(store, make_plan(defense), 900)
    constant(store, make_plan("tmdc"), 1000)
    (board,) = leaderboards(store)
    odd = row_of(board, "tmdc")
    assert odd.found[0].conflicts
    assert odd.found[0].doubts[0] == odd.found[0].conflicts[0].sentence
    assert odd.gaps[0].startswith("aa-linf at linf 0.05 is in dispute: ")
    assert (odd.rank, row_of(board, "vit").rank) == (None, 1)


def test_older_numbers_are_marked_and_ranked(store: Store) -> None:
    constant(store, replace(make_plan(), harness=FIRST_HARNESS), 900, facts=None)
    (board,) = leaderboards(store)
    assert (board.rows[0].rank, board.assurances) == (1, ("transfer, older evidence",))


def test_of_one_cell_by_two_benches_the_newer_counts_and_the_older_stands_where_there_is_no_newer(store: Store) -> None:
    for attack in ("fgsm-linf", "aa-linf"):
        constant(store, replace(make_plan("resnet", attack), harness=FIRST_HARNESS), 900, facts=None)
    constant(store, make_plan("resnet", "aa-linf"), 600)
    (board,) = leaderboards(store)
    assert [result.robust.mean.successes for result in board.rows[0].found] == [900, 600]
    assert [result.assurance.text for result in board.rows[0].found] == ["white-box, older evidence", "white-box"]


# The same images.


def test_a_row_that_met_other_images_is_marked_and_neither_ranked_nor_paired(store: Store) -> None:
    for defense in ("vit", "tmdc", "rdc"):
        constant(store, make_plan(defense), 900, images=OTHER if defense == "rdc" else "c0" * 32)
    (board,) = leaderboards(store)
    odd = row_of(board, "rdc")
    assert odd.gaps == ("aa-linf at linf 0.05 met other images than vit and tmdc",)
    assert [str(note) for note in odd.notes] == ["aa-linf: It met other images than vit and tmdc."]
    assert (odd.rank, row_of(board, "vit").rank, row_of(board, "tmdc").rank) == (None, 1, 1)
    (comparison,) = compare(store, ["vit", "tmdc", "rdc"])
    assert [len(duel.contrasts) for duel in comparison.duels] == [2, 0, 0]
    assert comparison.duels[1].left_out == ("aa-linf: rdc met other images than the other rows of the leaderboard",)
    with pytest.raises(UsageError, match="cannot be paired: their images, both crafted on resnet, are not the same"):
        compare(store, [make_plan("vit").digest, make_plan("rdc").digest])


def test_what_the_source_crafted_is_what_all_should_have_met(store: Store) -> None:
    constant(store, make_plan("resnet"), 500, images=OTHER)
    for defense in ("vit", "tmdc"):
        constant(store, make_plan(defense), 900)
    (board,) = leaderboards(store)
    assert row_of(board, "resnet").gaps == ()
    assert row_of(board, "vit").gaps == ("aa-linf at linf 0.05 met other images than resnet",)


def test_what_an_older_bench_crafted_are_other_images(store: Store) -> None:
    constant(store, replace(make_plan("vit"), harness=FIRST_HARNESS), 900, facts=None, images=OTHER)
    constant(store, make_plan("tmdc"), 900)
    (board,) = leaderboards(store)
    assert row_of(board, "vit").gaps == ("aa-linf at linf 0.05 met other images than tmdc",)
    assert row_of(board, "tmdc").rank == 1


# Who a row is.


def test_where_a_plugin_lies_makes_no_row_of_its_own(store: Store) -> None:
    here = Spec("mine.py:Mine", {"width": 1}, place={"name": "/home/a/mine.py:Mine"})
    there = replace(here, place={"name": "/home/b/mine.py:Mine"})
    assert identity(here) == identity(there)
    for attack, defense in (("fgsm-linf", here), ("aa-linf", there)):
        constant(store, replace(small_plan(attack=attack), defense=defense), 6)
    (board,) = leaderboards(store)
    assert [len(row.found) for row in board.rows] == [2]


# Doubts across boards.


def test_transfer_that_misleads_more_than_white_box_is_named_across_boards_and_seeds(store: Store) -> None:
    transfer, white = make_plan(), make_plan(source=None, threat=ThreatModel("linf", Fraction("0.1")), seed=3)
    constant(store, transfer, 100)
    constant(store, white, 1024, passes=(40, 40), facts=honest(white))
    boards = leaderboards(store)
    assert len(boards) == 2
    for board in boards:
        (note,) = board.rows[0].notes
        assert "aa-linf at ℓ∞\u00a0≤\u00a00.05 with images from resnet misleads more often than" in note.sentence
        assert "(9.8 and 100.0 % still right)" in note.sentence


def test_transfer_that_misleads_more_than_a_single_step_is_no_sign_of_masking(store: Store) -> None:
    constant(store, make_plan(), 100)
    single = make_plan(attack="fgsm-linf", source=None, threat=ThreatModel("linf", Fraction("0.1")))
    constant(store, single, 900, passes=(1, 1))
    assert [row.notes for board in leaderboards(store) for row in board.rows] == [(), ()]


# A certificate and the attacks bound what nobody knows.


def test_a_row_shows_between_what_its_accuracy_lies_where_it_was_certified_and_attacked(store: Store) -> None:
    proof = small_plan("rdc", "certify-l2", source=None, knowledge="certified")
    add(store, proof, [True] * 8, [True] * 3 + [False] * 5)
    constant(store, small_plan("rdc", "pgd-l2", source=None), 6)
    (row,) = [row for board in leaderboards(store) for row in board.rows][:1]
    assert [(str(found.threat), found.lower.n) for found in row.bounds] == [("l2 0.05", 8)]
    assert row.bounds[0].lower.rate <= row.bounds[0].upper.rate == 6 / 8


def test_a_row_that_no_adaptive_attack_has_met_ranks_below_those_that_one_has(store: Store) -> None:
    constant(store, small_plan("vit", "fgsm-linf", source=None), 8)
    constant(store, small_plan("rdc", "fgsm-linf", source=None), 2)
    assert not leaderboards(store)[0].adapted
    assert [row.defense.name for row in leaderboards(store)[0].rows] == ["vit", "rdc"]
    constant(store, small_plan("rdc", "adaptive-linf", source=None, knowledge="adaptive"), 2)
    board = next(
        board for board in leaderboards(store) if "fgsm-linf" in {column.attack.name for column in board.columns}
    )
    assert [row.defense.name for row in board.rows if row.worst][:1] == ["rdc"] or row_of(board, "vit").behind
    assert "No attack that is adapted" in row_of(board, "vit").behind
    assert not row_of(board, "rdc").behind
