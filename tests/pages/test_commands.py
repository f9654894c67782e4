"""The command line that a page prints makes the same plan again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli.app import build
from bench.datasets.digits import Digits
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel, parse_epsilon
from bench.evaluation.requests.planning import make_plan as planned
from bench.evaluation.requests.request import Request
from bench.pages.commands import rerun
from bench.plugins.registry import defenses
from bench.plugins.settings import configure, parse_pairs, setting_text, spell_out
from bench.protocols import Protocol, find_protocol
from tests.analysis.made import make_plan, small_plan
from tests.cli.command import bench


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


def request_of(command: str) -> Request:
    """What the command line's own parser makes of a command."""
    program, verb, *rest = shlex.split(command)
    assert (program, verb) == ("bench", "evaluate")
    group = typer.main.get_command(build())
    given = group.commands[verb].make_context(verb, rest).params  # type: ignore[attr-defined]
    kinds = ("defense_settings", "attack_settings", "dataset_settings", "source_settings")
    same = (
        "defense",
        "attack",
        "dataset",
        "source",
        "samples",
        "sampling",
        "sample_seed",
        "shard_size",
        "seed",
        "draws",
    )
    epsilon = given["epsilon"]
    return Request(
        protocol=find_protocol(given["protocol"]),
        epsilon=None if epsilon is None else parse_epsilon(epsilon),
        **{kind: parse_pairs(given[kind] or ()) for kind in kinds},
        **{name: given[name] for name in same},
    )


def assert_runs_again(plan: Plan, protocol: Protocol | None = None) -> None:
    """The printed command plans the same plan."""
    command = rerun(plan, protocol)
    again = planned(request_of(command), lambda: "cpu")
    assert again.document() == plan.document(), command
    assert again.digest == plan.digest


def request(defense: str, given: Mapping[str, Any] | None = None, attack: str = "fgsm-linf", **changes: Any) -> Request:
    """A request about digits, as a person may make it."""
    return Request(defense, attack, find_protocol("white-box-1024"), defense_settings=given or {}, **changes)


def parts_of(name: str) -> list[str]:
    """The settings of a registered defense that are defenses themselves."""
    return [each.name for each in fields(defenses.find(name)) if "Part" in str(each.type)]  # type: ignore[arg-type]


def has_parts(name: str) -> bool:
    """Whether a defense has one."""
    return bool(parts_of(name))


REGISTERED = [each.name for each in defenses.listings() if not each.broken and "required" not in each.settings.values()]
VALUES = {
    "size": st.floats(0.1, 2),
    "spread": st.floats(0.001, 1),
    "refine": st.integers(0, 3),
    "learning_rate": st.floats(0.01, 1),
    "sigma": st.floats(0.1, 0.9),
    "loss": st.sampled_from(["l1", "l2"]),
    "precision": st.sampled_from(["float32", "bfloat16"]),
    "prompt": st.sampled_from(
        ["a {class} ", " {class}, alone", "it's {class}; rm $HOME", "{class}=x, y=z", "a.{class}"]
    ),
}


@st.composite
def settings_of(draw: st.DrawFn, name: str, depth: int) -> dict[str, str]:
    """Some settings of a defense as words give them; its parts have parts in turn while `depth` lasts."""
    own = [each.name for each in fields(defenses.find(name)) if each.name in VALUES]  # type: ignore[arg-type]
    found = {key: str(draw(VALUES[key])) for key in own if draw(st.booleans())}
    for part in parts_of(name):
        inner = draw(st.sampled_from([each for each in REGISTERED if depth or not has_parts(each)]))
        given_inner = draw(settings_of(inner, depth - 1))
        found |= {part: inner, **{f"{part}.{key}": value for key, value in given_inner.items()}}
    return found


@pytest.mark.parametrize("name", [name for name in REGISTERED if has_parts(name)])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_command_of_a_defense_with_parts_plans_the_same_plan(name: str, data: st.DataObject) -> None:
    found = data.draw(settings_of(name, 1))
    assert_runs_again(planned(request(name, found), lambda: "cpu"))


@pytest.mark.parametrize("name", REGISTERED)
def test_the_command_of_every_registered_defense_plans_the_same_plan(name: str) -> None:
    plan = planned(request(name), lambda: "cpu")
    assert_runs_again(plan)
    assert_runs_again(plan, find_protocol("white-box-1024"))
    assert_runs_again(plan.untouched())
    assert_runs_again(plan.untouched(), find_protocol("white-box-1024"))


def test_parts_are_written_under_dotted_keys() -> None:
    plan = planned(request("adp", {"classifier": "diffpure", "classifier.classifier": "vit"}), lambda: "cpu")
    command = rerun(plan, None)
    assert " -D classifier=diffpure " in command
    assert " -D classifier.classifier=vit " in command
    assert "{" not in command
    assert setting_text({"name": "jem", "params": {"refine": 2, "size": 0.5}, "version": "1"}) == (
        "jem (refine=2, size=0.5)"
    )
    assert setting_text({"name": "vit", "params": {}, "version": "1"}) == "vit"


def test_a_part_with_weights_elsewhere_is_named_by_where_they_lie(tmp_path: Path) -> None:
    weights = elsewhere(tmp_path / "a folder" / "mine.safetensors")
    plan = planned(request("diffpure", {"classifier.weights": str(weights)}), lambda: "cpu")
    assert f"classifier.weights={weights}" in shlex.split(rerun(plan, None))
    assert_runs_again(plan)


def test_a_source_with_settings_weights_or_parts_plans_the_same_plan(tmp_path: Path) -> None:
    weights = elsewhere(tmp_path / "mine.safetensors")
    for source, given_settings in (
        ("resnet", {"weights": str(weights)}),
        ("jem", {"refine": "2"}),
        ("diffpure", {"classifier": "vit", "steps": "3"}),
    ):
        asked = request("vit", source=source, source_settings=given_settings)
        plan = planned(asked, lambda: "cpu")
        assert plan.source is not None
        assert_runs_again(plan)
        assert_runs_again(plan, find_protocol("white-box-1024"))


def test_a_data_set_with_settings_plans_the_same_plan() -> None:
    asked = Request(
        "tests.plugins:Hyperplane",
        "pgd-linf",
        find_protocol("white-box-1024"),
        dataset="tests.plugins:Halves",
        dataset_settings={"size": "64", "flipped": "yes"},
        samples=64,
        epsilon=Fraction(1, 7),
    )
    assert_runs_again(planned(asked, lambda: "cpu"))


def test_the_command_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for limit in ("PACING", "TRYING"):
        monkeypatch.setattr(f"bench.evaluation.estimates.measuring.{limit}", 0.2)
    plan = planned(request("diffpure", {"classifier": "jem", "classifier.refine": "1"}), lambda: "cpu")
    code, out, err = bench(*shlex.split(rerun(plan, None))[1:], "--device", "cpu", "--dry-run", "--json")
    assert code == 0, err
    assert json.loads(out)["plan"] == plan.digest


def elsewhere(path: Path) -> Path:
    """The digits' ResNet's weights, copied to a place of one's own."""
    path.parent.mkdir(exist_ok=True)
    found = defenses.make("resnet", {}).files(Digits().load("test", None).task)
    path.write_bytes(Path(found["network"]).read_bytes())
    return path
