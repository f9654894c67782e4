"""From Python: the figures of what is in memory, in the store of the command line, under its labels."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bench
from tests.cli.command import bench as command

ROOT = Path(__file__).parents[2]
HALVES = "tests.plugins:Halves"
WHITE = {"protocol": "white-box-1024", "quiet": True, "workers": 1}


class Line(nn.Module):
    """A hyperplane through the middle of images with two pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(images.flatten(1))
        return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pairs(n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Images of two pixels that are further apart than 0.2 for three in four."""
    first = np.linspace(0.0, 1.0, n, dtype=np.float32)
    images = np.stack([first, 1 - first], 1)[:, None, None]
    return images, (first < 0.5).astype(np.int64)


def test_a_module_and_images_in_memory_are_measured_once_and_shared_with_the_command_line() -> None:
    images, labels = pairs()
    data = {"samples": 24, "epsilon": 0.1, "classes": ["left", "right"]}
    found = bench.evaluate(Line(), "fgsm-linf", (images, labels), **data, **WHITE)
    assert (found.n, found.clean_accuracy, found.complete, found.valid) == (24, 1.0, True, True)
    margin = np.abs(images[:, 0, 0, 0] - images[:, 0, 0, 1])
    assert found.robust_accuracy == pytest.approx(float((margin > 0.2).mean()))
    assert found.assurance.startswith("white-box")
    assert found.interval.low < found.robust_accuracy < found.interval.high
    assert found.plan.defense.name == "Line.py:Line"
    assert repr(found).startswith("Result('Line' under 'fgsm-linf': robust ")
    shards = {path: path.stat().st_mtime_ns for path in Path("results.memory").rglob("*.pkl")}
    again = bench.evaluate(Line(), "fgsm-linf", (images, labels), **data, **WHITE)
    assert again.plan == found.plan
    assert {path: path.stat().st_mtime_ns for path in Path("results.memory").rglob("*.pkl")} == shards
    code, text, _ = command("show", found.plan.digest, "--json")
    assert code == 0
    assert json.loads(text)["robust_accuracy"] == found.robust_accuracy
    code, text, errors = command("verify", found.plan.digest, "--workers", "1", "--json")
    assert code == 0, errors
    assert json.loads(text)["different"] == []
    frame = found.outcomes
    assert len(frame) == 24
    assert (frame["label"].to_numpy() == labels[frame["sample"].to_numpy()]).all()


def test_what_has_a_name_is_the_plan_of_the_command_line() -> None:
    found = bench.evaluate("tests.plugins:Hyperplane", "fgsm-linf", HALVES, samples=8, epsilon="0.1", **WHITE)
    code, text, errors = command(
        *("evaluate", "--defense", "tests.plugins:Hyperplane", "--attack", "fgsm-linf", "--dataset", HALVES),
        *("--samples", "8", "--epsilon", "0.1", "--protocol", "white-box-1024", "--json"),
    )
    assert code == 0, errors
    document = json.loads(text)
    assert (document["plan"], document["computed"]) == (found.plan.digest, 0)
    assert document["robust_accuracy"] == found.document()["robust_accuracy"]


def test_a_sweep_goes_through_what_it_is_given_and_two_of_it_are_compared_on_a_page() -> None:
    from tests.plugins import Hyperplane

    found = bench.sweep(
        [Hyperplane(), Hyperplane(scale=4.0), Line(), "nobody"],
        ["fgsm-linf"],
        HALVES,
        epsilon="0.1",
        samples=16,
        **WHITE,
    )
    assert [(each.defense, each.attack) for each in found] == [
        ("tests.plugins:Hyperplane", "fgsm-linf"),
        ("tests.plugins:Hyperplane scale=4.0", "fgsm-linf"),
    ]
    assert len(found.problems) == 2  # the module is for other images, and nobody is nobody
    assert "nobody under fgsm-linf: No defense is called 'nobody'." in " ".join(found.problems)
    assert list(found.frame["attack"]) == ["fgsm-linf"] * 2
    assert "nobody under fgsm-linf" in repr(found)
    compared = bench.compare(*found, output="pair.html")
    assert compared.page == Path("pair.html")
    assert compared.page.is_file()
    assert any("fgsm-linf" in sentence for sentence in compared.verdicts())
    assert "fgsm-linf" in compared._repr_html_()
    assert bench.report("page.html", pictures=False) == Path("page.html")
    assert "Hyperplane" in Path("page.html").read_text()


def test_two_modules_of_one_class_are_two_rows() -> None:
    images, labels = pairs(8)
    turned = Line()
    with torch.no_grad():
        turned.layer.weight.neg_()
    how = {**WHITE, "samples": 8, "epsilon": 0.1, "classes": ["left", "right"]}
    found = bench.sweep([Line(), turned], ["fgsm-linf"], (images, labels), **how)
    assert [(each.defense, each.clean_accuracy) for each in found] == [("Line", 1.0), ("Line (2)", 0.0)]


def test_hostile_names_are_shown_harmlessly() -> None:
    evil = "<script>alert(1)</script>"
    images, labels = pairs(8)
    how = {**WHITE, "samples": 8, "epsilon": 0.1, "classes": [evil, "b"], "name": evil}
    found = bench.evaluate(Line(), "fgsm-linf", (images, labels), **how)
    found.failures = (evil,)
    for text in (found._repr_html_(), bench.Results([found], [evil])._repr_html_()):
        assert "<script" not in text
        assert "&lt;script" in text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"attack": "pgd-lin"}, "No attack is called 'pgd-lin'. Did you mean 'pgd-linf'?"),
        ({"epsilon": "tiny"}, "8/255"),
        ({"epsilon": True}, "A budget is a number"),
        ({"samples": 10**6}, "holds 96"),
        ({"attack_settings": {"step": 3}}, "Did you mean 'steps'"),
        ({"protocol": "white-box"}, "No protocol is called 'white-box'"),
        ({"defense": 3}, "A defense is a name, a torch module"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_makes_no_store(settings: dict[str, object], sentence: str) -> None:
    words = {"defense": "tests.plugins:Hyperplane", "attack": "pgd-linf", "dataset": HALVES, "samples": 8, **WHITE}
    with pytest.raises(bench.UsageError, match=re.escape(sentence)):
        bench.evaluate(**{**words, **settings})
    assert list(Path.cwd().iterdir()) == []


def test_a_model_that_fails_says_so() -> None:
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("not today")

    with pytest.raises(bench.BenchError, match="not today"):
        bench.evaluate(Broken(), "fgsm-linf", HALVES, samples=4, epsilon="0.1", **WHITE)


def _run(text: str) -> subprocess.CompletedProcess[str]:
    Path("script.py").write_text(text)
    command = [sys.executable, "script.py"]
    environment = {**__import__("os").environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_lines_of_the_readme_run_as_they_stand_and_are_few() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"## From Python\n\n```python\n(.*?)```", readme, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    run = _run(f"print('once')\n{code}")
    assert run.returncode == 0, run.stderr
    assert run.stdout == "once\n"
    assert Path("reports/index.html").is_file()
    assert len(bench.Store("results.db").plans()) == 5  # three, and untouched images of two defenses


def test_the_notebook_runs_from_above() -> None:
    found = json.loads((ROOT / "examples" / "first_ten_minutes.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]
    run = _run("\n".join(cells).replace("pgd.outcomes.head()", "print(pgd)\nprint(pgd._repr_html_())"))
    assert run.returncode == 0, run.stderr
    assert "under 'pgd-linf': robust" in run.stdout
    assert "<svg" in run.stdout
    assert all(not cell.get("outputs") for cell in found["cells"])
