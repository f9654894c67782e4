"""How many rows go through a denoiser at once: measured on CUDA, a habit on the CPU."""

from __future__ import annotations

import torch

from bench import Task
from defenses.parts.denoiser import Denoiser
from defenses.parts.noise_errors import Chunks

SHARE = 0.7
"""Share of a device's memory, less the weights, that a chunk may fill."""
MOST_ROWS = 4096


def chunks_for(denoiser: Denoiser, task: Task, device: str, rows: int | None) -> Chunks:
    """Rows a network call: the user's, else what the device holds (a power of two), else what is fastest on a CPU."""
    cuda = device.startswith("cuda")
    images = MOST_ROWS if denoiser.pixels else (8 if cuda else 1)
    if rows is not None:
        return Chunks(rows, rows, images)
    if not cuda:
        return Chunks(512, 256, images) if denoiser.pixels else Chunks(8, 1, images)
    codes = denoiser.encode(torch.zeros(1, *task.shape, device=device))
    return Chunks(_rows(denoiser, codes, False), _rows(denoiser, codes, True), images)


def _rows(denoiser: Denoiser, codes: torch.Tensor, graph: bool) -> int:
    """The largest power of two that fits, from the device's total memory and the measured bytes a row."""
    few, many = _peak(denoiser, codes, 2, graph), _peak(denoiser, codes, 6, graph)
    bytes_a_row = max(1, (many - few) // 4)
    total = torch.cuda.get_device_properties(codes.device).total_memory
    weights = sum(p.numel() * p.element_size() for p in denoiser.network.parameters())
    room = int((total - weights) * SHARE) // bytes_a_row
    return min(MOST_ROWS, 1 << max(0, room.bit_length() - 1))


def _peak(denoiser: Denoiser, codes: torch.Tensor, rows: int, graph: bool) -> int:
    """Peak bytes of one network call on `rows` rows; run twice, as the first call also sets up its kernels."""
    peak = 0
    for _ in range(2):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(codes.device)
        leaf = codes.detach().expand(rows, -1, -1, -1).clone().requires_grad_(graph)
        steps = torch.full((rows,), len(denoiser.schedule) // 2, device=codes.device)
        with torch.set_grad_enabled(graph):
            errors = denoiser.errors(leaf, torch.zeros_like(leaf), steps, torch.zeros_like(steps), "l1")
            if graph:
                torch.autograd.grad(errors.sum(), leaf)
        peak = int(torch.cuda.max_memory_allocated(codes.device))
    return peak
