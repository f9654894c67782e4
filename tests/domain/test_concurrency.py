"""Parts side by side: the bits of a loop, on the cores that there are."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import concurrently
from bench.datasets.digits import TASK, Digits
from bench.loading.determinism import exact
from bench.plugins.registry import defenses
from defenses.parts.diffusion.noise_errors import Chunks
from tests.defenses.tiny import rng

CPU = torch.device("cpu")


def cores(monkeypatch: pytest.MonkeyPatch, count: int, threads: int = 1) -> None:
    """The process may use so many cores, and torch itself so many of its threads."""
    monkeypatch.setattr(torch, "get_num_interop_threads", lambda: count)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)


def test_parts_are_computed_at_the_same_time_and_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)
    together = threading.Barrier(2)

    def met(part: int) -> tuple[int, int]:
        together.wait(30)  # nobody comes back before the other is there
        return part, torch.get_num_threads()

    assert list(concurrently(met, range(4), CPU)) == [(0, 1), (1, 1), (2, 1), (3, 1)]


@pytest.mark.parametrize(("count", "threads", "device"), [(1, 1, "cpu"), (2, 2, "cpu"), (2, 1, "meta")])
def test_parts_are_a_loop_where_no_core_is_spare(
    monkeypatch: pytest.MonkeyPatch, count: int, threads: int, device: str
) -> None:
    cores(monkeypatch, count, threads)
    found = concurrently(lambda _: threading.current_thread(), range(3), torch.device(device))
    assert set(found) == {threading.current_thread()}


def test_parts_of_parts_are_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)

    def threads(part: int) -> set[int]:
        return set(concurrently(lambda _: threading.get_ident(), range(3), CPU))

    assert all(len(found) == 1 for found in concurrently(threads, range(2), CPU))
    assert threading.get_ident() not in set(concurrently(lambda _: threading.get_ident(), range(3), CPU))


def test_autograds_mode_goes_along_and_a_failure_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)
    with torch.no_grad():
        assert list(concurrently(lambda _: torch.is_grad_enabled(), range(2), CPU)) == [False, False]
    with torch.enable_grad():
        assert list(concurrently(lambda _: torch.is_grad_enabled(), range(2), CPU)) == [True, True]
    with pytest.raises(ZeroDivisionError):
        list(concurrently(lambda part: 1 // part, [1, 0, 1], CPU))


@pytest.mark.parametrize("defense", ["diffusion-classifier", "diffpure"])
def test_a_diffusion_gives_equal_bits_whatever_the_number_of_cores(
    monkeypatch: pytest.MonkeyPatch, defense: str
) -> None:
    images = Digits().load("test", None).read(range(6)).images
    model: Any = defenses.make(defense, {}).load(TASK, "cpu")
    chunks = model.chunks if defense == "diffusion-classifier" else model.purifier.chunks
    chunks.plain = chunks.graph = 4

    def asked() -> tuple[Tensor, Tensor]:
        leaf = images.clone().requires_grad_()
        logits = model(leaf, rng())
        return logits.detach(), torch.autograd.grad(logits.square().sum(), leaf)[0]

    found = []
    for count in (1, 3):
        cores(monkeypatch, count)
        with exact("cpu"):
            found.append(asked())
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][1].flatten(1).any(1).all()


def test_rows_are_cut_into_equal_parts_of_which_two_cores_get_as_many_each_where_they_are_not_few() -> None:
    chunks = Chunks(1024, 512, 1, side_by_side=True)
    cut = {1: 1, 127: 127, 128: 64, 129: 65, 512: 256, 513: 257, 1024: 512, 1025: 257, 1536: 384, 0: 1}
    assert {rows: chunks.part(rows) for rows in cut} == cut
    assert [chunks.part(rows, chunks.plain) for rows in (127, 1024, 2048, 2049)] == [127, 512, 1024, 513]
    assert [Chunks(2, 1, 1, side_by_side=True).part(rows) for rows in (1, 2, 3)] == [1, 1, 1]
    assert [Chunks(1024, 512, 1).part(rows) for rows in (192, 513, 1025)] == [192, 257, 342]
