from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from bench.datasets.digits import TASK
from defenses.resnet import ResNet
from tests.cli.command import bench


def test_training_writes_weights_with_a_card_that_an_evaluation_can_use() -> None:
    code, out, _ = bench("train", "resnet", "-T", "epochs=3", "--seed", "3", "--json")
    report = json.loads(out)
    card = json.loads(Path(report["card"]).read_text())
    weights = Path(report["weights"])
    assert code == 0
    assert weights == Path("runs/digits/resnet/resnet.safetensors")
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card["recipe"]["epochs"] == 3
    assert card["seed"] == 3
    assert card["accuracy"] == {"clean": report["accuracy"], "test_images": 1024}
    assert card["data"]["training_images"] == 773
    words = ["evaluate", "--defense", "resnet", "-D", f"weights={weights}", "--attack", "fgsm-linf", "--workers", "1"]
    code, out, _ = bench(*words, "--samples", "64", "--source", "self", "--json")
    assert code == 0
    assert json.loads(out)["clean_accuracy"] > 0.2


def test_training_again_with_the_same_seed_gives_the_same_weights() -> None:
    reports = [bench("train", "resnet", "-T", "epochs=2", "-o", name, "--json")[1] for name in ("one", "two")]
    hashes = {json.loads(Path(json.loads(report)["card"]).read_text())["sha256"] for report in reports}
    assert len(hashes) == 1


def test_truth_maximization_trains_on_images_that_the_attack_made_once() -> None:
    words = [
        "train",
        "tmdc",
        "-D",
        "timesteps=1",
        "--attack",
        "fgsm-linf",
        "--epsilon",
        "0.1",
        "-T",
        "steps=2",
        "-T",
        "evaluated=2",
    ]
    code, out, err = bench(*words, "--json")
    assert code == 0, err
    card = json.loads(Path(json.loads(out)["card"]).read_text())
    made = card["adversarial"]
    assert [made[key] for key in ("attack", "source", "norm", "epsilon")] == ["fgsm-linf", "resnet", "linf", "1/10"]
    assert made["images"] == 128
    crafted = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("adversarial/*/*.safetensors")}
    assert len(crafted) == 1
    bench(*words, "--json")
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("adversarial/*/*.safetensors")} == crafted


def test_the_attack_that_is_trained_on_and_its_source_have_settings_and_the_evaluation_a_cap(tmp_path: Path) -> None:
    words = ["train", "tmdc", "--attack", "pgd-linf", "-A", "steps=2", "-T", "steps=1", "-T", "evaluated=1"]
    weights = shutil.copy(ResNet().files(TASK)["network"], tmp_path / "mine.safetensors")
    code, out, err = bench(*words, "--source-setting", f"weights={weights}", "--evaluate", "0", "--json")
    assert code == 0, err
    report = json.loads(out)
    card = json.loads(Path(report["card"]).read_text())
    assert report["accuracy"] is None
    assert card["accuracy"] is None
    assert card["adversarial"]["settings"]["steps"] == 2
    assert card["adversarial"]["source_settings"] == {"weights": str(weights)}
    assert card["adversarial"]["images"] == 64
    code, out, _ = bench("train", "resnet", "-T", "epochs=1", "--evaluate", "32")
    assert "on 32 test images" in out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["resnett"], "Did you mean 'resnet'"),
        (["resnet", "-T", "epoch=3"], "Did you mean 'epochs'"),
        (["resnet", "-T", "epochs=0"], "at least 1"),
        (["resnet", "--dataset", "digit"], "Did you mean 'digits'"),
        (["tests.plugins:Hyperplane"], "cannot be trained"),
        (["tmdc", "--source", "resnett"], "Did you mean 'resnet'"),
        (["tmdc", "--epsilon", "9"], "out of range"),
        (["tmdc", "-A", "step=3"], "has no setting 'step'"),
        (["tmdc", "-T", "share=0"], "share must lie in (0, 1]"),
    ],
)
def test_a_training_that_cannot_be_says_why(words: list[str], hint: str) -> None:
    code, _, err = bench("train", *words)
    assert code == 2
    assert hint in err


def test_a_hyperparameter_given_several_times_is_trained_into_a_folder_each_with_its_own_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("-T", "epochs=1", "-T", "epochs=2", "-T", "batch=128", "-o", "runs/long")
    monkeypatch.setattr("sys.argv", ["bench", "train", "resnet", *words, "--json"])
    code, out, _ = bench("train", "resnet", *words, "--json")
    reports = json.loads(out)
    assert code == 0
    assert [report["weights"] for report in reports] == [
        f"runs/long/epochs={epochs}/resnet.safetensors" for epochs in (1, 2)
    ]
    cards = [json.loads(Path(report["card"]).read_text()) for report in reports]
    assert [(card["recipe"]["epochs"], card["recipe"]["batch"]) for card in cards] == [(1, 128), (2, 128)]
    assert cards[1]["command"].endswith("-T batch=128 --json -T epochs=2 --output runs/long/epochs=2")
    code, out, _ = bench("train", "resnet", *words)
    assert "bench sweep white-box-1024 --defense resnet -D weights=runs/long/epochs=1/" in out
