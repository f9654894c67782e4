"""Corruption errors, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from bench.analysis.boards.corruptions import compare, corruption_errors
from bench.analysis.evidence.assurance import Assurance
from bench.analysis.results.accuracy import Accuracy
from bench.analysis.results.entries import read_entry
from bench.analysis.results.summary import Result
from bench.datasets.cifar10_c import COMMON, SEVERITIES
from bench.domain.errors import UsageError
from bench.domain.plan import Spec
from bench.domain.threat import ThreatModel
from bench.stats import Proportion, wilson
from bench.store.store import Store
from tests.analysis.made import add, small_plan

N = 200


def result(defense: str, kind: str, severity: int, wrong: float, *, clean_wrong: int = 10, judged: int = N) -> Result:
    """A result in which so many of 200 samples are misclassified."""
    plan = replace(
        small_plan(defense),
        attack=Spec("weather", {"kind": kind, "bits": 8}),
        source=None,
        threat=ThreatModel("corruption", Fraction(severity)),
        samples=N,
        knowledge="black-box",
    )
    clean, robust = (Proportion(judged - count, judged) for count in (clean_wrong, wrong))
    return Result(
        plan=plan,
        clean=Accuracy(clean, clean, clean, clean),
        robust=Accuracy(robust, robust, robust, robust),
        shards=1,
        invalid=(),
        remarks=(),
        largest_distance=float(severity),
        forwards=0,
        backwards=0,
        seconds=1.0,
        peak_memory=0,
        finished=datetime(2024, 1, 1, tzinfo=UTC),
        environments=(),
        assurance=Assurance("black-box"),
    )


def judged(defense: str, kind: str, severity: int, wrong: float, *, n: int = N, **changes: object) -> Result:
    """The same of the untouched images of a corrupted data set."""
    found = result(defense, kind, severity, wrong, clean_wrong=wrong, judged=n)
    dataset = Spec("cifar10-c", {"kind": kind, "severity": severity})
    images = f"{kind}{severity}"
    plan = replace(found.plan, dataset=dataset, images=images, size=10_000).untouched()
    return replace(found, plan=replace(plan, **changes))


def on_clean(defense: str, wrong: float, **changes: object) -> Result:
    """The same of the untouched images of the data set that was corrupted."""
    found = judged(defense, "fog", 1, wrong)
    return replace(found, plan=replace(found.plan, dataset=Spec("cifar10"), images="clean", **changes))


def data_set(defense: str = "resnet", factor: float = 1) -> list[Result]:
    """All 75 cells, each a data set's."""
    return [
        judged(defense, kind, severity, factor * wrong(kind, severity)) for kind in COMMON for severity in SEVERITIES
    ]


def wrong(kind: str, severity: int) -> int:
    """Errors that differ from cell to cell."""
    return 10 + COMMON.index(kind) + 4 * severity


def grid(defense: str = "resnet", factor: float = 1, clean_wrong: int = 10) -> list[Result]:
    """All 75 cells, a multiple of `wrong`."""
    return [
        result(defense, kind, severity, factor * wrong(kind, severity), clean_wrong=clean_wrong)
        for kind in COMMON
        for severity in SEVERITIES
    ]


def test_the_mean_corruption_error_is_that_of_all_75_cells() -> None:
    (table,) = corruption_errors(grid())
    assert table.missing == ()
    assert table.errors["snow"][3] == Proportion(wrong("snow", 3), N)
    assert table.by_kind["snow"].rate == pytest.approx(wrong("snow", 3) / N)
    assert table.clean == Proportion(10, N)
    assert table.mean is not None
    assert table.mean.rate == pytest.approx((10 + 7 + 12) / N)
    assert table.mean.interval == wilson(29, N)


def test_the_order_of_results_changes_nothing() -> None:
    assert corruption_errors(reversed(grid()))[0].errors == corruption_errors(grid())[0].errors


def test_cells_that_are_absent_incomplete_or_invalid_are_missing_and_leave_no_mean() -> None:
    results = grid()
    results[0] = replace(results[0], invalid=("Out of range.",))
    results[6] = result("resnet", "shot_noise", 2, 5, judged=N - 1)
    del results[74]
    (table,) = corruption_errors(results)
    assert table.missing == (("gaussian_noise", 1), ("shot_noise", 2), ("jpeg_compression", 5))
    assert table.mean is None
    assert "snow" in table.by_kind
    assert "shot_noise" not in table.by_kind


def test_other_kinds_have_errors_but_no_part_in_the_mean() -> None:
    extra = [result("resnet", "saturate", severity, N) for severity in SEVERITIES]
    (table,) = corruption_errors([*extra, *grid()])
    assert table.by_kind["saturate"].rate == 1
    assert list(table.errors) == [*COMMON, "saturate"]
    assert table.mean == corruption_errors(grid())[0].mean


def test_defenses_and_settings_stand_apart() -> None:
    other_samples = [replace(one, plan=replace(one.plan, sample_seed=1)) for one in grid()]
    tables = corruption_errors([*grid("tmdc"), *grid(), *other_samples])
    assert [(table.example.defense.name, table.example.sample_seed) for table in tables] == [
        ("tmdc", 2024),
        ("resnet", 2024),
        ("resnet", 1),
    ]


def test_results_in_other_norms_or_without_a_kind_are_left_out() -> None:
    other = replace(grid()[0], plan=small_plan("resnet"))
    nameless = grid()[0]
    nameless = replace(nameless, plan=replace(nameless.plan, attack=Spec("dark", {})))
    assert corruption_errors([other, nameless]) == ()


def test_untouched_images_of_a_corrupted_data_set_count_alike() -> None:
    (table,) = corruption_errors(data_set())
    (crafted,) = corruption_errors(grid())
    assert table.missing == ()
    assert table.errors == crafted.errors
    assert table.mean == crafted.mean
    assert table.clean is None


def test_the_clean_error_of_a_corrupted_data_set_is_that_of_the_same_samples_uncorrupted() -> None:
    other = on_clean("resnet", 50, sample_seed=1)
    (table,) = corruption_errors([other, on_clean("tmdc", 60), on_clean("resnet", 10), *data_set()])
    assert table.clean == Proportion(10, N)
    (attacked,) = corruption_errors([attacked_clean("resnet", 10), *data_set()])
    assert attacked.clean == Proportion(10, N)


def attacked_clean(defense: str, wrong: float) -> Result:
    """A result under an attack, which tells of the clean images too."""
    found = on_clean(defense, wrong)
    threat = ThreatModel("linf", Fraction(8, 255))
    return replace(found, plan=replace(found.plan, attack=Spec("pgd-linf"), threat=threat, knowledge="white-box"))


def test_crafted_and_published_corruptions_stand_apart() -> None:
    tables = corruption_errors([*data_set()[:70], *grid()[70:]])
    assert [len(table.missing) for table in tables] == [5, 70]


def test_incomplete_results_of_a_corrupted_data_set_are_missing() -> None:
    cells = data_set()
    cells[3] = judged("resnet", "gaussian_noise", 4, 3, n=N - 1)
    (table,) = corruption_errors(cells)
    assert table.missing == (("gaussian_noise", 4),)


def test_attacks_on_a_corrupted_data_set_are_no_corruption_errors() -> None:
    found = data_set()[0]
    attacked = replace(found.plan, attack=Spec("pgd-linf"), threat=ThreatModel("linf", Fraction(8, 255)))
    assert corruption_errors([replace(found, plan=attacked)]) == ()


def test_corrupted_data_sets_are_compared_and_relative_where_clean_errors_are_known() -> None:
    tables = corruption_errors([*data_set(), *data_set("tmdc", factor=2)])
    subject = compare(tables, "resnet")[1]
    assert (subject.mean, subject.relative) == (pytest.approx(2), None)
    known = [on_clean("resnet", 10), on_clean("tmdc", 20)]
    subject = compare(corruption_errors([*known, *data_set(), *data_set("tmdc", factor=2)]), "resnet")[1]
    assert subject.relative == pytest.approx(2)


def test_a_defense_in_half_precision_is_compared_with_a_baseline_in_single() -> None:
    half = [replace(one, plan=replace(one.plan, precision="bfloat16")) for one in grid("tmdc", factor=2)]
    assert [each.mean for each in compare(corruption_errors([*grid(), *half]), "resnet")] == [
        pytest.approx(1),
        pytest.approx(2),
    ]


def test_a_comparison_averages_the_ratios_of_the_kinds() -> None:
    tables = corruption_errors([*grid(), *grid("tmdc", factor=2, clean_wrong=20)])
    base, subject = compare(tables, "resnet")
    assert (base.mean, base.relative) == (pytest.approx(1), pytest.approx(1))
    assert (subject.mean, subject.relative) == (pytest.approx(2), pytest.approx(2))


def test_a_relative_error_takes_the_clean_error_off_first() -> None:
    tables = corruption_errors([*grid(), *grid("tmdc", clean_wrong=0)])
    relative = compare(tables, "resnet")[1].relative
    ratios = [(10 + place + 12) / (place + 12) for place in range(15)]
    assert relative == pytest.approx(sum(ratios) / 15)


def test_a_comparison_is_none_where_cells_are_missing_or_the_baseline_never_errs() -> None:
    partial = compare(corruption_errors([*grid(), *grid("tmdc")[1:]]), "resnet")[1]
    assert (partial.mean, partial.relative) == (None, None)
    perfect = compare(corruption_errors([*grid("tmdc", factor=0), *grid()]), "tmdc")[1]
    assert perfect.mean is None


def test_a_baseline_must_be_there_and_be_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'resnet'"):
        compare(corruption_errors(grid()), "resnt")
    wide = [replace(one, plan=replace(one.plan, defense=Spec("resnet", {"width": 64}))) for one in grid()]
    with pytest.raises(UsageError, match="different settings"):
        compare(corruption_errors([*grid(), *wide]), "resnet")


def test_plans_read_from_a_store_count_alike(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.db")
    for severity in SEVERITIES:
        plan = replace(
            small_plan("resnet"),
            attack=Spec("weather", {"kind": "fog"}),
            threat=ThreatModel("corruption", Fraction(severity)),
            knowledge="black-box",
        )
        add(store, plan, [True] * 8, [False] * severity + [True] * (8 - severity))
    (table,) = corruption_errors(read_entry(store, plan).result for plan in store.plans())
    assert {severity: share.rate for severity, share in table.errors["fog"].items()} == {
        severity: severity / 8 for severity in SEVERITIES
    }
    assert table.by_kind["fog"].rate == 3 / 8
    assert len(table.missing) == 70


def test_untouched_plans_read_from_a_store_count_alike(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.db")
    for severity in SEVERITIES:
        dataset = Spec("cifar10-c", {"kind": "fog", "severity": severity})
        plan = replace(small_plan("resnet"), dataset=dataset, images=f"{severity:064}").untouched()
        right = [False] * severity + [True] * (8 - severity)
        add(store, plan, right, right)
    add(store, replace(small_plan("resnet"), dataset=Spec("cifar10")).untouched(), [True] * 8, [True] * 8)
    (table,) = corruption_errors(read_entry(store, plan).result for plan in store.plans())
    assert table.by_kind["fog"].rate == 3 / 8
    assert table.clean == Proportion(0, 8)
