"""`bench diagnose` on a classifier that is known in closed form, and on one that hides its gradient."""

from __future__ import annotations

import json
from pathlib import Path

from bench import Store
from tests.cli.command import bench

HALVES = ["--dataset", "tests.plugins:Halves", "--samples", "24", "--workers", "1", "--epsilon", "0.1"]


def test_a_linear_classifier_is_sound_and_its_runs_are_stored() -> None:
    code, out, _ = bench("diagnose", "tests.plugins:Hyperplane", *HALVES, "--json")
    found = json.loads(out)
    verdicts = {check["name"]: check["verdict"] for check in found["checks"]}
    assert code == 0, found
    assert found["problems"] == []
    assert {"strength", "budget", "gradients", "silent success", "binarization", "randomness"} <= set(verdicts)
    assert "fail" not in verdicts.values()
    assert len(Store("results.db").plans()) > 10
    code, out, _ = bench("diagnose", "tests.plugins:Hyperplane", *HALVES)
    assert code == 0
    assert "diagnosis of tests.plugins:Hyperplane" in out
    bench("report", "-o", "page.html")
    assert "Is its evaluation sound?" in Path("page.html").read_text(encoding="utf-8")


def test_bad_input_is_told_once_with_its_exit_code() -> None:
    code, _, err = bench("diagnose", "resnett", *HALVES)
    assert code == 2
    assert err.count("Did you mean 'resnet'") == 1
    code, _, err = bench("diagnose", "resnet", *HALVES, "--norm", "l1")
    assert (code, "linf or l2" in err) == (2, True)
