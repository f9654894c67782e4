from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from pyarrow import parquet

from bench.analysis.boards.choice import distinct
from bench.analysis.boards.leaderboards import leaderboards
from bench.analysis.boards.tables import tabulate
from bench.analysis.results.summary import read
from bench.domain.errors import BenchError, UsageError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.pages.export.columns import RESULT_COLUMNS
from bench.pages.export.file_types import Format, What, format_of
from bench.pages.export.text_tables import json_text, latex_text, markdown_text
from bench.pages.export.writing import export
from bench.pages.whole_files import replacing
from bench.store.store import Store
from tests.analysis.made import add, make_plan, small_plan

NASTY = '=cmd|"/c calc"!A1,</script>'


@pytest.fixture
def filled(store: Store) -> Store:
    """Two defenses under two attacks, one of them incomplete, and a random defense of two draws."""
    for attack in ("aa-linf", "aa-l2"):
        add(store, small_plan("tmdc", attack), [True] * 8, [True] * 6 + [False] * 2, remarks=("slow; but sure",))
    add(store, small_plan("vit"), [True] * 8, [False] * 8, shards=[1])
    random = small_plan("rdc", source=None, draws=2)
    add(store, random, [(1, 1)] * 8, [(1, 0)] * 8)
    return store


def written(store: Store, what: What, form: Format, protocol: str | None = None, dataset: str | None = None) -> bytes:
    sink = io.BytesIO()
    export(store, sink, what, form, protocol=protocol, dataset=dataset)
    return sink.getvalue()


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def table_of(content: bytes) -> list[dict[str, object]]:
    found: list[dict[str, object]] = parquet.read_table(io.BytesIO(content)).to_pylist()
    return found


def test_results_are_a_row_a_plan_with_intervals_seeds_evidence_and_hashes(filled: Store) -> None:
    rows = json.loads(written(filled, What.RESULTS, Format.JSON))
    assert [row["plan"] for row in rows] == [plan.digest for plan in filled.plans()]
    assert all(list(row) == list(RESULT_COLUMNS) for row in rows)
    row, result = rows[0], read(filled, filled.plans()[0])
    expected = {
        "defense": "tmdc",
        "attack": "aa-linf",
        "source": "resnet",
        "epsilon": 0.05,
        "epsilon_exact": "0.05",
        "samples": 8,
        "seed": 0,
        "sample_seed": 2024,
        "assurance": "transfer",
        "robust_accuracy": 0.75,
        "robust_low": result.interval.low,
        "robust_high": result.interval.high,
        "clean_high": 1.0,
        "certified_0.5": None,
        "remarks": "slow; but sure",
        "torch": "2.0",
        "images_sha256": "f00d" * 16,
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["defense_weights"]) == {"network": "ab" * 32}
    assert (rows[2]["complete"], rows[2]["judged"]) == (False, 4)


def test_results_say_the_same_in_every_format(filled: Store) -> None:
    as_json = json.loads(written(filled, What.RESULTS, Format.JSON))
    assert table_of(written(filled, What.RESULTS, Format.PARQUET)) == as_json
    for plain, row in zip(rows_of(written(filled, What.RESULTS, Format.CSV)), as_json, strict=True):
        for name, kind in RESULT_COLUMNS.items():
            if row[name] is None:
                assert plain[name] == ""
            elif kind is bool:
                assert plain[name] == str(row[name]).lower()
            else:
                assert kind(plain[name]) == row[name]


def test_outcomes_are_a_row_a_sample_in_the_order_of_the_plans(filled: Store) -> None:
    rows = json.loads(written(filled, What.OUTCOMES, Format.JSON))
    assert len(rows) == 8 + 8 + 4 + 8
    assert rows[:8] == [
        {
            **{"plan": filled.plans()[0].digest, "defense": "tmdc", "attack": "aa-linf"},
            **{"sample": outcome.index, "label": 1, "clean": [1], "perturbed": list(outcome.perturbed)},
            **{"distance": 0.05, "radius": None, "minimal": None, "broken_at": None, "fell_to": None},
        }
        for outcome in filled.outcomes(filled.plans()[0])
    ]
    assert rows[-1]["perturbed"] == [1, 0]
    assert table_of(written(filled, What.OUTCOMES, Format.PARQUET)) == rows
    plain = rows_of(written(filled, What.OUTCOMES, Format.CSV))
    assert [row["perturbed"] for row in plain] == [" ".join(map(str, row["perturbed"])) for row in rows]
    assert [int(row["sample"]) for row in plain] == [row["sample"] for row in rows]


def measured(store: Store) -> Plan:
    """A plan with radii, nearest images and iterations, where they are known."""
    plan = small_plan()
    rows = zip(plan.indices[:4], (0.5, None), (math.inf, 0.01), (-1, 3), strict=False)
    outcomes = tuple(Outcome(*(index, 1, (1,), (1,), 0.05), *measures) for index, *measures in rows)
    outcomes += tuple(Outcome(index, 1, (1,), (1,), 0.05) for index in plan.indices[2:4])
    store.add(plan, ShardResult(0, outcomes, 0, 0, 1.0, 1, "c0" * 32))
    return plan


def test_unknown_is_nothing_and_infinite_is_infinite(store: Store) -> None:
    measured(store)
    rows = json.loads(written(store, What.OUTCOMES, Format.JSON))
    measures = [[row[name] for row in rows] for name in ("radius", "minimal", "broken_at")]
    assert measures == [[0.5, None, None, None], ["Infinity", 0.01, None, None], [-1, 3, None, None]]
    assert [row["minimal"] for row in table_of(written(store, What.OUTCOMES, Format.PARQUET))][:2] == [math.inf, 0.01]
    plain = rows_of(written(store, What.OUTCOMES, Format.CSV))
    assert [row["minimal"] for row in plain] == ["inf", "0.01", "", ""]
    assert [row["broken_at"] for row in plain] == ["-1", "3", "", ""]


def test_certified_accuracy_and_accuracy_by_epsilon_have_columns(store: Store) -> None:
    plan = measured(store)
    (row,) = json.loads(written(store, What.RESULTS, Format.JSON))
    result = read(store, plan)
    assert [row[f"certified_{radius:g}"] for radius in result.certified] == [
        share.rate for share in result.certified.values()
    ]
    assert [row["robust_at_0.25_epsilon"], row["robust_at_1_epsilon"], row["robust_at_2_epsilon"]] == [0.5, 0.5, 0.5]


def test_leaderboards_are_the_tables_of_the_page(filled: Store) -> None:
    boards = [tabulate(board) for board in leaderboards(filled)]
    assert len(boards) == 2
    found = {form: written(filled, What.LEADERBOARD, form).decode() for form in Format if form is not Format.PARQUET}
    assert found[Format.LATEX] == "\n".join(map(latex_text, boards))
    assert found[Format.MARKDOWN] == "\n".join(map(markdown_text, boards))
    assert json.loads(found[Format.JSON]) == [json.loads(json_text(board)) for board in boards]
    rows = rows_of(found[Format.CSV].encode())
    assert [(row["leaderboard"], row["defense"]) for row in rows] == [
        (board.name, row[1]) for board in boards for row in board.rows
    ]
    in_parquet = table_of(written(filled, What.LEADERBOARD, Format.PARQUET))
    assert [row["defense"] for row in in_parquet] == [row["defense"] for row in rows]
    vit = next(row for row in in_parquet if row["defense"] == "vit")
    assert (vit["aa-linf"], vit["aa-linf n"], vit["aa-linf state"]) == (0.0, 4, "partial")
    assert (vit["aa-l2"], vit["aa-l2 state"]) == (None, "not run")


def test_an_invalid_figure_is_no_number(store: Store) -> None:
    add(store, small_plan(), [True] * 8, [True] * 8, invalid="One image lies outside.")
    (row,) = table_of(written(store, What.LEADERBOARD, Format.PARQUET))
    assert (row["aa-linf"], row["aa-linf low"], row["aa-linf state"]) == (None, None, "invalid")
    schema = parquet.read_table(io.BytesIO(written(store, What.LEADERBOARD, Format.PARQUET))).schema
    assert [str(schema.field(name).type) for name in ("aa-linf", "worst n", "rank")] == ["double", "int64", "int64"]


def test_a_protocol_or_a_data_set_leaves_out_everything_else(filled: Store) -> None:
    for seed in (0, 1):
        add(filled, make_plan("vit", "pgd-linf", seed=seed), [True] * 1024, [True] * 1024)
    add(filled, small_plan("vit", dataset=Spec("cifar10")), [True] * 8, [True] * 8)
    rows = json.loads(written(filled, What.RESULTS, Format.JSON, protocol="transfer-1024"))
    assert [(row["samples"], row["seed"]) for row in rows] == [(1024, 0), (1024, 1)]
    for what in (What.RESULTS, What.OUTCOMES):
        rows = json.loads(written(filled, what, Format.JSON, dataset="cifar10"))
        assert {row["plan"] for row in rows} == {filled.plans()[-1].digest}
    assert len(json.loads(written(filled, What.LEADERBOARD, Format.JSON, dataset="cifar10"))) == 1
    with pytest.raises(UsageError, match=r"no leaderboard of 'transfer-1024' and 'cifar10'; .* digits · transfer-1024"):
        written(filled, What.RESULTS, Format.CSV, "transfer-1024", "cifar10")
    with pytest.raises(UsageError, match="Did you mean"):
        written(filled, What.LEADERBOARD, Format.CSV, "transfer-102")


@pytest.mark.parametrize("what", What)
def test_a_store_without_results_has_nothing_to_write(store: Store, what: What) -> None:
    with pytest.raises(UsageError, match="no results yet"):
        written(store, what, Format.CSV)


def test_equal_stores_give_equal_bytes(filled: Store, tmp_path: Path) -> None:
    twin = Store(tmp_path / "twin.db")
    for plan in filled.plans():
        twin.fill(plan, [(shard, outcomes_of(filled, plan, shard.number)) for shard in filled.shards(plan)])
    for what in What:
        for form in Format:
            if what is What.LEADERBOARD or form not in (Format.LATEX, Format.MARKDOWN):
                assert written(filled, what, form) == written(twin, what, form) == written(filled, what, form)


def outcomes_of(store: Store, plan: Plan, number: int) -> list[Outcome]:
    return [outcome for outcome in store.outcomes(plan) if outcome.index in plan.shards()[number].indices]


def test_names_with_formulas_and_markup_do_no_harm(store: Store) -> None:
    add(store, small_plan(NASTY), [True] * 8, [True] * 8, remarks=('@SUM(1)\n"quoted"',))
    for what in What:
        (name,) = {row["defense"] for row in rows_of(written(store, what, Format.CSV))}
        assert name == f"'{NASTY}"
        assert {row["defense"] for row in table_of(written(store, what, Format.PARQUET))} == {NASTY}
    (row,) = rows_of(written(store, What.RESULTS, Format.CSV))
    assert row["remarks"] == '\'@SUM(1)\n"quoted"'


def test_more_rows_than_are_kept_in_memory_come_out_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for defense in "abcde":
        add(store, small_plan(defense), [True] * 8, [True] * 8)
    whole = [written(store, What.OUTCOMES, form) for form in (Format.CSV, Format.JSON)]
    monkeypatch.setattr("bench.pages.export.writing.ROWS", 16)
    assert [written(store, What.OUTCOMES, form) for form in (Format.CSV, Format.JSON)] == whole
    rows = table_of(written(store, What.OUTCOMES, Format.PARQUET))
    assert [row["sample"] for row in rows] == [row["sample"] for row in json.loads(whole[1])]


def test_results_are_no_prose(filled: Store) -> None:
    for what in (What.RESULTS, What.OUTCOMES):
        with pytest.raises(UsageError, match="csv, json or parquet"):
            written(filled, what, Format.LATEX)


def test_a_files_ending_says_its_format() -> None:
    assert format_of("a/b.CSV") is Format.CSV
    assert format_of("paper.tex") is Format.LATEX
    with pytest.raises(UsageError, match=r"\.parquet"):
        format_of("results.xls")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as file:
        file.write(b"whole")
        assert not path.exists()
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"ha", "lf"])  # type: ignore[list-item]
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "below.csv"):
        with pytest.raises(BenchError, match="could not be written"), replacing(place):
            pass


def test_a_link_goes_on_leading_to_its_file(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "file.txt")
    with replacing(link) as file:
        file.write(b"content")
    assert link.is_symlink()
    assert (tmp_path / "file.txt").read_bytes() == b"content"


def test_names_that_stand_twice_get_a_number() -> None:
    assert distinct(["a", "b", "a", "a-2", "a"]) == ("a", "b", "a-2", "a-2-2", "a-3")


def test_an_epsilon_that_no_short_text_gives_exactly_is_a_fraction(store: Store) -> None:
    plan = small_plan()
    odd = replace(plan, threat=replace(plan.threat, epsilon=Fraction("0.01234567")))
    add(store, odd, [True] * 8, [True] * 8)
    (row,) = json.loads(written(store, What.RESULTS, Format.JSON))
    assert row["epsilon_exact"] == "1234567/100000000"
