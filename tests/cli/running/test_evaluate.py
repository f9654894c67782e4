from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import Store
from bench.store.rows.records import ShardRecord
from tests.cli.command import bench

ROOT = Path(__file__).parents[3]
HALVES = ["--dataset", "tests.plugins:Halves", "--samples", "40", "--shard-size", "8", "--workers", "1"]
WHITE_BOX = ["evaluate", "--defense", "tests.plugins:Hyperplane", "--source", "self", *HALVES]


def test_evaluate_prints_one_json_object_with_everything_a_number_needs() -> None:
    code, out, _ = bench(*WHITE_BOX, "--attack", "pgd-linf", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["defense"] == "tests.plugins:Hyperplane"
    assert found["attack"] == "pgd-linf"
    assert found["dataset"] == "tests.plugins:Halves"
    assert found["source"] is None
    assert found["threat"]["norm"] == "linf"
    assert found["threat"]["epsilon"] == 0.05
    assert (found["samples"], found["seed"], found["shards"], found["computed"]) == (40, 0, 5, 5)
    assert found["clean_accuracy"] == 1.0
    assert found["interval"][0] <= found["robust_accuracy"] <= found["interval"][1]
    assert found["assurance"] == "white-box"
    assert found["seconds"] > 0
    assert Store("results.db").find(found["plan"]).digest == found["plan"]


def test_the_same_command_again_computes_nothing() -> None:
    _, first, _ = bench(*WHITE_BOX, "--attack", "pgd-linf", "--json")
    code, second, _ = bench(*WHITE_BOX, "--attack", "pgd-linf", "--json")
    assert (code, json.loads(second)["computed"]) == (0, 0)
    assert json.loads(first)["robust_accuracy"] == json.loads(second)["robust_accuracy"]


def test_a_number_of_images_out_of_a_named_folder_is_on_the_page(tmp_path: Path) -> None:
    assert bench(*WHITE_BOX, "--attack", "noise-linf", "--data-dir", str(tmp_path))[0] == 0
    code, _, err = bench("report")
    assert (code, "left out" in err) == (0, False)
    assert "noise-linf" in Path("reports/index.html").read_text("utf-8")
    assert {plan.dataset.place["folder"] for plan in Store("results.db").plans()} == {str(tmp_path)}


def test_a_transfer_says_whose_images_it_judged() -> None:
    words = ["evaluate", "--defense", "tests.plugins:Rounded", "--source", "tests.plugins:Hyperplane", *HALVES]
    _, out, _ = bench(*words, "--attack", "pgd-linf", "--json")
    assert json.loads(out)["source"] == "tests.plugins:Hyperplane"
    assert json.loads(out)["assurance"] == "transfer"
    assert json.loads(out)["crafted"] == 5


def test_the_panel_shows_number_interval_assurance_and_what_is_next() -> None:
    code, out, _ = bench(*WHITE_BOX, "--attack", "pgd-linf")
    assert code == 0
    for word in ("robust accuracy", "95 % interval", "white-box", "n 40", "epsilon 0.05", "bench report"):
        assert word in out


def test_fail_under_exits_with_three_below_and_zero_above() -> None:
    words = [*WHITE_BOX, "--attack", "pgd-linf", "--epsilon", "0.15"]
    assert bench(*words, "--fail-under", "0.0")[0] == 0
    code, _, err = bench(*words, "--fail-under", "1.0")
    assert code == 3
    assert "below" in err


def test_options_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DB", "mine.db")
    monkeypatch.setenv("BENCH_SEED", "5")
    monkeypatch.setenv("BENCH_EPSILON", "8/255")
    _, out, _ = bench(*WHITE_BOX, "--attack", "pgd-linf", "--json")
    assert Path("mine.db").is_file()
    assert json.loads(out)["seed"] == 5
    assert json.loads(out)["threat"]["exact"] == "8/255"


def test_an_attack_stops_after_its_passes_and_the_number_says_so() -> None:
    code, out, _ = bench(*WHITE_BOX, "--attack", "pgd-linf", "--passes", "10", "--json")
    found = json.loads(out)
    assert (code, found["passes"], found["invalid"]) == (0, 10, [])
    assert found["remarks"] == ["stopped after 10 passes a sample"]
    assert found["forwards_per_sample"] + found["backwards_per_sample"] <= 11
    assert bench("verify", found["plan"])[0] == 0


def test_fixed_noise_lets_the_attack_know_a_random_defense() -> None:
    words = ["evaluate", "--defense", "tests.plugins:NoisyHyperplane", "--source", "self", *HALVES]
    code, out, _ = bench(*words, "--attack", "pgd-linf", "--fixed-noise", "--json")
    assert (code, json.loads(out)["assurance"]) == (0, "white-box, shared noise")
    assert not [doubt for doubt in json.loads(out)["doubts"] if "frozen draw" in doubt or "one draw" in doubt]
    assert bench("verify", json.loads(out)["plan"])[0] == 0
    code, _, err = bench(*words, "--attack", "pgd-linf", "--fixed-noise", "--draws", "2")
    assert (code, "one draw a sample" in err) == (2, True)
    code, _, err = bench(
        *words[:3], *HALVES, "--source", "tests.plugins:Hyperplane", "--attack", "pgd-linf", "--fixed-noise"
    )
    assert (code, "--source self" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["--attack", "pgd-lin"], 2, "Did you mean 'pgd-linf'"),
        (["--attack", "pgd-linf", "-A", "step=3"], 2, "Did you mean 'steps'"),
        (["--attack", "pgd-linf", "-A", "steps=x"], 2, "whole number"),
        (["--attack", "pgd-linf", "-D", "scale"], 2, "key=value"),
        (["--attack", "pgd-linf", "--epsilon", "8"], 2, "out of range"),
        (["--attack", "pgd-linf", "--epsilon", "tiny"], 2, "8/255"),
        (["--attack", "pgd-linf", "--samples", "97"], 2, "holds 96"),
        (["--attack", "pgd-linf", "--sampling", "last"], 2, "random or first"),
        (["--attack", "pgd-linf", "--protocol", "transfer-1025"], 2, "Did you mean 'transfer-1024'"),
        (["--attack", "pgd-linf", "--source", "resnett"], 2, "Did you mean 'resnet'"),
        (["--attack", "pgd-linf", "--device", "tpu"], 2, "--device auto"),
        (["--attack", "pgd-linf", "--db", "no/such/folder.db"], 1, "does not exist"),
        (["--attack", "tests.plugins:Cheat", "-A", "how=raise"], 1, "KeyError"),
        (["--attack", "tests.plugins:Cheat", "-A", "how=far"], 1, "invalid"),
    ],
)
def test_bad_input_gets_a_sentence_and_its_exit_code(words: list[str], code: int, hint: str) -> None:
    found, out, err = bench(*WHITE_BOX, *words)
    assert found == code
    assert hint in out + err
    assert "Traceback" not in err


def test_a_plan_of_which_no_shard_finished_still_answers_in_json() -> None:
    code, out, _ = bench(*WHITE_BOX, "--attack", "tests.plugins:Cheat", "-A", "how=raise", "--json")
    assert code == 1
    assert json.loads(out)["computed"] == 0
    assert "KeyError" in json.loads(out)["failures"][0]["error"]


def test_an_invalid_number_is_never_shown_as_robust() -> None:
    _, out, _ = bench(*WHITE_BOX, "--attack", "tests.plugins:Cheat")
    assert "robust accuracy" not in out
    assert "kept off every leaderboard" in out


def test_a_file_that_is_no_database_is_left_as_it_is() -> None:
    Path("results.db").write_text("these are my notes, not a database")
    code, _, err = bench(*WHITE_BOX, "--attack", "pgd-linf")
    assert code == 1
    assert "not a results database" in err
    assert Path("results.db").read_text().startswith("these")


def test_verify_finds_equal_outcomes_and_exits_with_zero() -> None:
    _, out, _ = bench(*WHITE_BOX, "--attack", "pgd-linf", "--json")
    code, out, _ = bench("verify", json.loads(out)["plan"][:12], "--workers", "1")
    assert code == 0
    assert "All 40 samples" in out


def test_a_folder_with_a_bench_of_its_own_is_not_where_processes_look(tmp_path: Path) -> None:
    """As in a clone of this repository, beside whose packages others are installed."""
    clone, scripts = tmp_path / "clone", tmp_path / "scripts"
    for name in ("bench", "attacks", "defenses"):
        (clone / name).mkdir(parents=True)
        (clone / name / "__init__.py").write_text("raise RuntimeError('the working folder is not where bench is')\n")
    scripts.mkdir()
    script = scripts / "run.py"
    script.write_text("if __name__ == '__main__':\n    from bench.cli import main\n    main()\n")
    words = ["evaluate", "--defense", "resnet", "--attack", "fgsm-linf", "--source", "self", "--samples", "4"]
    run = subprocess.run(
        [sys.executable, script, *words, "--workers", "1", "--json"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["samples"] == 4


@contextmanager
def _started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """`bench` in a process of its own, which is gone when the test is over, whatever became of it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # A test run in the background inherits that Ctrl-C is ignored; a person's terminal does not ignore it.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", f"{heed}; from bench.cli import main; main()", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, env=environment, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def _stored() -> list[ShardRecord]:
    """What is stored of the attack; the untouched images' shards are another plan's."""
    store = Store("results.db")
    return [shard for plan in store.plans() if not plan.is_untouched for shard in store.shards(plan)]


def _wait_for_shards(count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if Path("results.db").is_file() and len(_stored()) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"{count} shards were not stored in time")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What a run leaves that nothing has stopped."""
    location = str(tmp_path_factory.mktemp("whole") / "whole.db")
    assert bench(*WHITE_BOX, "--attack", "tests.cli.held:Held", "--db", location)[0] == 0
    return Store(location)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_is_stopped_keeps_its_shards_and_goes_on_to_the_same_outcomes(
    sent: signal.Signals, code: int, workers: str, whole: Store
) -> None:
    words = [*WHITE_BOX, "--workers", workers, "--attack", "tests.cli.held:Held"]
    Path("held").mkdir()
    with _started(*words) as running:
        _wait_for_shards(2)
        running.send_signal(sent)
        _, err = running.communicate(timeout=60)
    shutil.rmtree("held")
    assert running.returncode == code
    if sent is signal.SIGINT:
        assert "goes on from there" in err
    stored = len(_stored())
    assert 2 <= stored < 5
    code, out, _ = bench(*words, "--json")
    resumed = json.loads(out)
    assert (code, resumed["computed"]) == (0, 5 - stored)
    plans = whole.plans()
    assert len(plans) == 2  # the attack's, and that of the untouched images
    for plan in plans:
        assert Store("results.db").outcomes(plan) == whole.outcomes(plan)


def test_several_seeds_give_their_mean_and_worst_over_the_same_samples() -> None:
    words = ("evaluate", "--defense", "tests.plugins:NoisyHyperplane", "--attack", "tests.plugins:Ambient")
    fixed = (
        "--dataset",
        "tests.plugins:Halves",
        "--source",
        "self",
        "--samples",
        "48",
        "--epsilon",
        "0.2",
        "--workers",
        "1",
    )
    code, out, _ = bench(*words, *fixed, "--seeds", "3", "--seed", "5", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["seeds"] == [5, 6, 7]
    assert found["rates"] == [run["robust_accuracy"] for run in found["runs"]]
    assert len({run["plan"] for run in found["runs"]}) == 3
    assert found["mean"] == pytest.approx(sum(found["rates"]) / 3)
    assert found["worst"] <= min(found["rates"])
    code, out, _ = bench(*words, *fixed, "--seeds", "3", "--seed", "5")
    assert "3 seeds" in out
    assert "survive every seed" in out


def test_a_number_of_seeds_below_one_is_refused() -> None:
    code, _, err = bench("evaluate", "--defense", "resnet", "--attack", "fgsm-linf", "--seeds", "0")
    assert code == 2
    assert "number of seeds must be at least 1" in err


def test_several_seeds_of_an_invalid_attack_are_all_told_and_have_no_mean() -> None:
    words = (
        "evaluate",
        "--defense",
        "tests.plugins:Hyperplane",
        "--attack",
        "tests.plugins:Cheat",
        "--epsilon",
        "0.05",
    )
    code, out, _ = bench(*words, "--source", "self", *HALVES, "--seeds", "2", "--json")
    found = json.loads(out)
    assert code == 1
    assert [run["assurance"] for run in found["runs"]] == ["invalid", "invalid"]
    assert "mean" not in found


def test_failures_are_told_beside_json_too() -> None:
    words = ("evaluate", "--defense", "tests.plugins:Hyperplane", "--attack", "tests.plugins:Cheat", "-A", "how=few")
    code, out, err = bench(*words, "--source", "self", *HALVES, "--json")
    assert code == 1
    assert json.loads(out)["failures"]
    assert "Failed" in err
