from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from bench.plugins.places import split_paths, split_places
from bench.plugins.settings import spell_out


@dataclass(frozen=True)
class Net:
    weights: str | None = None
    arch: str = "small"
    loss: Literal["runs", "l2"] = "l2"
    home: str = "models"
    ensemble: tuple[Path, ...] = ()
    steps: int = 3


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "net.bin"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def places(net: Net, *files: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return split_places(net, spell_out(net), files)


def test_the_path_of_a_file_the_folder_that_holds_it_and_no_word_of_it_are_one_content(file: Path) -> None:
    (file.parent.parent / "link.bin").symlink_to(file)
    told = [None, "runs/net.bin", "./runs/../runs/net.bin", str(file), "runs", str(file.parent), "link.bin"]
    contents = [places(Net(weights), file)[0] for weights in told]
    assert all(content == contents[0] for content in contents)
    assert "weights" not in contents[0]
    assert contents[0]["arch"] == "small"


def test_a_place_is_kept_whole_and_read_from_anywhere(file: Path) -> None:
    assert places(Net("runs/net.bin"), file)[1] == {"weights": str(file)}
    assert places(Net(), file)[1] == {}
    several = Net(ensemble=(Path("runs/net.bin"), file))
    content, kept = places(several, file)
    assert (kept["ensemble"], "ensemble" in content) == ([str(file), str(file)], False)


def test_the_hubs_repository_is_a_place_whatever_its_revision(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--owner--net" / "snapshots" / "abc"
    blob = tmp_path / "hub" / "models--owner--net" / "blobs" / "123"
    folder.mkdir(parents=True)
    blob.parent.mkdir()
    blob.write_bytes(b"weights")
    file = folder / "model.safetensors"
    file.symlink_to(blob)
    for told in ("owner/net", "owner/net@main", str(folder), str(file)):
        content, kept = places(Net(told), file)
        assert "weights" not in content
        assert kept == {"weights": told}
    assert places(Net("other/net"), file)[0]["weights"] == "other/net"


def test_a_word_that_is_also_a_folders_name_stays_content(file: Path) -> None:
    content, kept = places(Net("runs/net.bin", arch="runs", loss="runs"), file, file.with_name("config.json"))
    assert (content["arch"], content["loss"]) == ("runs", "runs")
    assert set(kept) == {"weights"}


def test_a_folder_that_alone_tells_where_files_lie_is_a_place_be_it_the_default(file: Path) -> None:
    deep = file.parent.parent / "models" / "cifar10" / "net.bin"
    assert places(Net(), deep) == (
        {"arch": "small", "loss": "l2", "ensemble": [], "steps": 3},
        {"home": str(file.parent.parent / "models")},
    )
    assert "home" not in places(Net(home=str(deep.parent)), deep)[0]


def test_a_path_to_something_else_stays_content(file: Path) -> None:
    other = file.with_name("other.bin")
    other.write_bytes(b"other")
    assert places(Net(weights=str(other)), file)[0]["weights"] == str(other)
    assert places(Net(arch="no\0path", weights="~nobody/x"), file)[0]["arch"] == "no\0path"


@dataclass(frozen=True)
class Images:
    root: Path
    extra: Path | None = None
    kind: str = "fog"


def test_every_path_of_a_data_set_is_a_place_for_its_images_are_hashed(file: Path) -> None:
    images = Images(Path("runs"))
    assert split_paths(images, spell_out(images)) == ({"kind": "fog"}, {"root": str(file.parent)})
