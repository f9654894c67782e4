"""What a network gains, where no gradient is asked for, by being rewritten, and what that does to its answers.

python benchmarks/rewrites.py --output benchmarks/results/rewrites.json

Each network is asked about the same images as it is and rewritten, in turns, on one thread. The answers are looked at
twice: verdicts of images at the budget, and decisions as Square makes them (Andriushchenko et al. 2020, 1912.00049),
which keeps a proposal where the margin falls. What a margin moves by the rewriting is measured; a decision by less than
that must be made again in float32, and `ratio left` is the gain after that. The ResNet-18 needs CIFAR-10: its folder
is named by `BENCH_DATA_DIR`.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from bench import Batch
from bench.domain.queries.spending import lead
from bench.plugins.registry import defenses
from contests.machine import described, machine
from contests.sides import subjects
from contests.table import REWRITTEN_HEADINGS, rewritten_cells
from contests.written import FORMAT, write
from defenses.parts.networks.attention import join

AREA = 0.0125
"""Share of an image that a proposal's square covers: Square's own after some 1000 queries."""
PROPOSALS = 8
"""Proposals an image."""

Ask = Callable[[nn.Module, Tensor], Tensor]
Rewriting = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True)
class Case:
    """A network, logits (N, K) of images by it or by a rewritten one, and images with a budget in linf."""

    name: str
    network: nn.Module
    ask: Ask
    batch: Batch
    radius: float


def halved(network: nn.Module) -> nn.Module:
    """Its weights in bfloat16."""
    found = nn.Module.to(network, dtype=torch.bfloat16)
    join(found)  # again, for what joined attention computes with is a copy
    return found


def channels_last(network: nn.Module) -> nn.Module:
    """Its weights with channels as the last dimension in memory, and so what a convolution makes of any image."""
    return nn.Module.to(network, memory_format=torch.channels_last)


def compiled(network: nn.Module) -> nn.Module:
    """By torch's compiler, which writes C++ for a CPU."""
    found: Any = torch.compile(network)
    return found  # type: ignore[no-any-return]


REWRITINGS: dict[str, Rewriting] = {
    "batch norm folded": fuse,
    "channels_last": channels_last,
    "bfloat16": halved,
    "bfloat16, channels_last": lambda network: channels_last(halved(network)),
    "compiled": compiled,
}


def cases(images: int) -> Iterator[Case]:
    """Digits' ResNet, digits' diffusion classifier without a race, and pyautoattack's ResNet-18."""

    def straight(network: nn.Module, shown: Tensor) -> Tensor:
        logits: Tensor = network(shown.to(next(network.parameters()).dtype))
        return logits.float()

    digits = subjects.digits()
    yield Case("resnet, digits", digits.network.module, straight, digits.images.read(range(images)), 0.1)

    settings = {"search": "full", "timesteps": 4}
    diffusion: Any = defenses.make("diffusion-classifier", settings).load(digits.images.task, "cpu")

    def by_denoising(network: nn.Module, shown: Tensor) -> Tensor:
        diffusion.denoiser.network = network
        logits: Tensor = diffusion(shown, torch.Generator().manual_seed(0))
        return logits

    few = digits.images.read(range(images // 4))
    yield Case("diffusion-classifier, digits", diffusion.denoiser.network, by_denoising, few, 0.1)
    if "BENCH_DATA_DIR" in os.environ:
        found = subjects.photographs()
        yield Case("ResNet-18, CIFAR-10", found.network.module, straight, found.images.read(range(images)), 1 / 255)


@torch.no_grad()
def measure(case: Case, rewriting: str, laps: int) -> dict[str, Any] | None:
    """One row of the table; None where the rewriting has nothing to do here."""
    network = copy.deepcopy(case.network)
    if rewriting == "batch norm folded" and not any(isinstance(each, nn.BatchNorm2d) for each in network.modules()):
        return None
    base, proposed = squares(case)
    started = time.perf_counter()
    rewritten = REWRITINGS[rewriting](network)
    case.ask(rewritten, base)
    prepared = time.perf_counter() - started
    both = {"plain": case.network, "rewritten": rewritten}
    seconds: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(laps):
        for name, asked in both.items():
            started = time.perf_counter()
            case.ask(asked, base)
            seconds[name].append(time.perf_counter() - started)
    plain, other = (torch.stack([case.ask(asked, images) for images in (base, *proposed)]) for asked in both.values())
    changes = torch.stack([(images != base).flatten(1).any(1) for images in proposed])
    return {
        "network": case.name,
        "rewriting": rewriting,
        "images": len(base),
        "prepared": prepared,
        **{name: median(found) for name, found in seconds.items()},
        **unlike(plain, other, case.batch.labels, changes),
    }


def unlike(plain: Tensor, other: Tensor, labels: Tensor, changes: Tensor) -> dict[str, float]:
    """How far two networks' logits (1 + P, N, K) of images and of P proposals for each differ: at most, as a share of
    an image's range, in verdicts, and in decisions on the proposals that change anything (P, N); how many of these the
    second network cannot make alone."""
    first, second = plain[0], other[0]
    leads = ([lead(logits, labels) for logits in found] for found in (plain, other))
    falls, falling = (torch.stack([start - each for each in rest])[changes] for start, *rest in leads)
    moved = (falls - falling).abs().max()
    return {
        "moved": float(((first - second).abs().amax(1) / (first.amax(1) - first.amin(1))).max()),
        "verdicts": int((first.argmax(1) != second.argmax(1)).sum()),
        "decisions": float(((falls < 0) != (falling < 0)).float().mean()),
        "again": float((falling.abs() <= moved).float().mean()) if moved else 0.0,
    }


def squares(case: Case) -> tuple[Tensor, list[Tensor]]:
    """Images (N, C, H, W) at the budget, striped as Square begins, and proposals that change one square of each."""
    rng, clean = torch.Generator().manual_seed(0), case.batch.images
    count, channels, height, width = clean.shape

    def signs(*shape: int) -> Tensor:
        return 2.0 * torch.randint(0, 2, shape, generator=rng) - 1

    base = (clean + case.radius * signs(count, channels, 1, width)).clamp(0, 1)
    side = max(1, round((AREA * height * width) ** 0.5))
    proposed = []
    for _ in range(PROPOSALS):
        changed = base.clone()
        for image, top, left in zip(
            range(count),
            torch.randint(0, height - side + 1, (count,), generator=rng).tolist(),
            torch.randint(0, width - side + 1, (count,), generator=rng).tolist(),
            strict=True,
        ):
            place = (image, slice(None), slice(top, top + side), slice(left, left + side))
            changed[place] = (clean[place] + case.radius * signs(channels, 1, 1)).clamp(0, 1)
        proposed.append(changed)
    return base, proposed


def shown(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows as a table for the terminal."""
    table = Table(box=None)
    for number, heading in enumerate(REWRITTEN_HEADINGS):
        table.add_column(heading, justify="right" if number > 1 else "left")
    for row in rows:
        table.add_row(*rewritten_cells(row))
    return table


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--laps", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=REWRITINGS, default=[*REWRITINGS], metavar="REWRITING")
    parser.add_argument("--output", type=Path, help="a JSON file to keep the results in")
    parser.add_argument("--note", default="", help="what a reader of the file must know first")
    wanted = parser.parse_args(words)
    torch.set_num_threads(1)
    torch.compiler.config.force_disable_caches = True  # compiling takes what it takes the first time
    console, facts = Console(width=max(Console().width, 160)), machine()
    rows = []
    for case in cases(wanted.images):
        for rewriting in wanted.only:
            row = measure(case, rewriting, wanted.laps)
            if row is not None:
                rows.append(row)
                console.print(f"{case.name}: {rewriting}", style="dim")
    console.print(shown(rows))
    console.print(described(facts), style="dim")
    if wanted.output:
        told = {"format": FORMAT, "note": wanted.note, "machine": facts, "proposals": PROPOSALS}
        write(wanted.output, told | {"rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
