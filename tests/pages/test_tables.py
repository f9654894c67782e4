"""The table as text: what a spreadsheet, a program and a paper get."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.analysis.boards.tables import column_keys, slug, tabulate, titles
from bench.domain.plan import Spec
from bench.pages.export.text_tables import csv_text, json_text, latex_text, markdown_text, pieces
from bench.store.store import Store
from tests import needs
from tests.analysis.made import add, make_plan, small_plan

RIGHT, HALF = [True] * 1024, [number % 2 == 0 for number in range(1024)]
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "＝1",
    'a,"b"\nc',
    "\\input{/etc/passwd}",
    "a_b & 50% #1 $x$ {~^}",
    "[x] *y* `z` | <b>é</b>",
    "$ℓ$∞--",
    "ℓ∞ ≤ 中",
    "".join(map(chr, range(0x20, 0x7F))),
    "".join(map(chr, range(0xA0, 0x100))),
]


def board(store: Store) -> Leaderboard:
    return leaderboards(store)[0]


def filled(store: Store) -> Leaderboard:
    """One whole row, one incomplete, one invalid."""
    for defense in ("resnet", "tmdc", "vit"):
        add(store, make_plan(defense, "fgsm-linf"), RIGHT, HALF, passes=(2, 1))
    add(store, make_plan("resnet"), RIGHT, [number % 4 == 0 for number in range(1024)], passes=(40, 20))
    add(store, make_plan("tmdc"), RIGHT, RIGHT, shards=[0, 1, 2])
    add(store, make_plan("vit"), RIGHT, HALF, invalid="2 images left the budget.")
    return board(store)


def hostile(store: Store) -> Leaderboard:
    """A row for each hostile name, under an attack with one."""
    for number, name in enumerate(HOSTILE):
        attack = Spec(name, {"note": name})
        plan = replace(small_plan(), defense=Spec(name, {"width": number}), source=None)
        add(store, plan, [True] * 8, [True] * 8)
        add(store, replace(plan, attack=attack), [True] * 8, [True] * 8)
    return board(store)


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_gives_every_figure_with_its_interval_and_its_samples(store: Store) -> None:
    rows = {row["defense"]: row for row in records(csv_text(tabulate(filled(store))))}
    resnet = rows["resnet"]
    assert (resnet["rank"], resnet["family"], resnet["assurance"]) == ("1", "standard nets", "white-box")
    assert [resnet[f"worst{part}"] for part in ("", " low", " high", " n")] == ["0.25", "0.224446", "0.277423", "1024"]
    assert (resnet["forward"], resnet["backward"], resnet["seconds"]) == ("42.0", "21.0", "32.0")
    assert (rows["tmdc"]["rank"], rows["tmdc"]["aa-linf n"], rows["tmdc"]["worst"]) == ("", "384", "")
    assert (rows["vit"]["aa-linf"], rows["vit"]["aa-linf low"]) == ("invalid", "")


def test_json_gives_the_same_and_whence_it_is(store: Store) -> None:
    document = json.loads(json_text(tabulate(filled(store))))
    assert "percent of 1024 samples (sample seed 2024)" in document["caption"]
    resnet = next(row for row in document["rows"] if row["defense"] == "resnet")
    plan = make_plan("resnet").digest
    assert resnet["aa-linf"] == {"rate": 0.25, "low": 0.224446, "high": 0.277423, "n": 1024, "plan": plan[:12]}
    states = {row["defense"]: row["aa-linf"].get("state") for row in document["rows"]}
    assert states == {"resnet": None, "tmdc": "partial", "vit": "invalid"}


def test_markdown_is_a_table_in_percent_with_its_caption(store: Store) -> None:
    lines = markdown_text(tabulate(filled(store)), ["defense", "worst", "aa-linf"]).splitlines()
    assert "95 % intervals" in lines[0]
    assert lines[2:4] == [
        "| Defense | Worst case | aa-linf (ℓ∞\u00a0≤\u00a00.05) |",
        "| --- | ---: | ---: |",
    ]
    assert "| resnet | 25.0 \\[22.4, 27.7\\] | 25.0 \\[22.4, 27.7\\] |" in lines
    assert any(line.startswith("| tmdc | – | 100.0 ") and line.endswith(" on 384 of 1024 |") for line in lines)
    assert "| vit | – | invalid |" in lines


def test_latex_uses_booktabs_and_names_its_columns(store: Store) -> None:
    text = latex_text(tabulate(filled(store)), ["rank", "defense", "worst"])
    assert "& aa-linf ($\\ell_\\infty$~$\\leq$~0.05) &" in latex_text(tabulate(board(store)))
    assert "\\begin{tabular}{rlr}\n\\toprule\n" in text
    assert "\\# & Defense & Worst case \\\\\n\\midrule\n" in text
    assert "1 & resnet & 25.0 [22.4, 27.7] \\\\\n" in text
    assert text.endswith("\\bottomrule\n\\end{tabular}\n\\end{table}\n")


def test_a_spreadsheet_computes_nothing_of_a_hostile_name(store: Store) -> None:
    text = csv_text(tabulate(hostile(store)))
    fields = [field for line in csv.reader(io.StringIO(text, newline="")) for field in line]
    assert not [field for field in fields if field.startswith(("=", "+", "-", "@", "\t", "＝"))]
    assert {"'=1+1", "'@SUM(A1)", 'a,"b"\nc'} <= {row["defense"] for row in records(text)}


def test_hostile_names_neither_leave_their_cell_nor_a_command_of_latex(store: Store) -> None:
    table = tabulate(hostile(store))
    text = latex_text(table)
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    lines = body.split(" \\\\\n")[:-1]
    assert len(lines) == len(HOSTILE)
    assert {line.replace("\\&", "").count("&") for line in lines} == {
        sum(not head.aside for head in table.headings) - 1
    }
    assert "\\input" not in text
    assert all(sign.isascii() or "À" <= sign <= "ÿ" for sign in text)
    cells = {line.replace("\\|", "").count("|") for line in markdown_text(table).splitlines()[2:]}
    assert len(cells) == 1
    assert "<b>" not in markdown_text(table)


@needs.pdflatex
def test_latex_compiles(store: Store, tmp_path: Path) -> None:
    for number, table in enumerate((tabulate(filled(store)), tabulate(hostile(store)))):
        (tmp_path / f"{number}.tex").write_text(
            "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
            f"{latex_text(table)}\\end{{document}}\n",
            encoding="utf-8",
        )
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"{number}.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert run.returncode == 0, run.stdout[-2000:]


def test_equal_attacks_at_several_budgets_and_settings_have_names_of_their_own(store: Store) -> None:
    for steps in (1, 2):
        for epsilon in ("0.05", "0.1"):
            plan = make_plan(attack="pgd-linf", params={"steps": steps}, source=None)
            threat = replace(plan.threat, epsilon=plan.threat.epsilon * (2 if epsilon == "0.1" else 1))
            add(store, replace(plan, threat=threat, samples=8, shard_size=8), [True] * 8, [True] * 8)
    keys = column_keys(board(store))
    assert keys == tuple(f"pgd-linf linf {epsilon} steps={steps}" for epsilon in ("0.05", "0.1") for steps in (1, 2))


def test_boards_of_one_title_are_told_apart_by_the_settings_in_which_they_differ(store: Store) -> None:
    plan = replace(small_plan(), source=None)
    add(store, plan, [True] * 8, [True] * 8)
    (alone,) = titles(leaderboards(store))
    assert alone == "digits · 8 samples, white box"
    add(store, replace(plan, samples=4, shard_size=4), [True] * 4, [True] * 4)
    add(store, replace(plan, sample_seed=7, shard_size=8), [True] * 8, [True] * 8)
    assert set(titles(leaderboards(store))) == {
        "digits · 4 samples, white box",
        f"{alone} (samples a shard: 8, sample seed: 7)",
        f"{alone} (samples a shard: {plan.shard_size}, sample seed: {plan.sample_seed})",
    }


def test_pieces_make_the_same_texts(store: Store) -> None:
    table = tabulate(filled(store))
    found: dict[str, Any] = json.loads(json.dumps(pieces(table)))
    joined = "".join(",".join(line) + "\r\n" for line in [[c["csv"] for c in found["columns"]], *found["csv"]])
    assert joined == csv_text(table)
    document = json.loads(json_text(table))
    keys = [column["key"] for column in found["columns"]]
    assert [dict(zip(keys, row, strict=True)) for row in found["json"]] == document["rows"]


def test_names_for_files_and_links_are_plain() -> None:
    assert slug("digits · transfer-1024") == "digits-transfer-1024"
    assert slug("../<É>") == "unnamed"
    assert slug("../../a") == "a"
