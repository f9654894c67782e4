"""A new user's defense, attack, data set, protocol and study are each added from the pages' own text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import bench
from bench import Plan
from tests.cli.command import bench as command
from tests.docs.pages import RUN, blocks, commands, text_of

pytestmark = pytest.mark.usefixtures("folder")


def follow(page: str) -> list[str]:
    """Run every command of a page, one after the other, and give what each says on stdout."""
    said = []
    for words in commands(text_of(page), RUN):
        code, out, errors = command(*words)
        assert code == 0, f"bench {' '.join(words)}: {out}{errors}"
        said.append(out)
    assert said, f"{page} has no command"
    return said


@dataclass(frozen=True)
class Measured:
    """A plan, and what `bench show --json` says of it."""

    plan: Plan
    said: dict[str, Any]

    @property
    def counts(self) -> bool:
        """Whether all of the page's 64 samples were judged, and nothing is wrong with any."""
        return (self.said["complete"], self.said["judged"], self.said["invalid"]) == (True, 64, [])


def measured() -> list[Measured]:
    """What the store of the current folder holds of attacked images."""
    plans = [plan for plan in bench.Store("results.db").plans() if not plan.is_untouched]
    return [Measured(plan, json.loads(command("show", plan.digest, "--json")[1])) for plan in plans]


def test_a_new_defense_is_checked_and_evaluated_through_its_stand_in() -> None:
    said = follow("writing/defense")
    assert "keeps all 15 contracts" in said[0]
    mine = [each for each in measured() if each.plan.defense.name == "my_defense.py:FewGreys"]
    assert sorted(each.plan.defense.params["levels"] for each in mine) == [2, 4]
    assert {each.said["assurance"] for each in mine} == {"white-box, stand-in gradient"}
    assert all(each.counts for each in mine)
    assert "FewGreys" in Path("reports/index.html").read_text(encoding="utf-8")


def test_the_defense_of_one_torch_module_is_whole() -> None:
    (code,) = blocks(text_of("writing/defense"), "python")
    Path("one_layer.py").write_text(code, encoding="utf-8")
    layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    torch.save(layers.state_dict(), "best.pt")
    shown = next(words for words in commands(text_of("writing/defense"), "sh") if "./one_layer.py:Mine" in words)
    words = ["fgsm-linf" if word == "aa-linf" else word for word in shown]
    code, said, errors = command(*words, "--samples", "64", "--json")
    assert code == 0, errors
    assert json.loads(said)["assurance"] == "white-box"
    (result,) = measured()
    assert set(result.plan.defense.weights) == {"network"}


def test_a_new_attack_is_checked_and_misleads_some() -> None:
    said = follow("writing/attack")
    assert "keeps all 11 contracts" in said[0]
    mine = [each for each in measured() if each.plan.attack.name == "my_attack.py:Momentum"]
    assert sorted(each.plan.attack.params["steps"] for each in mine) == [10, 20]
    assert {each.said["assurance"] for each in mine} == {"white-box"}
    assert all(each.counts and each.said["robust_accuracy"] < each.said["clean_accuracy"] for each in mine)


def test_a_new_data_set_is_checked_trained_on_and_attacked() -> None:
    said = follow("writing/dataset")
    assert "keeps all 10 contracts" in said[0]
    assert Path("runs/parity/resnet.safetensors").is_file()
    (result,) = measured()
    assert (result.plan.dataset.name, result.counts) == ("my_dataset.py:Parity", True)
    assert result.said["clean_accuracy"] > 0.85
    frame = bench.Store("results.db").outcomes_frame(result.plan)
    assert set(frame["label"]) == {0, 1}


def test_a_new_protocol_is_swept_has_a_board_and_its_cells_are_computed_once() -> None:
    said = follow("writing/protocol")
    assert "nothing was computed" in said[1]
    found = {(each.plan.defense.name, each.plan.attack.name, str(each.plan.threat.epsilon)) for each in measured()}
    attacks = {("fgsm-linf", "1/20"), ("pgd-linf", "1/20"), ("pgd-l2", "1/4")}
    assert found == {(defense, *each) for defense in ("resnet", "pgd-at") for each in attacks}
    frame = bench.Store("results.db").leaderboard("./my_protocol.toml")
    assert len(frame) == 2
    assert "at-home-64" in Path("reports/index.html").read_text(encoding="utf-8")


def test_a_new_study_is_reproduced_on_a_page() -> None:
    (said,) = follow("writing/study")
    found = json.loads(Path("reports/at-home-digits/index.json").read_text(encoding="utf-8"))
    assert len(found["claims"]) == 3
    assert all(claim["claim"] in said for claim in found["claims"])
    assert Path("reports/at-home-digits/index.html").is_file()


def test_the_first_five_minutes_say_what_the_page_says() -> None:
    (shown, *_), said = blocks(text_of("first-five-minutes"), "text"), follow("first-five-minutes")
    assert _without_figures(said[0]) == _without_figures(shown)
    assert Path("reports/index.html").is_file()


def _without_figures(panel: str) -> list[str]:
    """The lines of a panel without its border, its bar, and whatever is a number or a digest."""
    lines = (line.strip("│ ") for line in panel.splitlines() if line.startswith("│") and "━" not in line)
    return [re.sub(r"\s+", " ", re.sub(r"[0-9a-f]{12}|\d+(\.\d+)?", "#", line)) for line in lines]
