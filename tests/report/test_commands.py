"""The command line that a page prints makes the same plan again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from fractions import Fraction

from bench.domain.plan import Spec
from bench.domain.threat import ThreatModel
from bench.protocols import find_protocol
from bench.report.commands import rerun, setting_text
from bench.settings import configure, spell_out
from tests.report.made import make_plan, small_plan


def words(command: str) -> list[str]:
    return shlex.split(command)


def test_a_protocol_stands_for_the_settings_it_fixes() -> None:
    command = words(rerun(make_plan(attack="fgsm-linf"), find_protocol("transfer-1024")))
    assert " ".join(command) == (
        "bench evaluate --defense tmdc -D width=32 --attack fgsm-linf -A draws=1 --dataset digits "
        "--protocol transfer-1024"
    )


def test_the_sources_own_row_asks_for_white_box() -> None:
    assert words(rerun(make_plan("resnet"), find_protocol("transfer-1024")))[-2:] == ["--source", "self"]
    white_box = make_plan(source=None)
    assert "--source" not in words(rerun(white_box, find_protocol("white-box-1024")))


def test_other_settings_are_spelled_out() -> None:
    plan = small_plan(attack="fgsm-linf", source=None, threat=ThreatModel("linf", Fraction(8, 255)))
    command = " ".join(words(rerun(plan, None)))
    assert command.endswith(
        "--source self --epsilon 8/255 --samples 8 --sampling random --sample-seed 2024 "
        "--seed 0 --draws 1 --shard-size 4"
    )


def test_a_protocol_of_ones_own_is_spelled_out_because_its_file_may_be_gone() -> None:
    mine = replace(find_protocol("transfer-1024"), name="mine")
    assert "--protocol" not in words(rerun(make_plan(), mine))
    assert "--samples" in words(rerun(make_plan(), mine))


def test_an_epsilon_with_many_digits_stays_exact() -> None:
    epsilon = Fraction("0.123456789")
    command = words(rerun(small_plan(threat=ThreatModel("linf", epsilon)), None))
    assert Fraction(command[command.index("--epsilon") + 1]) == epsilon


def test_names_and_settings_with_blanks_and_quotes_survive_the_shell() -> None:
    plan = small_plan()
    plan = replace(plan, defense=Spec("./my file.py:Net", {"note": "it's $HOME; rm"}))
    command = words(rerun(plan, None))
    assert command[command.index("--defense") + 1] == "./my file.py:Net"
    assert "note=it's $HOME; rm" in command


def test_settings_are_written_as_the_command_line_reads_them() -> None:
    from attacks.autoattack import AutoAttackLinf

    custom = AutoAttackLinf(version="custom", attacks=("apgd-ce", "square"), n_iter=7)
    for attack in (custom, AutoAttackLinf()):
        written = {key: setting_text(value) for key, value in spell_out(attack).items()}
        assert configure(AutoAttackLinf, written, "aa-linf") == attack
    assert (setting_text(True), setting_text(None), setting_text(0.5)) == ("true", "none", "0.5")


def test_files_are_named_by_where_they_lie_on_this_machine() -> None:
    mine = Spec("mine.py:Mine", {"width": 1}, place={"name": "/home/a/mine.py:Mine", "params": {"weights": "/w.pt"}})
    command = " ".join(words(rerun(replace(small_plan(), defense=mine), None)))
    assert "--defense /home/a/mine.py:Mine -D width=1 -D weights=/w.pt --attack" in command


def test_a_sources_settings_are_written_where_they_are_not_the_usual_ones() -> None:
    mine = Spec("resnet", {}, weights={"network": "ab" * 32}, place={"params": {"weights": "/w.safetensors"}})
    command = " ".join(words(rerun(make_plan(source=mine), find_protocol("transfer-1024"))))
    assert command.endswith("--protocol transfer-1024 --source resnet --source-setting weights=/w.safetensors")
    other = Spec("./mine.py:Mine", {"width": 1})
    assert "--source ./mine.py:Mine --source-setting width=1 --epsilon" in rerun(small_plan(source=other), None)


def test_untouched_images_have_neither_source_nor_budget() -> None:
    command = words(rerun(small_plan().untouched(), None))
    assert command[command.index("--attack") + 1] == "none"
    assert not {"--source", "--epsilon"} & set(command)
