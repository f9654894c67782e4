"""Contests: when one holds, what its ratios are, what counts as work, and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import peers
import speed
from contests.contest import Demand
from contests.figure import ratios
from contests.machine import described, machine
from contests.running import likeness, missing, run
from contests.table import cells
from contests.work import counted
from contests.written import document, read, seconds, write
from tests.benchmarks.made import answer, contest, result

ROBUST = Demand("robust or not")


def test_equal_verdicts_hold_and_a_single_other_one_does_not() -> None:
    same, other = answer(1, 0, 1, 1), answer(1, 0, 1, 0)
    assert run(contest(same, same, ROBUST), None, 2).holds
    found = run(contest(same, other, ROBUST), None, 2)
    assert not found.holds
    assert found.likeness.equal == 3
    assert run(contest(same, other, Demand("robust or not", equal=0.75)), None, 1).holds


def test_a_sample_that_ours_alone_breaks_counts_only_where_the_contest_says_so() -> None:
    stronger = Demand("robust or not", stronger=True)
    ours, peer = answer(0, 0, 1, 1), answer(1, 0, 1, 1)
    assert not run(contest(ours, peer, ROBUST), None, 1).holds
    assert run(contest(ours, peer, stronger), None, 1).holds
    assert not run(contest(peer, ours, stronger), None, 1).holds


def test_gradients_are_compared_by_the_least_cosine_and_the_largest_difference() -> None:
    ours = answer(1, 1, gradients=[[1.0, 0.0], [0.0, 2.0]])
    peer = answer(1, 1, gradients=[[1.0, 0.0], [2.0, 2.0]])
    found = likeness(ours, peer)
    assert found.cosine == pytest.approx(2**-0.5)
    assert found.difference == pytest.approx(1.0)
    assert not run(contest(ours, peer, Demand("class", cosine=0.9)), None, 1).holds
    assert run(contest(ours, peer, Demand("class", cosine=0.7)), None, 1).holds


def test_a_gradient_that_one_side_alone_lacks_is_unlike() -> None:
    found = likeness(answer(1, 1, gradients=[[0.0], [0.0]]), answer(1, 1, gradients=[[0.0], [3.0]]))
    assert found.cosine == 0
    assert not run(contest(answer(1), answer(1), Demand("class", cosine=0.5)), None, 1).holds


def test_answers_about_other_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        likeness(answer(1, 1), answer(1))


def test_a_ratio_is_the_peers_seconds_over_ours_round_by_round() -> None:
    found = result([1.0, 2.0, 4.0], [3.0, 4.0, 4.0]).ratio
    assert (found.median, found.low, found.high) == (2.0, 1.0, 3.0)


def test_the_clock_sees_the_work_and_not_how_the_answer_is_read() -> None:
    found = run(contest(answer(1), answer(1), ROBUST, pace=(0.01, 0.05)), None, 3)
    assert all(lap.seconds >= 0.01 for lap in found.ours)
    assert all(lap.seconds >= 0.05 for lap in found.peer)
    expected = [peer.seconds / ours.seconds for ours, peer in zip(found.ours, found.peer, strict=True)]
    assert (found.ratio.low, found.ratio.high) == (min(expected), max(expected))


def test_work_is_calls_rows_and_rows_with_a_graph() -> None:
    network = nn.Linear(2, 1).requires_grad_(False)
    with counted([network]) as work:
        network(torch.zeros(3, 2))
        network(torch.zeros(4, 2, requires_grad=True))
        with torch.no_grad():
            network(torch.zeros(5, 2, requires_grad=True))
    network(torch.zeros(6, 2))
    assert (work.calls, work.rows, work.graph_rows) == (3, 12, 4)


def test_the_table_has_the_medians_and_no_ratio_where_verdicts_differ(tmp_path: Path) -> None:
    found = document([result([1.0, 2.0], [3.0, 5.0]), result([1.0], [9.0], equal=3)], machine(), "a note")
    write(tmp_path / "deep" / "found.json", found)
    again = read(tmp_path / "deep" / "found.json")
    assert again == found
    held, unequal = again["contests"]
    assert (seconds(held["ours"]), seconds(held["peer"])) == (1.5, 4.0)
    assert held["ratio"]["median"] == 2.75
    assert cells(held)[3:] == ("4 of 4", "1.50 s", "4.00 s", "8", "8", "2.75", "2.50 to 3.00")
    assert cells(unequal)[3] == "NOT EQUAL: 3 of 4"
    assert cells(unequal)[-2:] == ("-", "-")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="format 0"):
        read(tmp_path / "old.json")


def test_what_is_kept_of_a_machine_names_neither_it_nor_its_folders() -> None:
    import platform

    found = machine()
    assert {"cpu", "accelerator", "cores", "threads", "load", "system", "python", "versions"} == set(found)
    text = described(found)
    assert str(Path.home()) not in text
    assert f" {platform.node()} " not in f" {text} "
    assert f"torch {torch.__version__.partition('+')[0]}" in text


def test_the_program_fails_where_verdicts_differ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    equal = contest(answer(1, 0), answer(1, 0), ROBUST)
    for peer, code in ((answer(1, 0), 0), (answer(0, 0), 1)):
        monkeypatch.setattr(peers, "CONTESTS", (contest(answer(1, 0), peer, ROBUST), equal))
        assert peers.main(["--rounds", "1", "--output", str(tmp_path / "found.json")]) == code
        assert [row["holds"] for row in read(tmp_path / "found.json")["contests"]] == [code == 0, True]


def test_contests_are_chosen_by_name_and_an_unknown_name_is_told() -> None:
    assert {found.name for found in peers.chosen(["dc-*", "rdc"])} >= {"dc-staged", "dc-race", "rdc"}
    with pytest.raises(SystemExit, match="No contest is called 'nobody'"):
        peers.chosen(["nobody"])
    names = [found.name for found in peers.CONTESTS]
    assert len(set(names)) == len(names)


def test_a_contest_whose_peer_is_not_installed_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    from rich.console import Console

    absent = replace(contest(answer(1), answer(1), ROBUST), packages=("not_there",))
    assert missing(absent) == ("not_there is not installed",)
    assert peers.compete([absent], None, 1, Console()) == ([], [])
    assert "left out, not_there is not installed" in capsys.readouterr().out


def test_a_contest_that_fails_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = contest(answer(1), answer(1, 1), ROBUST)
    monkeypatch.setattr(peers, "CONTESTS", (broken, contest(answer(1), answer(1), ROBUST)))
    assert peers.main(["--rounds", "1"]) == 1
    said = capsys.readouterr().out
    assert "known failed: ValueError: Verdicts have the shapes" in said
    assert "1 of 1" in said


def test_the_picture_is_a_file_that_stands_alone_in_light_and_in_dark() -> None:
    found: Any = document([result([1.0, 2.0], [3.0, 5.0]), result([1.0], [9.0], equal=3)], machine(), "")
    drawn = ratios(found["contests"])
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for text in ("prefers-color-scheme: dark", "--a0: #0072b2", "--a0: #56b4e9", "2.75 x", "not equal"):
        assert text in drawn
    assert "style=" not in drawn


def test_the_page_is_what_the_kept_results_say() -> None:
    found = read(speed.RESULTS / "peers.json")
    races = [read(path) for path in sorted(speed.RESULTS.glob("race-*.json"))]
    beside = (read(speed.RESULTS / f"{name}.json") for name in ("rewrites", "accelerator"))
    assert (speed.DOCS / "speed.md").read_text("utf-8") == speed.page(found, races, *beside)
    assert all(row["holds"] for row in found["contests"])
    assert not any(row["unlike_table"] for race in races for row in race["searches"])
