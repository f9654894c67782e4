"""What a GPU makes of a diffusion classifier of Stable Diffusion's true size, and of AutoAttack on a WideResNet-28-10.

python benchmarks/accelerator.py --output benchmarks/results/accelerator.json

Weights are random, for what a pass costs does not hang on them; but when a race is over does, so what it saves is
measured elsewhere (race.py), and here what one row costs in it. The released loop is the peer: class by class, 32 rows
a call, in the same half precision. A race sees `--images`, the stages and the loop, whose rows an image take seconds,
the first `--few` of them. Rates stand beside the device's own: a matrix product and a copy, measured in the same run.
AutoAttack's budget is the one at which the net, whose own predictions are the labels, falls for about half of the
samples; `--steps` and `--queries` shorten it on both sides.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.datasets.cifar10 import TASK
from bench.loading.determinism import exact
from bench.plugins.registry import defenses
from contests.bouts.on_device import autoattack
from contests.machine import described, machine
from contests.sides.device import SEED, ceilings, rng_on, timed
from contests.sides.full_size import SMALL, TRUE, stable_diffusion, wide_resnet
from contests.sides.loops import BATCH, Elimination, diffusion_classifier
from contests.work import counted
from contests.written import FORMAT, write
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification

STAGES = Elimination((50, 500), (5, 1))
SEARCHES = ("staged", "race")


def diffusion(
    folder: Path, images: Tensor, few: int, told: Callable[[str], None], keep: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """A race on all images, the stages and the released loop on a few of them, under the same noise."""
    device, rows = str(images.device), list[dict[str, Any]]()
    for search in SEARCHES:
        made = defenses.make("diffusion-classifier", {"weights": str(folder), "search": search})
        started = time.perf_counter()
        with exact(device):
            made = made.resolve(TASK).on(TASK, lambda: device)
            found = made.load(TASK, device)
        assert isinstance(found, DiffusionClassification)
        loaded = found
        loading = time.perf_counter() - started
        chunks = loaded.chunks  # what the device was found to hold
        told(f"{search}: loaded in {loading:.1f} s, {chunks}")
        shown = images if search == "race" else images[:few]
        with exact(device), torch.no_grad():
            _warm(loaded, images[:1], chunks.plain)
            with counted([loaded.denoiser.network]) as work:
                seconds, memory, logits = timed(device, partial(loaded, shown, rng_on(device)))
        row = _row(search, len(shown), seconds, memory, work.rows, logits.argmax(1).tolist())
        rows.append(row | {"chunk": chunks.plain, "loading": round(loading, 1)})
        keep({"searches": rows})
        told(str(rows[-1]))
    keep({"calls": _calls(loaded, images[:1], chunks.plain)})
    rows.append(_released(loaded, images[:few]))
    flop = _flop(loaded, images)
    for row in rows:
        row["tflops"] = round(flop * row["rows"] / row["seconds"] / 1e12, 1)
        row["flop_a_row"] = flop
    keep({"searches": rows})
    return rows


def _warm(model: DiffusionClassification, image: Tensor, rows: int) -> None:
    """One call of so many rows: what the first one sets up is nobody's time."""
    codes = model.denoiser.encode(image).expand(rows, -1, -1, -1)
    steps = torch.zeros(rows, dtype=torch.int64, device=image.device)
    model.denoiser.errors(codes, torch.zeros_like(codes), steps, steps, "l1")


@torch.no_grad()
def _calls(model: DiffusionClassification, image: Tensor, most: int) -> list[dict[str, Any]]:
    """What calls of 8 rows and more cost, each the median of three."""
    device, found = str(image.device), []
    for rows in (2**power for power in range(3, most.bit_length())):
        work = partial(_warm, model, image, rows)
        work()
        seconds, memory, _ = sorted((timed(device, work) for _ in range(3)), key=itemgetter(0))[1]
        found.append({"rows": rows, "rows_a_second": round(rows / seconds, 1), "memory": memory})
    return found


@torch.no_grad()
def _released(model: DiffusionClassification, images: Tensor) -> dict[str, Any]:
    """The released loop, image by image, on torch's own defaults."""
    denoiser, device = model.denoiser, str(images.device)
    grid = model.grid.steps.tolist()

    def predict(noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
        return denoiser.noise(noisy, steps, classes, signal[steps].view(-1, 1, 1, 1))

    signal = denoiser.schedule.to(device)

    def work() -> list[int]:
        codes = denoiser.encode(images)
        noise = torch.randn(len(grid), *codes.shape[1:], generator=rng_on(device), device=device).to(codes)
        return [diffusion_classifier(predict, signal, code, noise, grid, STAGES, len(TASK.classes)) for code in codes]

    with counted([denoiser.network]) as done:
        seconds, memory, verdicts = timed(device, work)
    return _row("released loop", len(images), seconds, memory, done.rows, verdicts) | {"chunk": BATCH}


def _flop(model: DiffusionClassification, images: Tensor) -> float:
    """Floating-point operations of one row."""
    one = torch.zeros(1, dtype=torch.int64, device=images.device)
    with torch.no_grad():
        codes = model.denoiser.encode(images[:1])
        with FlopCounterMode(display=False) as counter:
            model.denoiser.errors(codes, torch.zeros_like(codes), one, one, "l1")
    return float(counter.get_total_flops())


def _row(name: str, images: int, seconds: float, memory: int, rows: int, verdicts: list[int]) -> dict[str, Any]:
    return {
        "name": name,
        "images": images,
        "seconds": round(seconds, 3),
        "images_a_second": round(images / seconds, 4),
        "rows": rows,
        "rows_a_second": round(rows / seconds, 1),
        "memory": memory,
        "verdicts": verdicts,
    }


def shown(found: dict[str, Any]) -> Table:
    """The searches as a table for the terminal."""
    table = Table(title="Stable Diffusion 2.0's size", title_justify="left", box=None)
    for heading in ("search", "images a second", "rows", "rows a second", "TFLOP/s", "of a matrix product", "GiB"):
        table.add_column(heading, justify="right" if table.columns else "left")
    for row in found.get("searches", ()):
        share = row["tflops"] / found["ceilings"]["half"]
        figures = (f"{row['images_a_second']:.3f}", str(row["rows"]), f"{row['rows_a_second']:.0f}")
        table.add_row(row["name"], *figures, f"{row['tflops']:.0f}", f"{share:.0%}", f"{row['memory'] / 2**30:.1f}")
    return table


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where AutoAttack's verdicts are not the library's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", choices=["true", "small"], default="true")
    parser.add_argument("--images", type=int, default=64, help="images that a race classifies")
    parser.add_argument("--few", type=int, default=4, help="of these, how many the stages and the released loop do")
    parser.add_argument("--samples", type=int, default=32, help="samples that AutoAttack attacks")
    parser.add_argument("--steps", type=int, default=100, help="of APGD and FAB")
    parser.add_argument("--queries", type=int, default=5000, help="of Square")
    parser.add_argument("--only", choices=["diffusion", "autoattack"], nargs="+", default=["diffusion", "autoattack"])
    parser.add_argument("--output", type=Path, help="a JSON file, written after every part")
    wanted = parser.parse_args(words)
    size, console = {"true": TRUE, "small": SMALL}[wanted.size], Console(width=max(Console().width, 120))
    found: dict[str, Any] = {"format": FORMAT, "machine": machine(), "size": wanted.size}

    def keep(more: dict[str, Any]) -> None:
        found.update(more)
        if wanted.output:
            write(wanted.output, found)

    def told(line: str) -> None:
        console.print(line, style="dim", markup=False, highlight=False)

    keep({"ceilings": ceilings(wanted.device, 8192 if wanted.size == "true" else 256)})
    told(str(found["ceilings"]))
    shape, rng = (max(wanted.images, wanted.samples), *TASK.shape), torch.Generator().manual_seed(SEED)
    images = torch.rand(shape, generator=rng).to(wanted.device)
    if "diffusion" in wanted.only:
        dtype = torch.float16 if wanted.device.startswith("cuda") else torch.float32
        with tempfile.TemporaryDirectory() as folder:
            path = stable_diffusion(Path(folder) / "model", size, wanted.device, dtype)
            diffusion(path, images[: wanted.images], wanted.few, told, keep)
    if "autoattack" in wanted.only:
        chosen = images[: wanted.samples]
        network = wide_resnet(size, chosen)
        keep({"autoattack": autoattack(network, chosen, wanted.steps, wanted.queries, told)})
    console.print(shown(found))
    console.print(described(found["machine"]), style="dim")
    attacked = found.get("autoattack")
    return 1 if attacked is not None and attacked["equal"] != attacked["samples"] else 0


if __name__ == "__main__":
    sys.exit(main())
