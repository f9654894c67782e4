from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from bench.datasets.digits import Digits
from bench.store.images.artifacts import Artifacts
from bench.store.images.packing import pack, unpack

RANDOM = np.random.RandomState(0)
DIGITS = Digits().load("test", None).arrays(range(64))[0]


@pytest.mark.parametrize(
    "arrays",
    [
        {"perturbed": DIGITS},
        {"perturbed": (RANDOM.randint(0, 256, (8, 3, 32, 32)) / 255).astype(np.float32)},
        {"perturbed": RANDOM.rand(8, 3, 32, 32).astype(np.float32), "closest": DIGITS},
        {"perturbed": DIGITS, "witness": RANDOM.rand(64, 2, 8, 8), "broken_at": np.arange(64)},
        {"perturbed": np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45] * 50, np.float32)},
        {"perturbed": np.frombuffer(b"\x01\x00\xc0\x7f\x02\x00\xc0\x7f" * 64, np.float32)},
        {"perturbed": np.arange(3000, dtype=np.float32).repeat(4)},
        {"perturbed": np.zeros((0, 1, 8, 8), np.float32)},
        {"perturbed": DIGITS.astype(np.float16), "flags": np.ones(64, bool)},
    ],
)
def test_content_comes_back_bit_for_bit(arrays: dict[str, np.ndarray]) -> None:
    content = save(arrays)
    packed = pack(content)
    assert packed == content or unpack(packed) == content
    assert len(packed) <= len(content)


@given(st.binary(max_size=400))
def test_content_that_is_no_safetensors_file_comes_back_too(content: bytes) -> None:
    for given_content in (content, content * 50):
        packed = pack(given_content)
        assert packed == given_content or unpack(packed) == given_content


def test_images_of_8_bits_take_a_byte_a_number_at_most() -> None:
    images = (RANDOM.randint(0, 256, (32, 3, 32, 32)) / np.float32(255)).astype(np.float32)
    assert len(pack(save({"perturbed": images}))) < images.size * 1.02 + 2000
    assert len(pack(save({"perturbed": DIGITS}))) < DIGITS.nbytes / 7
    moved = np.clip(images + np.float32(8 / 255) * RANDOM.choice([-1, 1], images.shape).astype(np.float32), 0, 1)
    assert len(pack(save({"perturbed": moved}))) < images.nbytes / 2.5


def test_a_header_of_another_library_is_kept_as_it_was() -> None:
    content = save({"perturbed": DIGITS})
    length = int.from_bytes(content[:8], "little")
    spaced = struct.pack("<Q", length + 16) + content[8 : 8 + length] + b" " * 16 + content[8 + length :]
    assert unpack(pack(spaced)) == spaced
    assert (load(spaced)["perturbed"] == DIGITS).all()


def segment(coding: int, width: int, size: int, data: bytes) -> bytes:
    return save({"packed": np.frombuffer(struct.pack("<BBQQ", coding, width, size, len(data)) + data, np.uint8)})


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no file at all",
        save({"perturbed": DIGITS}),
        save({"packed": DIGITS}),
        segment(0, 1, 1 << 40, zlib.compress(bytes(1 << 16))),
        segment(0, 1, 10, zlib.compress(bytes(1 << 16))),
        segment(0, 1, 10, b"not compressed"),
        segment(1, 0, 10, zlib.compress(bytes(10))),
        segment(1, 3, 10, zlib.compress(bytes(10))),
        segment(2, 3, 10, zlib.compress(bytes(10))),
        segment(2, 4, 40, zlib.compress(b"\x01\x00" + bytes(4) + b"\x07" * 10)),
        segment(2, 4, 8, zlib.compress(b"\x01\x00" + bytes(4) + bytes(10))),
        segment(2, 4, 8, zlib.compress(b"\x01")),
        segment(0, 1, 10, zlib.compress(bytes(10)))[:-1],
    ],
)
def test_what_nobody_has_packed_unpacks_to_nothing(packed: bytes) -> None:
    assert unpack(packed) is None


def test_files_of_an_older_bench_are_read_under_the_hash_that_they_have(tmp_path: Path) -> None:
    content = save({"perturbed": DIGITS})
    sha256 = hashlib.sha256(content).hexdigest()
    artifacts = Artifacts(tmp_path)
    artifacts.path(sha256).parent.mkdir()
    artifacts.path(sha256).write_bytes(content)
    assert (artifacts.read(sha256) == DIGITS).all()
    assert artifacts.write(DIGITS) == sha256
    assert artifacts.path(sha256).read_bytes() == content  # sound as it is
    artifacts.delete(sha256)
    assert artifacts.write(DIGITS) == sha256
    assert len(artifacts.path(sha256).read_bytes()) < len(content) / 7
