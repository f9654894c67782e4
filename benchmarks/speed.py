"""Writes docs/speed.md and its picture from the results that are kept beside this script.

python benchmarks/speed.py
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contests.figure import ratios
from contests.machine import described
from contests.table import HEADINGS, REWRITTEN_HEADINGS, SEARCH_HEADINGS, cells, rewritten_cells, search_cells
from contests.written import read

RESULTS = Path(__file__).with_name("results")
DOCS = Path(__file__).parents[1] / "docs"
PAGE = """# How fast, beside the peers

{note}A contest asks two programs for the same verdicts, sample by sample, checks in the same run that they are equal as
far as it demands, and times both by the clock on {threads}. Rounds alternate, and who goes first changes. A ratio
is the peer's seconds over ours in one round: above 1 ours is faster. The picture and the table have the median of the
rounds and their range. Rows are what went through networks, forward; where a gradient makes a pass again they count
twice. A contest whose verdicts are not equal has no ratio.

![The peer's seconds over ours, contest by contest](speed.svg)

{peers}

Measured on: {machine}

What is equal, and where it need not be all:

- The libraries' attacks start from the same seed and see the same shards. foolbox starts from the clean image, and so
  does ours there. Where another batch or another order of sums gives other images, 98 % of the verdicts must agree; a
  sample that `fmn-l2` breaks and adversarial-library's does not counts as agreed, and is told.
- The diffusion classifier's released loop (Li et al. 2023) and the gradients' loops (Nie et al. 2022, Chen et al. 2024)
  are written anew from the papers, work on the same networks, and draw the same noise. A race stands beside the
  published stages and beside the whole grid; 99 % must agree, for the stages are sometimes wrong themselves.
- The tiny Stable Diffusion has a few thousand random weights: what it times is the loop around a network and not the
  network, in calls of 512 rows, what a CPU takes of latents so small, and of 32, the released loop's. It hardly tells
  the classes apart, so a race there goes on for long, and stands beside the whole grid: the published stages often rule
  out its class. The `learnt` one has seen digits for 600 steps: what a race saves hangs on what the network has learnt.
  On two threads the loop's small calls gain little and ours much: `sd-race-learnt` is 4.4 there (4.0 to 4.9).
- `aa-linf-best-batch`: of our seconds at shards of 512, 63 of 100 are the network's passes, forward and back, 27 the
  library's own arithmetic, which both sides run, 7 the memory of answers that spares more than half of the rows, and 3
  the victim that counts and checks. Without the last two the ratio would be 1.33. Both sides run in one process here;
  a worker of bench besides keeps the memory that it frees. With that for our side alone, each in a process of its own,
  four rounds gave 1.32 to 1.43; with it for the library as well, one gave 1.20.
- `aa-linf-resnet18` is a net that nothing defends, so that most samples are misled at once; `early_stop` does not walk
  on from them, and changes no verdict. It needs CIFAR-10 (`BENCH_DATA_DIR`).
- Gradients are compared sample by sample, by the least cosine and the largest difference as a share of the largest
  entry. `rdc` as it is races, and leaves out classes that hardly weigh: only its verdicts must be the plain loop's. Its
  gradient is not that of all levels; how far it points elsewhere is told, not demanded. `rdc-full` has the same one.
- `evaluate-*` is the whole command, with planning, judging and replay in processes of their own, beside a process that
  attacks and does nothing else: how far its ratio lies below 1 is what the harness costs.
{races}{rewrites}{accelerator}
## Again

```sh
python benchmarks/peers.py --output benchmarks/results/peers.json
python benchmarks/race.py --cache race.npz --output benchmarks/results/race-diffusion-classifier-clean.json
python benchmarks/race.py --defense tmdc --images aa-linf --cache race.npz \\
    --output benchmarks/results/race-tmdc-aa-linf.json
python benchmarks/rewrites.py --output benchmarks/results/rewrites.json
python benchmarks/accelerator.py --only diffusion --output benchmarks/results/accelerator.json # on a GPU
python benchmarks/speed.py
```

`--only NAME ...` takes some contests, `--samples` fewer samples, `--rounds` another number of rounds. torchattacks,
foolbox and adversarial-library are found where they are installed, and told where not. `python
benchmarks/attack_times.py` has the cells of all attacks that a library has too, without demanding equal verdicts.
"""
RACES = """
## A race among classes

The errors of every class at every timestep are computed once, and each search runs over them by the code that runs over
a network: that gives rows and verdicts of all samples. CPU time is of real runs on the first of them, whose verdicts
are the same. The interval is Clopper and Pearson's, of the share of images whose verdict is not the full grid's.
"""
REWRITES = """
## Networks rewritten where no gradient is asked for

{note}Measured, and not used. Only Square's queries and a judge's come without a gradient: a quarter of AutoAttack's
seconds on `resnet`, for samples that nothing else has broken. Square keeps a proposal where the margin falls, and
late in its search margins differ by less than rounding in bfloat16 moves them: so many decisions would be made
otherwise, and images would no longer be the library's. To make them as before, those decisions must be made again in
float32 whose margin is within what rounding was seen to move one by (`asked again`, of the {proposals} proposals an
image that change it); `ratio left` is the gain after that, and below 1 there is none. Compiling costs its seconds in
every process, and the gain is of that quarter alone. Batch norm is folded in the networks that are built in. A
denoiser in half precision is a defense of its own (`-D precision=`).

{table}

Measured on: {machine}
"""
ACCELERATOR = """
## On a GPU, in the true size

Stable Diffusion 2.0's network has 866 million parameters and takes {flop} TFLOP a row; weights are random here, for
what a row costs does not hang on them. So that a race is over early says nothing: its rows are counted above, on a
denoiser that has learnt, and what a row costs in it is measured here, its small last looks included. All see images of
CIFAR-10's size, as many as the time allowed; of the {few} that all three saw, {alike} get one class from them. A call
has at most as many rows as `a call` says. The device's own matrix product in half precision runs at {half} TFLOP/s,
which the share is of. The harness asks for kernels that repeat themselves, the released loop runs on torch's defaults.

{table}

What calls of so many rows cost. From 64 on the device is full, and more rows take memory alone; so a call has 128 at
most where nobody says otherwise (`-D rows=`).

{calls}

{note}

AutoAttack on a WideResNet-28-10 of random weights, {samples} samples, {steps} steps of APGD and FAB and {queries}
queries of Square, in single precision: ours {ours} s, pyautoattack called directly {library} s, and {equal} of
{samples} verdicts are equal.

Measured on: {machine}
"""


def page(
    peers: Mapping[str, Any],
    races: Sequence[Mapping[str, Any]],
    rewrites: Mapping[str, Any] | None = None,
    accelerator: Mapping[str, Any] | None = None,
) -> str:
    """The page, from the results of the contests, of the races, of rewritten networks and of a GPU."""
    threads = peers["machine"]["threads"]
    body = [RACES, *(_race(race) for race in races)] if races else []
    return PAGE.format(
        note=_note(peers),
        threads="one thread" if threads == 1 else f"{threads} threads",
        peers=_table(HEADINGS, [cells(row) for row in peers["contests"]]),
        machine=described(peers["machine"]),
        races="\n".join(body),
        rewrites="" if rewrites is None else _rewritten(rewrites),
        accelerator="" if accelerator is None else _accelerated(accelerator),
    )


def _rewritten(found: Mapping[str, Any]) -> str:
    return REWRITES.format(
        note=_note(found),
        proposals=found["proposals"],
        table=_table(REWRITTEN_HEADINGS, [rewritten_cells(row) for row in found["rows"]]),
        machine=described(found["machine"]),
    )


def _accelerated(found: Mapping[str, Any]) -> str:
    heads = ("search", "seconds an image", "rows an image", "rows a second", "TFLOP/s", "share", "a call", "GiB")
    rows = [
        (
            f"{row['name']}, {row['images']} images",
            f"{1 / row['images_a_second']:.2f}",
            f"{row['rows'] / row['images']:.0f}",
            f"{row['rows_a_second']:.0f}",
            f"{row['tflops']:.0f}",
            f"{100 * row['tflops'] / found['ceilings']['half']:.0f} %",
            str(row["chunk"]),
            f"{row['memory'] / 2**30:.1f}",
        )
        for row in found["searches"]
    ]
    verdicts = list(zip(*(row["verdicts"] for row in found["searches"] if row["verdicts"]), strict=False))
    calls = [
        (str(row["rows"]), f"{row['rows_a_second']:.0f}", f"{row['memory'] / 2**30:.1f}") for row in found["calls"]
    ]
    attack = found["autoattack"]
    return ACCELERATOR.format(
        flop=f"{found['searches'][0]['flop_a_row'] / 1e12:.2f}",
        calls=_table(("rows a call", "rows a second", "GiB"), calls),
        note=found["note"],
        few=len(verdicts),
        alike=sum(len(set(each)) == 1 for each in verdicts),
        half=f"{found['ceilings']['half']:.0f}",
        table=_table(heads, rows),
        ours=attack["ours"]["seconds"],
        library=attack["library"]["seconds"],
        machine=described(found["machine"]),
        **{name: attack[name] for name in ("samples", "steps", "queries", "equal")},
    )


def _race(race: Mapping[str, Any]) -> str:
    rows = [search_cells(row, race) for row in race["searches"]]
    table = _table(SEARCH_HEADINGS, rows)
    return f"### {race['title']}\n\n{_note(race)}{table}\n\nMeasured on: {described(race['machine'])}\n"


def _note(found: Mapping[str, Any]) -> str:
    return f"**{found['note']}**\n\n" if found["note"] else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Write both files."""
    peers = read(RESULTS / "peers.json")
    races = [read(path) for path in sorted(RESULTS.glob("race-*.json"))]
    rewrites, accelerator = (read(RESULTS / f"{name}.json") for name in ("rewrites", "accelerator"))
    (DOCS / "speed.md").write_text(page(peers, races, rewrites, accelerator), "utf-8")
    (DOCS / "speed.svg").write_text(ratios(peers["contests"]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
