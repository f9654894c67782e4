"""How many rows go through a network at once: what fits and fills a device of CUDA, a habit on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench import Classifier, Task, UsageError
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.noise_errors import Chunks

SHARE = 0.7
"""Share of a device's memory, less the weights, that a chunk may fill."""
MOST_ROWS = 4096
ENCODED = 8
"""Images that go through an autoencoder at once on CUDA, where they fit."""
FULL = 128
"""Rows of Stable Diffusion's latents that fill a device of CUDA: an H200 makes 368 a second at 64 of them, 376 at 128,
and no more at 1024, which take 67 GiB where these take 10. Of smaller latents as many more."""
LATENTS = 64 * 64
"""Places of Stable Diffusion's latents at 512 pixels, of which 8 rows go through the network at once on the CPU, and
one with a graph; of smaller latents as many more."""
HELD = 2**30
"""Bytes of graphs that are kept in memory on the CPU."""
GRAPH = 2**28
"""Bytes of the graph of one chunk at most, for each core has one in memory at a time."""
NOISY_ROWS = 128
"""Noisy images that go through a network at once on the CPU: what a core's cache likes."""

Pass = Callable[[Tensor], Tensor]


def chunks_for(denoiser: Denoiser, task: Task, device: str, rows: int | None) -> Chunks:
    """Rows a network call: the user's, else what is fastest: a power of two that the device holds, or a CPU's habit.

    Raises `UsageError` for less than one row.
    """
    _check(rows)
    if not device.startswith("cuda"):
        return _on_a_cpu(denoiser, task, rows)
    one = torch.zeros(1, *task.shape, device=device)
    images = MOST_ROWS if denoiser.pixels else _fitting(denoiser.encode, one, True, 0, ENCODED)
    if rows is not None:
        return Chunks(rows, rows, images)
    weights = sum(p.numel() * p.element_size() for p in denoiser.network.parameters())

    codes = denoiser.encode(one)
    most = MOST_ROWS if denoiser.pixels else min(MOST_ROWS, max(1, FULL * LATENTS // denoiser.area))
    plain, graph = (_fitting(_errors(denoiser), codes, kept, weights, most) for kept in (False, True))
    return Chunks(plain, graph, images, graph // 2)  # for what comes behind a purifier has graphs of its own


def _on_a_cpu(denoiser: Denoiser, task: Task, rows: int | None) -> Chunks:
    """Chunks that cores can compute side by side, but of latents, where the graph of one row may take gigabytes, and
    where the user says how many rows there are at once."""
    if rows is not None:
        return Chunks(rows, rows, MOST_ROWS if denoiser.pixels else 1)
    if not denoiser.pixels:
        smaller = max(1, LATENTS // denoiser.area)
        return Chunks(min(512, 8 * smaller), min(256, smaller), 1)
    bytes_a_row = _graph_bytes(denoiser, task)
    graph = 1 << max(0, min(512, GRAPH // bytes_a_row).bit_length() - 1)
    return Chunks(2 * graph, graph, MOST_ROWS, HELD // bytes_a_row, side_by_side=True)


def _errors(denoiser: Denoiser) -> Pass:
    """One pass of codes through a denoiser's network."""

    def errors(codes: Tensor) -> Tensor:
        steps = torch.full((len(codes),), len(denoiser.schedule) // 2, device=codes.device)
        return denoiser.errors(codes, torch.zeros_like(codes), steps, torch.zeros_like(steps), "l1")

    return errors


def _graph_bytes(denoiser: Denoiser, task: Task) -> int:
    """Bytes that the graph keeps of one row more, for some of what it keeps is of no row."""
    return max(1, _graph(denoiser, task, 2) - _graph(denoiser, task, 1))


def _graph(denoiser: Denoiser, task: Task, rows: int) -> int:
    """Bytes that the graph of so many rows keeps."""
    kept: dict[int, int] = {}

    def note(saved: Tensor) -> Tensor:
        kept[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()  # of which views share one
        return saved

    codes = denoiser.encode(torch.zeros(rows, *task.shape)).requires_grad_(True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        found = _errors(denoiser)(codes)
    del found
    return sum(kept.values())


def noisy_rows(base: Classifier, task: Task, device: str, rows: int | None) -> tuple[int, int]:
    """Noisy images that go through a smoothed classifier's base at once, without a graph and with one; as above."""
    _check(rows)
    if rows is not None:
        return rows, rows
    if not device.startswith("cuda"):
        return NOISY_ROWS, NOISY_ROWS
    rng, one = torch.Generator(device).manual_seed(0), torch.zeros(1, *task.shape, device=device)

    def logits(images: Tensor) -> Tensor:
        return base(images, rng)

    plain = _fitting(logits, one, False, 0, MOST_ROWS)
    return plain, min(plain, _fitting(logits, one, True, 0, MOST_ROWS))


def _check(rows: int | None) -> None:
    if rows is not None and rows < 1:
        raise UsageError(f"rows must be at least 1; got {rows}.")


def _fitting(one_pass: Pass, row: Tensor, graph: bool, weights: int, most: int) -> int:
    """The largest power of two up to `most` that fits, from the device's total memory and the measured bytes a row; it
    hangs on nothing else, so that devices of one kind cut alike."""
    few, many = _peak(one_pass, row, 2, graph), _peak(one_pass, row, 6, graph)
    bytes_a_row = max(1, (many - few) // 4)
    total = torch.cuda.get_device_properties(row.device).total_memory
    room = int((total - weights) * SHARE) // bytes_a_row
    return 1 << max(0, min(most, room).bit_length() - 1)


def _peak(one_pass: Pass, row: Tensor, rows: int, graph: bool) -> int:
    """Peak bytes of one pass of `rows` rows; run twice, as the first call also sets up its kernels."""
    peak = 0
    for _ in range(2):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(row.device)
        _pass(one_pass, row.detach().expand(rows, *row.shape[1:]).clone(), graph)
        peak = int(torch.cuda.max_memory_allocated(row.device))
    return peak


def _pass(one_pass: Pass, leaf: Tensor, graph: bool) -> None:
    """One pass, and back where a graph is kept; nothing of it stays in memory."""
    with torch.set_grad_enabled(graph):
        found = one_pass(leaf.requires_grad_(graph))
        if graph and found.requires_grad:
            torch.autograd.grad(found.sum(), leaf)
