"""What every place of crafted images does, whichever it is: the same tests for all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bench import StoreError, UsageError
from bench.store.images.artifacts import Artifacts, LackingError, UnreachableError, place_of
from bench.store.images.places.folder import Folder
from bench.store.images.places.place import STALE_SECONDS, Place
from bench.store.images.places.remote import Remote
from tests.store.memory import Memory

IMAGES = np.random.RandomState(0).rand(3, 1, 4, 4).astype(np.float32)
KINDS = ("folder", "memory", "memory://", "file://")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A new place, nothing of it made yet."""
    if request.param == "folder":
        return Folder(tmp_path / "deep" / "artifacts")
    if request.param == "memory":
        return Memory()
    return Remote(f"{request.param}{tmp_path}/deep/artifacts")


@pytest.fixture
def artifacts(place: Place) -> Artifacts:
    return Artifacts(place)


def file_of(artifacts: Artifacts, sha256: str) -> str:
    (name,) = (file.name for file in artifacts.place.files() if sha256 in file.name)
    return name


def test_images_are_named_by_their_content_and_come_back_bit_for_bit(artifacts: Artifacts) -> None:
    name = artifacts.write(IMAGES, {"witness": IMAGES[:, 0]})
    assert artifacts.write(IMAGES.copy(), {"witness": IMAGES[:, 0]}) == name
    assert artifacts.write(IMAGES) != name
    found = artifacts.read_all(name)
    assert found.keys() == {"perturbed", "witness"}
    assert found["perturbed"].tobytes() == IMAGES.tobytes()
    assert artifacts.read(name).dtype == np.float32


def test_damage_is_noticed_and_mended_by_writing_again(artifacts: Artifacts) -> None:
    name = artifacts.write(IMAGES)
    content = artifacts.place.read(file_of(artifacts, name))
    assert content is not None
    for damaged in (content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1]), b""):
        artifacts.place.write(file_of(artifacts, name), damaged)
        with pytest.raises(LackingError, match="damaged") as raised:
            artifacts.read(name)
        assert raised.value.damaged
        assert (artifacts.holds(name), artifacts.has(name)) == (False, True)
        assert artifacts.write(IMAGES) == name
        assert (artifacts.read(name) == IMAGES).all()


def test_what_is_not_there_is_missed_and_said_with_what_to_do(artifacts: Artifacts) -> None:
    name = artifacts.write(IMAGES)
    artifacts.delete(name)
    artifacts.delete(name)
    assert not artifacts.holds(name)
    assert not artifacts.has(name)
    with pytest.raises(LackingError, match=r"--artifacts.*--images") as raised:
        artifacts.read(name)
    assert not raised.value.damaged
    assert artifacts.missed == {name}
    assert list(artifacts.kept()) == []


def test_what_lies_there_is_listed_with_its_size_and_age(artifacts: Artifacts) -> None:
    assert list(artifacts.kept()) == []
    names = {artifacts.write(IMAGES), artifacts.write(IMAGES[:2])}
    artifacts.place.write("notes.txt", b"somebody else's")
    found = list(artifacts.kept())
    assert {kept.sha256 for kept in found} == names
    for kept in found:
        content = artifacts.place.read(file_of(artifacts, kept.sha256))
        assert content is not None
        assert kept.size == len(content)
        assert -1 < kept.age < 60


def test_nothing_outside_the_place_is_read(artifacts: Artifacts) -> None:
    assert not artifacts.holds("../" * 8 + "etc/passwd")
    assert not artifacts.has("")
    with pytest.raises(LackingError):
        artifacts.read("../" * 8 + "etc/passwd")


def test_writers_of_the_same_content_do_not_disturb_each_other(artifacts: Artifacts) -> None:
    start, names = threading.Barrier(8), []

    def write() -> None:
        start.wait()
        names.extend(artifacts.write(IMAGES[:size]) for size in (1, 2, 3))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 3
    assert len(names) == 24
    assert {kept.sha256 for kept in artifacts.kept()} == set(names)
    assert all(artifacts.holds(name) for name in names)


def test_images_go_from_any_place_to_any_other_unless_they_are_lacking(artifacts: Artifacts, tmp_path: Path) -> None:
    here = Artifacts(tmp_path / "here")
    name, damaged = artifacts.write(IMAGES), artifacts.write(IMAGES[:2])
    artifacts.place.write(file_of(artifacts, damaged), b"")
    assert here.adopt(name, artifacts)
    assert (here.read(name) == IMAGES).all()
    assert not here.adopt(damaged, artifacts)
    assert not here.adopt("../" * 8 + "etc/passwd", artifacts)
    assert [kept.sha256 for kept in here.kept()] == [name]


@pytest.fixture
def broken(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    """A place that answers nothing any more."""

    def refuse(*_: object) -> Iterator[None]:
        raise OSError("the line is dead")

    for method in ("read", "write", "delete", "holds", "files"):
        monkeypatch.setattr(artifacts.place, method, refuse)
    return artifacts


def test_a_place_that_does_not_answer_is_not_taken_for_an_empty_one(broken: Artifacts) -> None:
    asked: list[Callable[[], object]] = [
        *(lambda: broken.read("0" * 64), lambda: broken.holds("0" * 64), lambda: broken.has("0" * 64)),
        lambda: list(broken.kept()),
    ]
    for ask in asked:
        with pytest.raises(UnreachableError, match=r"could not be read \(the line is dead"):
            ask()
    with pytest.raises(StoreError, match="could not be deleted"):
        broken.delete("0" * 64)
    assert not Artifacts(Memory()).adopt("0" * 64, broken)


@pytest.mark.parametrize("kind", ["folder", "file://"])
def test_what_a_killed_writer_has_left_is_swept_away_once_it_is_old(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    name = Artifacts(folder).write(IMAGES)
    old, young = folder / name[:2] / "old.partial", folder / "young.partial"
    for partial in (old, young):
        partial.write_bytes(b"half")
    long_ago = old.stat().st_mtime - 2 * STALE_SECONDS
    os.utime(old, (long_ago, long_ago))
    artifacts = Artifacts(place_of(str(folder) if kind == "folder" else f"file://{folder}"))
    assert [kept.sha256 for kept in artifacts.kept()] == [name]
    assert old.exists()  # reading changes nothing
    artifacts.write(IMAGES[:2])
    assert (old.exists(), young.exists()) == (False, True)


KILLED_AT_FSYNC = """
import os, signal, sys, time
import numpy as np
from pathlib import Path
from bench.store.images.artifacts import Artifacts
def dies(descriptor):
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = dies
Artifacts(Path(sys.argv[1])).write(np.ones((3, 1, 4, 4), np.float32))
"""


def test_a_kill_before_a_file_is_whole_leaves_nothing_that_is_taken_for_one(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_AT_FSYNC, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (partial,) = tmp_path.rglob("*.partial")
    artifacts = Artifacts(tmp_path)
    assert list(artifacts.kept()) == []
    name = artifacts.write(np.ones((3, 1, 4, 4), np.float32))
    assert [kept.sha256 for kept in artifacts.kept()] == [name]
    assert partial.exists()  # it might be a living writer's
    os.utime(partial, (0, 0))
    Artifacts(tmp_path).write(IMAGES)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), f"file://{tmp_path / 'file'}"):
        with pytest.raises(StoreError, match=r"could not be written to .*file \(.*--artifacts"):
            Artifacts(place_of(place)).write(IMAGES)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        Artifacts(tmp_path).write(IMAGES)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_places_are_named_as_a_person_would(tmp_path: Path) -> None:
    assert str(place_of(None, tmp_path / "results.db")) == str(tmp_path / "results.artifacts")
    assert str(place_of(None)) == "results.artifacts"
    assert str(place_of("", tmp_path / "a.db")) == str(tmp_path / "a.artifacts")
    assert str(place_of(tmp_path)) == str(tmp_path)
    assert str(place_of("memory://a/b/")) == "memory://a/b"
    with pytest.raises(UsageError, match="nosuch://x cannot be opened here"):
        place_of("nosuch://x")
    with pytest.raises(StoreError, match="lie in no folder"):
        _ = Artifacts(Memory()).folder


def test_without_fsspec_a_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with suppress(KeyError):
        monkeypatch.delitem(sys.modules, "fsspec.core")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"defense-bench\[fsspec\]"):
        place_of("s3://bucket/folder")
