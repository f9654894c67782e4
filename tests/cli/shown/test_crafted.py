"""Where crafted images lie, what is said where they do not, and --images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import Store
from tests.cli.command import bench
from tests.store.honest import edit

HALVES = ["--dataset", "tests.plugins:Halves", "--samples", "16", "--shard-size", "8", "--workers", "1"]
WHITE = ["evaluate", "--defense", "tests.plugins:Hyperplane", "--source", "self", "--attack", "pgd-linf", *HALVES]
SWEEP = ["sweep", "transfer-1024", "--defense", "tests.plugins:Rounded", "--attack", "pgd-linf"]
SWEEP += ["--source", "tests.plugins:Hyperplane", *HALVES[:4], "--workers", "1"]


def test_images_lie_where_the_option_or_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench(*WHITE, "--artifacts", "images")[0] == 0
    assert len(list(Path("images").rglob("*.safetensors"))) == 2
    assert not Path("results.artifacts").exists()
    monkeypatch.setenv("BENCH_ARTIFACTS", "file://" + str(Path("images").absolute()))
    _, out, err = bench(*WHITE, "--json")
    assert json.loads(out)["images"] == {"absent": 0, "crafted_again": 0, "otherwise": []}
    monkeypatch.delenv("BENCH_ARTIFACTS")
    _, _, err = bench(*WHITE)
    assert "crafted images of 2 shards are not in results.artifacts: --artifacts names another place" in err
    assert "with --images crafts them again" in err
    assert not Path("results.artifacts").exists()


def test_deleted_images_are_crafted_again_where_it_is_asked_for() -> None:
    assert "not in" not in bench(*WHITE)[2]
    files = sorted(Path("results.artifacts").rglob("*.safetensors"))
    before = [file.read_bytes() for file in files]
    files[0].unlink()
    assert "images of 1 shard are not in results.artifacts" in bench(*WHITE)[2]
    assert not files[0].exists()
    assert "those of 1 finished ones again" in bench(*WHITE, "--images", "--dry-run")[1]
    code, _, err = bench(*WHITE, "--images")
    assert (code, "Images of 1 shard were crafted again" in err) == (0, True)
    assert [file.read_bytes() for file in files] == before
    assert "No images were crafted again" in bench(*WHITE, "--images")[2]


def test_images_that_come_out_otherwise_are_told_and_exit_1() -> None:
    bench(*WHITE)
    edit(Store("results.db"), f"UPDATE shards SET perturbed_sha256 = '{'ab' * 32}' WHERE number = 1")
    code, out, err = bench(*WHITE, "--images", "--json")
    assert code == 1
    assert "Different The images that pgd-linf crafted again" in err
    assert (json.loads(out)["images"]["crafted_again"], len(json.loads(out)["images"]["otherwise"])) == (0, 1)


def test_a_sweep_crafts_its_sources_images_again() -> None:
    bench(*SWEEP)
    (file,) = Path("results.artifacts").rglob("*.safetensors")
    file.unlink()
    assert bench(*SWEEP)[0] == 0
    assert not file.exists()
    code, _, err = bench(*SWEEP, "--images")
    assert (code, file.exists(), "Images of 1 shard were crafted again" in err) == (0, True, True)
