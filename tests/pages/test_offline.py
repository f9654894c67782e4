"""Pages and lists ask no host for images: what is here is shown, and what is not is said."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

from bench.datasets.cifar10 import Cifar10
from bench.datasets.hub import hub_file, local_only
from bench.domain.errors import DataError
from bench.domain.plan import Spec
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.pages.exhibits import Gallery
from bench.protocols import find_protocol
from bench.store.store import Store
from tests.cli.command import bench
from tests.pages.figures.drawn import fill, white
from tests.rehearsal import ground


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What hosts are asked for, which should be nothing; the hub's cache is empty, and the hub is not said to be
    offline."""
    found: list[str] = []

    def refuse(name: str) -> Any:
        def refusing(*words: object, **named: object) -> None:
            found.append(f"{name} {words}")
            raise OSError("no host may be asked")

        return refusing

    for name in ("hf_hub_download", "snapshot_download", "HfApi"):
        monkeypatch.setattr(huggingface_hub, name, refuse(name))
    monkeypatch.setattr(socket, "getaddrinfo", refuse("getaddrinfo"))
    monkeypatch.setattr(socket.socket, "connect", refuse("connect"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return found


def kept(path: Path, folder: Path | None = None, files: Path | None = None) -> Store:
    """A store of two defenses on two draws of CIFAR-10's images: those in `files` where they are given, else such as
    nobody has; `folder` is what the plans remember."""
    store = Store(path)
    images = Cifar10().load("test", files) if files else None
    for seed in (0, 1):
        where = {} if folder is None else {"folder": str(folder)}
        plan = white("tmdc", dataset=Spec("cifar10", place=where), shard_size=8, size=ground.TEST, sample_seed=seed)
        sha256 = store.artifacts.write(np.zeros((8, 3, 32, 32), np.float32))
        if images:
            plan = replace(plan, images=images.fingerprint(plan.indices))
            clean, _ = images.arrays(plan.indices)
            sha256 = store.artifacts.write(np.clip(clean + np.float32(0.05), 0, 1))
        for defense, wrong in (("tmdc", range(6)), ("vit", range(8))):
            fill(store, replace(plan, defense=Spec(defense)), wrong, images=sha256)
    return store


def test_without_the_images_no_host_is_asked_and_the_page_says_it_in_a_line(asked: list[str], tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    digest = kept(path).plans()[0].digest
    page, pairs = tmp_path / "index.html", tmp_path / "pairs.html"
    for words in (
        ["report", "-o", str(page)],
        ["compare", "tmdc", "vit", "-o", str(pairs)],
        ["list", "plans"],
        ["show", digest],
        ["export", str(tmp_path / "rows.csv")],
    ):
        code, _, err = bench(*words, "--db", str(path))
        assert (code, asked) == (0, []), err
    text = page.read_text(encoding="utf-8")
    assert "the images of cifar10 are not here and no host is asked; --data-dir names their folder." in text
    assert "<img" not in text
    assert "not in the hub&#39;s cache on this machine" in pairs.read_text(encoding="utf-8")


@pytest.mark.parametrize("where", ["cache", "remembered", "named"])
def test_images_that_are_here_are_shown_and_no_host_is_asked(asked: list[str], tmp_path: Path, where: str) -> None:
    files = ground.cifar10(tmp_path / "files")
    if where == "cache":
        ground.to_cache(tmp_path / "cache", "data", files)
    store = kept(tmp_path / "results.db", files if where == "remembered" else tmp_path / "gone", files)
    gallery = Gallery(store, files if where == "named" else None)
    for plan in store.plans():
        assert gallery.show(plan, plan.indices[0], ()).clean.startswith("data:image/png;base64,")
    assert asked == []


def test_a_data_set_that_is_not_here_is_looked_for_once(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def nothing(repository: str, *_: object, **__: object) -> None:
        looked.append(repository)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", nothing)
    store = kept(tmp_path / "results.db")
    gallery = Gallery(store)
    for plan in store.plans():
        with pytest.raises(DataError, match="not in the hub's cache on this machine"):
            gallery.show(plan, plan.indices[0], ())
    assert (len(looked), asked) == (1, [])


def test_only_in_its_scope_is_the_hub_left_alone(asked: list[str]) -> None:
    with local_only(), pytest.raises(DataError, match="no host is asked for it here; name its folder with --data-dir"):
        hub_file("CIFAR-10", "uoft-cs/cifar10", "test.parquet")
    assert asked == []
    with pytest.raises(DataError, match="could not be fetched"):
        hub_file("CIFAR-10", "uoft-cs/cifar10", "test.parquet")
    assert len(asked) == 1


def test_the_folder_of_the_data_is_remembered_and_no_part_of_the_plan(tmp_path: Path) -> None:
    files = ground.cifar10(tmp_path / "files")
    request = Request("tests.plugins:Faulty", "none", find_protocol("white-box-1024"), dataset="cifar10", samples=2)
    folders = (files, Path(shutil.copytree(files, tmp_path / "moved")))
    plans = [make_plan(replace(request, data_dir=folder)) for folder in folders]
    assert [plan.places["dataset"] for plan in plans] == [{"folder": str(folder)} for folder in folders]
    assert plans[0].digest == plans[1].digest


def test_a_data_set_of_somebody_else_finds_no_host_either() -> None:
    def looks() -> None:
        socket.getaddrinfo("localhost", 80)

    def calls() -> None:
        with socket.socket() as link:
            link.connect(("127.0.0.1", 9))

    for ask in (looks, calls):
        with local_only(), pytest.raises(DataError, match="no host is asked"):
            ask()
    socket.getaddrinfo("localhost", 80)
    mine, yours = socket.socketpair()
    mine.close(), yours.close()
