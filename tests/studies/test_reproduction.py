"""What outcomes say of claims, and what stands beside printed figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bench.analysis.claims.reproduction import Reproduction, reproduce
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan
from bench.domain.threat import ThreatModel
from bench.protocols import find_protocol
from bench.protocols.studies import (
    Cell,
    Claim,
    PublishedFigure,
    Study,
    StudyColumn,
    StudyDraws,
    StudyRow,
    StudyTable,
)
from bench.stats import redrawn_mean, samples_to_show
from bench.store.store import Store
from tests.analysis.made import add, honest, make_plan

N = 200
FIRST, SECOND = ("first", "PGD"), ("second", "PGD")


def study(*claims: Claim, published: Sequence[PublishedFigure] = ()) -> Study:
    """Two rows under one attack."""
    return Study(
        *("mine", "1", "Mine", "Of mine.", "digits", "full"),
        protocol=find_protocol("transfer-1024"),
        samples=N,
        trainings=(),
        rows=(StudyRow("first", "tmdc"), StudyRow("second", "jem")),
        columns=(StudyColumn("clean", "none"), StudyColumn("PGD", "pgd-linf")),
        tables=(StudyTable("Table 1", ("first", "second"), ("PGD",)),),
        published=tuple(published),
        claims=claims,
    )


def filled(store: Store, right: dict[Cell, Sequence[bool]]) -> dict[Cell, Plan]:
    """Plans of cells with so many right predictions."""
    plans = {}
    for cell, predictions in right.items():
        plan = make_plan({"first": "tmdc", "second": "jem"}[cell[0]], "pgd-linf", samples=N, shard_size=N)
        add(store, plan, [True] * N, predictions)
        plans[cell] = plan
    return plans


def share(count: int) -> list[bool]:
    return [place < count for place in range(N)]


@pytest.mark.parametrize(
    ("claim", "second", "verdict"),
    [
        (Claim("", FIRST, "above", SECOND), 60, "holds"),
        (Claim("", FIRST, "below", SECOND), 60, "does not hold"),
        (Claim("", FIRST, "above", SECOND), 98, "cannot be told"),
        (Claim("", FIRST, "above", 0.4), 60, "holds"),
        (Claim("", FIRST, "below", 0.4), 60, "does not hold"),
        (Claim("", FIRST, "below", 0.51), 60, "cannot be told"),
        (Claim("", FIRST, "equal", SECOND, 0.05), 98, "holds"),
        (Claim("", FIRST, "equal", SECOND, 0.05), 60, "does not hold"),
        (Claim("", FIRST, "equal", SECOND, 0.01), 98, "cannot be told"),
        (Claim("", SECOND, "below", 0.005), 0, "cannot be told"),  # none of 200 is what chance gives of 0.5 % too
        (Claim("", SECOND, "below", 0.05), 0, "holds"),
        (Claim("", FIRST, "equal", SECOND, 0.01), 100, "cannot be told"),  # none of 200 differs: at most 1.8 %
        (Claim("", FIRST, "equal", SECOND, 0.02), 100, "holds"),
        (Claim("", FIRST, "above", ("second", "clean")), 60, "not measured"),
    ],
)
def test_a_claim_is_decided_by_the_samples(claim: Claim, second: int, verdict: str, store: Store) -> None:
    plans = filled(store, {FIRST: share(100), SECOND: share(second)})
    (found,) = reproduce(study(claim), plans, store).judgements
    assert found.verdict == verdict
    if verdict == "not measured":
        return
    assert found.n == N
    rate = {FIRST: 0.5, SECOND: second / N}
    other = rate[claim.other] if isinstance(claim.other, tuple) else claim.other
    assert found.difference == pytest.approx(rate[claim.cell] - other)
    assert found.interval.low <= found.difference <= found.interval.high
    if isinstance(claim.other, tuple) and found.p < 0.01:  # what a test shows its interval shows too
        assert not found.interval.low <= 0 <= found.interval.high
    assert (found.samples is not None) == (verdict == "cannot be told" and found.difference != 0)


def test_claims_are_corrected_together(store: Store) -> None:
    plans = filled(store, {FIRST: share(106), SECOND: share(100)})
    alone = reproduce(study(Claim("", FIRST, "above", SECOND)), plans, store).judgements[0]
    assert alone.verdict == "holds"
    many = [Claim(str(place), FIRST, "above", SECOND) for place in range(4)]
    for each in reproduce(study(*many), plans, store).judgements:
        assert each.verdict == "cannot be told"
        assert each.adjusted == pytest.approx(4 * alone.p)


def test_samples_of_other_images_are_not_paired(store: Store) -> None:
    plans = filled(store, {FIRST: share(100), SECOND: share(60)})
    other = replace(plans[SECOND], sample_seed=7)
    add(store, other, [True] * N, share(60))
    (found,) = reproduce(study(Claim("", FIRST, "above", SECOND)), {**plans, SECOND: other}, store).judgements
    assert found.verdict == "not measured"


def test_printed_figures_and_adaptive_ones_stand_beside_what_was_measured(store: Store) -> None:
    plans = filled(store, {FIRST: share(100), SECOND: share(60)})
    for epsilon, right in (("0.05", 30), ("0.1", 5)):
        adaptive = make_plan("tmdc", "adaptive-linf", source=None, samples=N, shard_size=N)
        adaptive = replace(adaptive, threat=ThreatModel("linf", Fraction(epsilon)))
        add(store, adaptive, [True] * N, share(right))
    printed = [PublishedFigure("first", "PGD", 0.52, "Table 1"), PublishedFigure("second", "PGD", 0.9, "Table 1")]
    found = reproduce(study(published=printed), plans, store)
    first, second = (found.measured[cell] for cell in (FIRST, SECOND))
    assert first.covers is True
    assert first.difference == pytest.approx(-0.02)
    assert first.adaptive is not None
    assert first.adaptive.robust_accuracy == pytest.approx(0.15)
    assert second.covers is False
    assert second.adaptive is None
    document = found.document()
    assert [cell["covers"] for cell in document["cells"]] == [True, False]


def test_a_column_with_a_radius_counts_who_is_certified_there(store: Store) -> None:
    plan = make_plan("smoothing", "certify-l2", source=None, knowledge="certified", samples=N, shard_size=N)
    radii = [0.6 if place < 50 else 0.3 if place < 120 else 0.0 for place in range(N)]
    outcomes = tuple(
        Outcome(index, 1, (1,), (1,), 0.0, radius=radius) for index, radius in zip(plan.indices, radii, strict=True)
    )
    store.add(plan, ShardResult(0, outcomes, 0, 0, 1.0, 1, "c0" * 32, facts=honest(plan)))
    columns = tuple(StudyColumn(f"at {radius}", "certify-l2", radius=radius) for radius in (0.0, 0.3, 0.5))
    claim = Claim("", ("first", "at 0.5"), "below", ("first", "at 0.0"))
    found = replace(
        study(claim),
        columns=columns,
        tables=(StudyTable("Table 1", ("first",), tuple(column.name for column in columns)),),
    )
    made = reproduce(found, dict.fromkeys(found.cells(), plan), store)
    figures = [cell.figure.rate for cell in made.measured.values() if cell.figure is not None]
    assert figures == [0.6, 0.6, 0.25]
    assert made.judgements[0].verdict == "holds"
    assert made.judgements[0].difference == pytest.approx(-0.35)


def test_a_mean_of_columns_is_each_samples_mean(store: Store) -> None:
    plans = {}
    for name, right in (("pgd-linf", 100), ("fgsm-linf", 160)):
        plan = make_plan("tmdc", name, samples=N, shard_size=N)
        add(store, plan, [True] * N, share(right))
        plans["first", name] = plan
    columns = (
        StudyColumn("pgd-linf", "pgd-linf"),
        StudyColumn("fgsm-linf", "fgsm-linf"),
        StudyColumn("mean", "none", mean_of=("pgd-linf", "fgsm-linf")),
    )
    claim = Claim("", ("first", "mean"), "below", ("first", "fgsm-linf"))
    found = replace(study(claim), columns=columns, tables=(StudyTable("Table 1", ("first",), ("mean",)),))
    assert found.evaluated() == (("first", "pgd-linf"), ("first", "fgsm-linf"))
    made = reproduce(found, plans, store)
    figure = made.measured["first", "mean"].figure
    assert figure is not None
    assert figure.rate == pytest.approx(0.65)
    assert made.judgements[0].verdict == "holds"
    del plans["first", "pgd-linf"]
    missing = reproduce(found, plans, store)
    assert missing.measured["first", "mean"].figure is None
    assert missing.judgements[0].verdict == "not measured"


def test_many_small_differences_of_means_do_not_outvote_few_large_ones(store: Store) -> None:
    parts, plans = ("pgd-linf", "fgsm-linf", "aa-linf"), {}
    right = {
        "pgd-linf": [number >= 60 for number in range(N)],  # a third less than the other column on 60 samples
        "fgsm-linf": [True] * N,
        "aa-linf": [True] * N,
        "square-linf": [number < N - 20 for number in range(N)],  # which is a whole one less on 20
    }
    for name, shares in right.items():
        plan = make_plan("tmdc", name, samples=N, shard_size=N)
        add(store, plan, [True] * N, shares)
        plans["first", name] = plan
    columns = (*(StudyColumn(name, name) for name in right), StudyColumn("mean", "none", mean_of=parts))
    claim = Claim("", ("first", "mean"), "below", ("first", "square-linf"))
    found = replace(study(claim), columns=columns, tables=(StudyTable("Table 1", ("first",), ("mean",)),))
    judged = reproduce(found, plans, store).judgements[0]
    assert judged.difference == pytest.approx(0.0)
    assert judged.p > 0.9
    assert judged.verdict == "cannot be told"


def test_what_is_missing_or_invalid_was_not_measured(store: Store) -> None:
    plans = filled(store, {FIRST: share(100)})
    broken = make_plan("jem", "pgd-linf", samples=N, shard_size=N)
    add(store, broken, [True] * N, share(60), invalid="outside the budget")
    found = reproduce(study(Claim("", FIRST, "above", SECOND)), {**plans, SECOND: broken}, store)
    assert found.measured[SECOND].result is None
    refused = found.measured[SECOND].refused
    assert refused is not None
    assert refused.invalid == ("outside the budget",)
    assert found.measured[FIRST].refused is None
    assert found.judgements[0].verdict == "not measured"


def test_the_samples_that_would_tell_are_those_of_which_a_test_tells_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    count = samples_to_show(0.1, 0.25)
    assert count is not None
    shown = 0
    for _ in range(2000):
        draws = rng.normal(0.1, 0.5, count)
        shown += abs(draws.mean()) > 1.96 * draws.std() / count**0.5
    assert 0.77 < shown / 2000 < 0.83
    assert samples_to_show(0.0, 0.25) is None


def over(right: dict[str, Sequence[int]], store: Store, size: int = 2000) -> Reproduction:
    """A study of draws: of each row so many right predictions a sample seed, out of N."""
    names = tuple(f"PGD, {seed}" for seed in range(len(next(iter(right.values())))))
    draws = StudyDraws("Figure", ("first", "second"), ("PGD",), tuple(range(len(names))), {"PGD": names})
    found = study(Claim("", FIRST, "above", SECOND, drawn="Figure"))
    columns = tuple(StudyColumn(name, "pgd-linf", of="PGD", sample_seed=seed) for seed, name in enumerate(names))
    plans = {}
    for row, counts in right.items():
        for seed, (name, count) in enumerate(zip(names, counts, strict=True)):
            defense = {"first": "tmdc", "second": "jem"}[row]
            plan = make_plan(defense, "pgd-linf", samples=N, shard_size=N, sample_seed=seed, size=size)
            add(store, plan, [True] * N, share(count))
            plans[row, name] = plan
    return reproduce(replace(found, tables=(), columns=(*found.columns, *columns), draws=(draws,)), plans, store)


def test_a_claim_over_draws_is_tested_with_the_draws_as_clusters(store: Store) -> None:
    found = over({"first": [150, 154, 149, 152, 155], "second": [140, 141, 139, 145, 141]}, store)
    (told,) = found.judgements
    assert told.verdict == "holds"
    assert told.difference == pytest.approx(10.8 / N)
    interval, p = redrawn_mean([10 / N, 13 / N, 10 / N, 7 / N, 14 / N], 0.1)
    assert (told.interval.low, told.interval.high, told.p) == pytest.approx((interval.low, interval.high, p))
    drawn = found.drawn["Figure", "first", "PGD"]
    assert drawn is not None
    assert drawn.means == (0.75, 0.77, 0.745, 0.76, 0.775)
    assert (drawn.samples, drawn.share) == (N, 0.1)
    assert N < drawn.images <= 5 * N


def test_draws_that_are_apart_now_and_then_tell_nothing(store: Store) -> None:
    (told,) = over({"first": [150, 120, 149, 152, 155], "second": [140, 141, 139, 145, 141]}, store).judgements
    assert told.verdict == "cannot be told"


def test_where_a_draw_is_missing_nothing_is_said(store: Store) -> None:
    found = over({"first": [150, 154], "second": [150, 154]}, store)
    results = {cell: each.result for cell, each in found.measured.items()}
    plans = {cell: result.plan for cell, result in results.items() if result is not None}
    del plans["second", "PGD, 1"]
    again = reproduce(found.study, plans, store)
    assert again.judgements[0].verdict == "not measured"
    assert again.drawn["Figure", "second", "PGD"] is None
