"""How fast beside the peers: a contest asks two programs for the same verdicts, checks that they are, and times both.

python benchmarks/peers.py
python benchmarks/peers.py --only 'dc-*' --samples 16 --rounds 1

A ratio is the peer's seconds over ours in one round, so above 1 ours is faster; the table has the median of the rounds
and their range. Rows are what went through networks. Where verdicts differ more than a contest allows, its row is
marked, has no ratio, and the program fails. A contest whose peer is not installed, or whose images are not there (name
CIFAR-10's folder in BENCH_DATA_DIR), is left out, and told.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from contests.bouts import attacks, classifiers, gradients, overhead
from contests.contest import Contest
from contests.machine import described, machine
from contests.running import Result, missing, run
from contests.table import HEADINGS, NUMBERS, cells
from contests.written import document, write

CONTESTS: tuple[Contest, ...] = (
    *attacks.CONTESTS,
    *classifiers.CONTESTS,
    *gradients.CONTESTS,
    *overhead.CONTESTS,
)


def chosen(patterns: Sequence[str]) -> list[Contest]:
    """The contests whose names match a pattern. Raises `SystemExit` for a pattern that none does."""
    for pattern in patterns:
        if not any(fnmatch(contest.name, pattern) for contest in CONTESTS):
            names = ", ".join(contest.name for contest in CONTESTS)
            raise SystemExit(f"No contest is called {pattern!r}; there are {names}.")
    return [contest for contest in CONTESTS if any(fnmatch(contest.name, pattern) for pattern in patterns)]


def table(rows: Sequence[dict[str, object]]) -> Table:
    """The results as a table for the terminal."""
    found = Table(title="Beside the peers", title_justify="left", box=None)
    for heading in HEADINGS:
        found.add_column(heading, justify="right" if heading in NUMBERS else "left")
    for row in rows:
        found.add_row(*cells(row), style=None if row["holds"] else "red")
    return found


def compete(
    contests: Sequence[Contest],
    samples: int | None,
    rounds: int,
    console: Console,
    keep: Callable[[Sequence[Result]], object] = lambda results: None,
) -> tuple[list[Result], list[str]]:
    """The results of all contests whose peers are installed, and the names of those that failed: the others go on.
    `keep` is given the results so far after every contest."""
    results: list[Result] = []
    failed: list[str] = []
    for contest in contests:
        absent = missing(contest)
        if absent:
            console.print(f"{contest.name}: left out, {' and '.join(absent)}")
            continue
        try:
            results.append(run(contest, samples, rounds, lambda line: console.print(line, style="dim")))
            keep(results)
        except Exception as error:  # whatever another's library raises
            console.print(f"{contest.name} failed: {type(error).__name__}: {error}", style="red", markup=False)
            failed.append(contest.name)
    return results, failed


def main(words: Sequence[str] | None = None) -> int:
    """Run the contests and print the table; 1 where verdicts differ more than they may, or a contest failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help="contests; * and ? stand for anything")
    parser.add_argument("--samples", type=int, help="at most so many samples a contest")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="threads of both sides")
    parser.add_argument("--output", type=Path, help="a JSON file, written after every contest")
    parser.add_argument("--note", default="", help="what a reader of the file must know first")
    wanted = parser.parse_args(words)
    torch.set_num_threads(wanted.threads)
    os.environ["OMP_NUM_THREADS"] = str(wanted.threads)  # of the processes that some contests start
    console, facts = Console(width=max(Console().width, 150)), machine()

    def keep(results: Sequence[Result]) -> None:
        if wanted.output:
            write(wanted.output, document(results, facts, wanted.note))

    results, failed = compete(chosen(wanted.only), wanted.samples, wanted.rounds, console, keep)
    found = document(results, facts, wanted.note)
    console.print(table(found["contests"]))
    console.print(described(facts), style="dim")
    return 0 if not failed and all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
