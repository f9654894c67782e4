from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bench import UsageError
from bench.plugins.files import sha256_of


def test_a_file_that_changes_within_a_tick_of_the_clock_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_ctime_ns // 10**9 * 10**9))
        assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_older_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for time, content in enumerate((b"one", b"two")):
        path.write_bytes(content)
        os.utime(path, (time, time))
        assert [sha256_of(path), sha256_of(path)] == [hashlib.sha256(content).hexdigest()] * 2


def test_a_file_is_read_once_in_a_process_while_size_and_time_are_the_same(tmp_path: Path) -> None:
    path, link = tmp_path / "weights", tmp_path / "link"
    path.write_bytes(b"one")
    link.symlink_to(path)
    os.utime(path, (7, 7))
    first = sha256_of(path)
    path.write_bytes(b"two")
    os.utime(path, (7, 7))
    assert [sha256_of(path), sha256_of(link)] == [first, first]  # nobody has read it again
    os.utime(path, ns=(7 * 10**9, 7 * 10**9 + 1))
    assert sha256_of(path) == hashlib.sha256(b"two").hexdigest()
    path.write_bytes(b"three")
    os.utime(path, ns=(7 * 10**9, 7 * 10**9 + 1))
    assert sha256_of(link) == hashlib.sha256(b"three").hexdigest()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere.bin cannot be read"):
        sha256_of(tmp_path / "nowhere.bin")
