"""What a race among classes saves, beside fixed stages and the whole grid, and how often its verdict is another.

python benchmarks/race.py --images aa-linf --cache images.npz --output benchmarks/results/race-aa-linf.json

The errors of every class at every timestep are computed once. Then each search runs over them, by the very code that
runs over a network and under the same noise: that counts rows and verdicts on all samples. On the first `--real` of
them it runs through the network as well, for the seconds; verdicts must be those over the table, or the program fails.
Attacked images are AutoAttack's on ResNet in linf at 0.05.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.stats import clopper_pearson_interval
from contests.bouts.searches import Found, errors_of, over_table, searches, through_network
from contests.kept import Cache, attacked, clean, key_of
from contests.machine import described, machine
from contests.table import SEARCH_HEADINGS, search_cells
from contests.written import FORMAT, write

RISKS = (0.1, 0.01, 1e-3, 1e-4)


def measure(defense: str, timesteps: int, images: Tensor, labels: Tensor, real: int, table: Tensor) -> dict[str, Any]:
    """Every search over the table of all images and through the network on the first of them."""
    rows, full, first = [], None, images[:real]
    for search in searches(timesteps, RISKS):
        known, seen = over_table(defense, search, table), through_network(defense, search, first)
        full = full or (known, seen)
        rows.append(_row(search.name, labels, known, seen, full[0]))
    return {"samples": len(images), "real": real, "searches": rows}


def _row(name: str, labels: Tensor, known: Found, seen: Found, full: Found) -> dict[str, Any]:
    count = len(labels)
    otherwise = int((known.verdicts != full.verdicts).sum())
    interval = clopper_pearson_interval(otherwise, count)
    return {
        "name": name,
        "rows": known.rows,
        "real_rows": seen.rows,
        "seconds": seen.seconds,
        "otherwise": otherwise,
        "interval": [interval.low, interval.high],
        "correct": int((known.verdicts == labels).sum()),
        "unlike_table": int((seen.verdicts != known.verdicts[: len(seen.verdicts)]).sum()),
    }


def shown(found: dict[str, Any]) -> Table:
    """The searches as a table for the terminal."""
    table = Table(title=found["title"], title_justify="left", box=None)
    for number, heading in enumerate(SEARCH_HEADINGS):
        table.add_column(heading, justify="right" if number else "left")
    for row in found["searches"]:
        table.add_row(*search_cells(row, found), style="red" if row["unlike_table"] else None)
    return table


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a search through the network gives other verdicts than over the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defense", default="diffusion-classifier", choices=["diffusion-classifier", "tmdc"])
    parser.add_argument("--timesteps", type=int, default=100)
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--images", default="clean", choices=["clean", "aa-linf"])
    parser.add_argument("--real", type=int, default=128, help="samples that go through the network too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="an .npz file for attacked images and tables of errors")
    parser.add_argument("--output", type=Path, help="a JSON file to keep the results in")
    parser.add_argument("--note", default="", help="what a reader of the file must know first")
    wanted = parser.parse_args(words)
    torch.set_num_threads(wanted.threads)
    console, cache, batch, facts = (
        Console(width=max(Console().width, 120)),
        Cache(wanted.cache),
        clean(wanted.samples),
        machine(),
    )

    def told(what: str, done: int) -> None:
        console.print(f"{what} {done} of {wanted.samples}", style="dim")

    images = batch.images
    if wanted.images == "aa-linf":
        images = cache.get(f"aa-linf-{wanted.samples}", lambda: attacked(wanted.samples, partial(told, "attacked")))
    whole = searches(wanted.timesteps, ())[0]
    key = key_of(wanted.defense, wanted.timesteps, wanted.images, wanted.samples)
    table = cache.get(key, lambda: errors_of(wanted.defense, whole, images, partial(told, "images on the full grid:")))
    found = {
        "format": FORMAT,
        "note": wanted.note,
        "machine": facts,
        "title": f"{wanted.defense} on {wanted.samples} {wanted.images} digits, {wanted.timesteps} timesteps",
        **measure(wanted.defense, wanted.timesteps, images, batch.labels, min(wanted.real, wanted.samples), table),
    }
    console.print(shown(found))
    console.print(described(facts), style="dim")
    if wanted.output:
        write(wanted.output, found)
    return 1 if any(row["unlike_table"] for row in found["searches"]) else 0


if __name__ == "__main__":
    sys.exit(main())
