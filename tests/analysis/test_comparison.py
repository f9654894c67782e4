"""Comparisons: paired counts, tests and verdicts by hand, and what may not be paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from bench.analysis.comparisons.comparison import Comparison, compare
from bench.analysis.notation import likelihood, signed
from bench.domain.errors import UsageError
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.protocols import builtin_protocols
from bench.stats import clustered_interval, holm, mcnemar, smallest_difference, wilson
from bench.store.store import Store
from tests.analysis.made import add, make_plan

N = 40
RIGHT = [True] * N


def plan_of(defense: str = "tmdc", attack: str = "aa-linf", **changes: Any) -> Plan:
    """A plan of 40 samples, which no protocol covers."""
    return make_plan(defense, attack, **{"samples": N, "shard_size": 20, **changes})


def first(count: int) -> list[bool]:
    """Right on the first `count` samples of a plan."""
    return [i < count for i in range(N)]


def only(store: Store, *references: str, **options: Any) -> Comparison:
    """The one comparison of these references."""
    (comparison,) = compare(store, references, **options)
    return comparison


def test_what_only_one_gets_right_decides(store: Store) -> None:
    """tmdc is right on 30 of 40 attacked samples, vit on 15 of those and on 2 others."""
    vit = [i < 15 or i in (30, 31) for i in range(N)]
    add(store, plan_of("tmdc"), RIGHT, first(30))
    add(store, plan_of("vit"), first(39), vit)
    (duel,) = only(store, "tmdc", "vit").duels
    clean, attacked = duel.contrasts
    indices = plan_of().indices
    assert attacked.only_first == indices[15:30]
    assert attacked.only_second == indices[30:32]
    assert (attacked.both, attacked.neither, attacked.n) == (15, 8, N)
    assert (attacked.first.rate, attacked.second.rate) == (30 / 40, 17 / 40)
    assert attacked.first.interval == wilson(30, 40)
    assert attacked.difference == pytest.approx(13 / 40)
    assert attacked.p == mcnemar(15, 2)
    assert attacked.interval.low < 13 / 40 < attacked.interval.high
    assert clean.only_first == indices[39:]
    assert (clean.p, clean.adjusted) == (1.0, 1.0)


def test_a_verdict_says_who_is_better_by_how_much_or_what_the_samples_could_show(store: Store) -> None:
    add(store, plan_of("tmdc"), RIGHT, first(30))
    add(store, plan_of("vit"), first(39), first(15))
    for pair, sign in ((("tmdc", "vit"), 1), (("vit", "tmdc"), -1)):
        (duel,) = only(store, *pair).duels
        clean, attacked = duel.contrasts
        assert attacked.better == sign
        assert duel.verdict(attacked) == "tmdc is better by 37.5 points [22.5, 52.5]"
        least = smallest_difference(N, 1 / N, confidence=0.975)
        assert clean.better == 0
        assert clean.detectable == least
        assert duel.verdict(clean) == f"cannot be told apart; n=40 would show {100 * least:.1f} points"


def test_four_samples_can_show_no_difference(store: Store) -> None:
    for defense, perturbed in (("tmdc", [True] * 4), ("vit", [False] * 4)):
        add(store, plan_of(defense, samples=4), [True] * 4, perturbed)
    (duel,) = only(store, "tmdc", "vit").duels
    assert duel.verdict(duel.contrasts[1]) == "cannot be told apart; n=4 can show no difference"


def test_the_worst_case_is_taken_sample_by_sample_and_all_tests_are_corrected_together(store: Store) -> None:
    for defense, linf, l2 in (
        ("tmdc", first(30), RIGHT[:20] + [False] * 20),
        ("vit", first(20), RIGHT),
        ("rdc", RIGHT, RIGHT),
    ):
        add(store, plan_of(defense), RIGHT, linf)
        add(store, plan_of(defense, "aa-l2"), RIGHT, l2)
    comparison = only(store, "tmdc", "vit", "rdc")
    assert [(duel.first.label, duel.second.label) for duel in comparison.duels] == [
        ("tmdc", "vit"),
        ("tmdc", "rdc"),
        ("vit", "rdc"),
    ]
    contrasts = [contrast for duel in comparison.duels for contrast in duel.contrasts]
    assert [contrast.label for contrast in contrasts[:4]] == ["clean", "aa-l2", "aa-linf", "worst case"]
    assert contrasts[3].first.rate == contrasts[3].second.rate == 0.5
    assert (contrasts[3].both, contrasts[3].neither) == (20, 20)
    assert comparison.tests == len(contrasts) == 12
    assert tuple(contrast.adjusted for contrast in contrasts) == holm([contrast.p for contrast in contrasts])


def test_seeds_of_a_sample_count_once_each_and_are_no_further_samples(store: Store) -> None:
    """tmdc is right with both seeds on 10 samples and with one seed on 10 more; vit, of one seed, on 10 in all."""
    add(store, plan_of("tmdc", seed=0), RIGHT, first(20))
    add(store, plan_of("tmdc", seed=1), RIGHT, first(10))
    add(store, plan_of("vit"), RIGHT, first(10))
    (duel,) = only(store, "tmdc", "vit").duels
    attacked = duel.contrasts[1]
    assert (attacked.first.seeds, attacked.second.seeds, attacked.n) == (2, 1, N)
    assert attacked.first.rate == pytest.approx(15 / 40)
    assert attacked.first.interval == clustered_interval([1.0] * 10 + [0.5] * 10 + [0.0] * 20)
    assert attacked.only_first == plan_of().indices[10:20]
    assert (attacked.both, attacked.neither) == (10, 20)
    assert attacked.p == mcnemar(10, 0)
    assert attacked.difference == pytest.approx(5 / 40)


def test_the_worst_case_over_seeds_is_of_each_seed_alone(store: Store) -> None:
    for attack, kept in (("aa-linf", (first(20), first(10))), ("aa-l2", (first(10), first(20)))):
        for seed, perturbed in enumerate(kept):
            add(store, plan_of("tmdc", attack, seed=seed), RIGHT, perturbed)
        add(store, plan_of("vit", attack), RIGHT, RIGHT)
    (duel,) = only(store, "tmdc", "vit").duels
    worst = duel.contrasts[-1]
    assert worst.first.rate == pytest.approx(0.25)
    assert worst.first.seeds == 2


def test_draws_count_by_their_share(store: Store) -> None:
    add(store, plan_of("tmdc", draws=4), [(1,) * 4] * N, [(1, 1, 0, 0)] * N)
    add(store, plan_of("vit", draws=4), [(1,) * 4] * N, [(1, 0, 0, 0)] * 30 + [(1, 1, 0, 0)] * 10)
    (duel,) = only(store, "tmdc", "vit").duels
    attacked = duel.contrasts[1]
    assert (attacked.first.rate, attacked.second.rate) == (0.5, pytest.approx((30 / 4 + 10 / 2) / 40))
    assert (len(attacked.only_first), len(attacked.only_second), attacked.neither) == (30, 0, 10)
    assert duel.verdict(attacked).startswith("tmdc is better by 18.8 points")


def test_equal_settings_give_equal_numbers_and_the_seed_is_the_bootstraps(store: Store) -> None:
    add(store, plan_of("tmdc"), RIGHT, first(30))
    add(store, plan_of("vit"), RIGHT, first(17))
    assert only(store, "tmdc", "vit").document() == only(store, "tmdc", "vit").document()
    found, other = (only(store, "tmdc", "vit", seed=seed).duels[0].contrasts[1] for seed in (1, 2))
    assert (found.p, found.difference) == (other.p, other.difference)
    document = only(store, "tmdc", "vit", seed=3).document()
    assert document["bootstrap_seed"] == 3
    assert document["pairs"][0]["contrasts"][1]["only_first"] == list(plan_of().indices[17:30])


def test_what_one_of_two_has_not_finished_is_left_out_with_its_reason(store: Store) -> None:
    for defense in ("tmdc", "vit", "rdc"):
        add(store, plan_of(defense), RIGHT, RIGHT)
    add(store, plan_of("tmdc", "aa-l2"), RIGHT, RIGHT)
    add(store, plan_of("vit", "aa-l2"), RIGHT, RIGHT, shards=[0])
    add(store, plan_of("rdc", "fgsm-linf"), RIGHT, RIGHT, invalid="It left the budget.")
    with_vit, with_rdc, others = only(store, "tmdc", "vit", "rdc").duels
    assert [contrast.label for contrast in with_vit.contrasts] == ["clean", "aa-linf"]
    assert "aa-l2: vit is incomplete: 20 of 40 samples" in with_vit.left_out
    assert not any("fgsm-linf" in gap for gap in with_vit.left_out)
    assert "aa-l2: rdc was not run" in with_rdc.left_out
    assert "fgsm-linf: rdc is invalid: It left the budget" in with_rdc.left_out
    assert len(others.contrasts) == 2
    (duel,) = only(store, "tmdc", "vit").duels
    assert duel.left_out == ("aa-l2: vit is incomplete: 20 of 40 samples",)


def test_evidence_of_different_strength_is_told(store: Store) -> None:
    for defense in ("resnet", "tmdc", "vit"):
        add(store, plan_of(defense), RIGHT, RIGHT)
    with_source, others, _ = only(store, "tmdc", "resnet", "vit").duels
    assert with_source.unequal == {("transfer", "white-box"): ("aa-linf",)}
    assert others.unequal == {}


def test_namesakes_take_part_with_what_sets_them_apart(store: Store) -> None:
    for width in (16, 32):
        plan = plan_of("vit")
        add(store, replace(plan, defense=replace(plan.defense, params={"width": width})), RIGHT, first(width))
    (duel,) = only(store, "vit").duels
    assert {duel.first.label, duel.second.label} == {"vit width=16", "vit width=32"}


def test_attacks_and_protocols_can_be_chosen(store: Store) -> None:
    for defense in ("tmdc", "vit"):
        add(store, plan_of(defense), RIGHT, RIGHT)
        add(store, plan_of(defense, "aa-l2"), RIGHT, RIGHT)
        add(store, make_plan(defense), [True] * 1024, [True] * 1024)
    assert len(compare(store, ["tmdc", "vit"])) == 2
    comparison = only(store, "tmdc", "vit", protocols=[builtin_protocols()["transfer-1024"]])
    assert comparison.document()["protocol"] == "transfer-1024"
    comparison = only(store, "tmdc", "vit", attacks=["aa-l2"])
    assert [contrast.label for contrast in comparison.duels[0].contrasts] == ["clean", "aa-l2"]
    with pytest.raises(UsageError, match="No leaderboard has results under 'aa-l3'"):
        compare(store, ["tmdc", "vit"], attacks=["aa-l3"])


def test_the_same_attack_at_two_budgets_is_told_apart(store: Store) -> None:
    for defense in ("tmdc", "vit"):
        for epsilon in ("0.05", "0.1"):
            add(store, plan_of(defense, threat=ThreatModel("linf", Fraction(epsilon))), RIGHT, RIGHT)
    (duel,) = only(store, "tmdc", "vit").duels
    assert [contrast.label for contrast in duel.contrasts] == [
        "clean",
        "aa-linf linf 0.05",
        "aa-linf linf 0.1",
        "worst case",
    ]


def digests(plans: Sequence[Plan]) -> list[str]:
    return [plan.digest[:12] for plan in plans]


def test_plans_of_the_same_samples_can_be_paired_one_by_one(store: Store) -> None:
    transfer, white_box = plan_of("tmdc"), plan_of("tmdc", source=None)
    add(store, transfer, RIGHT, first(30))
    add(store, white_box, RIGHT, first(5))
    comparison = only(store, *digests([transfer, white_box]))
    (duel,) = comparison.duels
    assert (duel.first.label, duel.second.label) == ("tmdc (resnet images)", "tmdc (white box)")
    assert duel.contrasts[1].only_first == transfer.indices[5:30]
    assert comparison.document()["protocol"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": "beef" * 16}, "samples (f00df00d and beefbeef)"),
        ({"dataset": Spec("folder", {"path": "a"})}, "data set (digits and folder)"),
        ({"attack": Spec("fgsm-linf")}, "attack (aa-linf and fgsm-linf)"),
        ({"threat": ThreatModel("linf", Fraction("0.1"))}, "budget (linf 0.05 and linf 0.1)"),
    ],
)
def test_plans_that_do_not_belong_together_are_refused_in_one_sentence(
    store: Store, change: dict[str, Any], words: str
) -> None:
    plans = [plan_of("tmdc"), replace(plan_of("vit"), **change)]
    for plan in plans:
        add(store, plan, RIGHT, RIGHT)
    with pytest.raises(UsageError) as raised:
        compare(store, digests(plans))
    assert f"cannot be paired, for they differ in {words}" in str(raised.value)


def test_rival_attacks_on_one_defense_are_paired_under_their_budget(store: Store) -> None:
    plans = [plan_of("tmdc", attack, source=None) for attack in ("fmn-linf", "aa-linf")]
    add(store, plans[0], RIGHT, first(30))
    add(store, plans[1], RIGHT, first(12))
    comparison = only(store, *digests(plans))
    (duel,) = comparison.duels
    assert (duel.first.label, duel.second.label) == ("fmn-linf", "aa-linf")
    assert [contrast.label for contrast in duel.contrasts] == ["clean", "linf 0.05"]
    assert len(duel.contrasts[1].only_first) == 18


def test_unfinished_and_invalid_plans_are_refused(store: Store) -> None:
    plans = [plan_of("tmdc"), plan_of("vit"), plan_of("rdc")]
    add(store, plans[0], RIGHT, RIGHT)
    add(store, plans[1], RIGHT, RIGHT, shards=[0])
    add(store, plans[2], RIGHT, RIGHT, invalid="It left the budget.")
    with pytest.raises(UsageError, match="incomplete: 20 of 40"):
        compare(store, digests(plans[:2]))
    with pytest.raises(UsageError, match="invalid: It left the budget"):
        compare(store, digests([plans[0], plans[2]]))


def test_a_defense_of_a_script_is_named_by_any_path_to_it(store: Store) -> None:
    add(store, plan_of("mine.py:Mine"), RIGHT, RIGHT)
    add(store, plan_of("vit"), RIGHT, RIGHT)
    for reference in ("mine.py:Mine", "./mine.py:Mine", "../elsewhere/mine.py:Mine"):
        (comparison,) = compare(store, [reference, "vit"])
        assert [side.defense.name for side in comparison.match.sides] == ["mine.py:Mine", "vit"]


def test_references_that_lead_nowhere_say_so(store: Store) -> None:
    add(store, plan_of("tmdc"), RIGHT, RIGHT)
    add(store, plan_of("vit", images="beef" * 16), RIGHT, RIGHT)
    digest = plan_of("tmdc").digest[:12]
    for references, words in (
        (["tmdc", "tmcd"], "holds no defense 'tmcd'.* Did you mean 'tmdc'"),
        (["tmdc", "tmdc"], "'tmdc' is given twice"),
        (["tmdc"], "tmdc stands alone"),
        ([digest], "stands alone"),
        (["tmdc", "vit"], "tmdc and vit share no finished and valid result"),
        (["vit", digest], f"{digest} is a plan and vit a defense"),
    ):
        with pytest.raises(UsageError, match=words):
            compare(store, references)


def test_numbers_are_written_with_signs_and_without_false_precision() -> None:
    assert [signed(value) for value in (0.0312, -0.0312, 0.0004, -0.0004)] == [
        "+3.1",
        "\N{MINUS SIGN}3.1",
        "0.0",
        "0.0",
    ]
    assert [likelihood(p) for p in (1.0, 0.0384, 0.00012, 1e-20)] == ["1.0", "0.038", "0.00012", "< 0.0001"]
