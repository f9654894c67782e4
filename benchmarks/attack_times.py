"""CPU seconds of a cell of each attack, ours beside the library's own on the same model, samples, budget and batches.

python benchmarks/attack_times.py --samples 1024

The cell is ResNet on digits, white box, at the data set's customary budget. Both run on one thread. Ours is a shard as
`bench evaluate` runs it, with clean predictions, judging and replay, but in one process and without a store; the
library's time is its attack's alone. Both proposals are judged alike. Libraries that are not installed are left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bench import Plan, Shard, ShardResult, ThreatModel
from bench.datasets.digits import Digits
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.shard.crafting import craft
from bench.evaluation.shard.errand import Errand
from bench.evaluation.shard.judging import hear
from bench.loading.classifiers import Shelf
from bench.protocols import find_protocol
from bench.store.images.artifacts import Artifacts
from contests.sides.libraries import Attack, Bound, Plain, foolbox, pyautoattack, torchattacks

REPLAYED = 8
"""Images of a shard that are judged again."""

PARTS = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")
COUNTERPARTS: dict[str, tuple[str, Attack]] = {
    "noise-linf": ("foolbox", foolbox("LinfRepeatedAdditiveUniformNoiseAttack", repeats=10)),
    "fgsm-linf": ("torchattacks", torchattacks("FGSM")),
    "pgd-linf": ("torchattacks", torchattacks("PGD", alpha=2 / 255, steps=40)),
    "pgd-l2": ("torchattacks", torchattacks("PGDL2", alpha=2.5 * 0.5 / 40, steps=40)),
    "pgd-eot-linf": ("torchattacks", torchattacks("EOTPGD", alpha=0.007, steps=200, eot_iter=20, random_start=False)),
    "cw-l2": ("foolbox", foolbox("L2CarliniWagnerAttack", steps=1000)),
    "one-pixel": ("torchattacks", torchattacks("OnePixel", "pixels", steps=100, popsize=400)),
    **{f"{part}-{norm}": ("pyautoattack", pyautoattack(part)) for part in PARTS for norm in ("linf", "l2", "l1")},
    **{f"aa-{norm}": ("pyautoattack", pyautoattack()) for norm in ("linf", "l2", "l1")},
}


def measure(name: str, theirs: Bound, samples: int, shard_size: int) -> tuple[ThreatModel, list[float]]:
    """The budget; CPU seconds and robust samples of our cell and of the library's, shard by shard in turn."""
    protocol = find_protocol("transfer-1024")
    plan = make_plan(Request("resnet", name, protocol, source="self", samples=samples, shard_size=shard_size))
    threat = ThreatModel(plan.threat.norm, Fraction(Digits.budgets[plan.threat.norm]))
    plan, shelf, figures = replace(plan, threat=threat), Shelf("cpu"), [0.0] * 4
    shelf.classifier(plan.defense, Digits().load("test", None).task)  # loading is nobody's time
    with tempfile.TemporaryDirectory() as folder:
        for shard in plan.shards():
            started = time.process_time()
            result = by_us(plan, shard, shelf, Artifacts(Path(folder)))
            ours = (time.process_time() - started, sum(row.robust_rate == 1 for row in result.outcomes))
            theirs_here = by_library(plan, shard, shelf, theirs)
            figures = [sum(pair) for pair in zip(figures, (*ours, *theirs_here), strict=True)]
    return threat, figures


def by_us(plan: Plan, shard: Shard, shelf: Shelf, artifacts: Artifacts) -> ShardResult:
    """A shard on its whole way, in this process."""
    data = Digits().load("test", None)
    batch = data.read(shard.indices)
    errand = Errand(plan, shard, data.task, batch.images.numpy(), batch.labels.numpy(), REPLAYED)
    errand.proposed(craft(errand.craft(), shelf, watch), artifacts.write)
    errand.answered(hear(errand.hearing(), shelf, watch))
    testimony = hear(errand.asked_again(introduced=True), shelf, watch)
    assert testimony.introduction is not None
    return errand.decided(testimony, testimony.introduction)[-1][1]


def by_library(plan: Plan, shard: Shard, shelf: Shelf, attack: Bound) -> tuple[float, int]:
    """CPU seconds of the library's attack on a shard, and how many samples it does not break within the budget."""
    data = Digits().load("test", None)
    batch, model = data.read(shard.indices), Plain(shelf.classifier(plan.defense, data.task)).eval()
    seed = plan.seed_of(shard, "attack") % 2**31
    torch.manual_seed(seed)
    started = time.process_time()
    images = attack(model, batch, plan.threat, seed).detach()
    seconds = time.process_time() - started
    with torch.no_grad():
        clean, attacked = (model(x).argmax(1) == batch.labels for x in (batch.images, images))
    return seconds, int((clean & (attacked | ~plan.threat.admits(batch.images, images))).sum())


def watch(done: float, total: float, note: str = "") -> None:
    """Look away."""


def main() -> None:
    """Measure and print one row for each attack."""
    parser = argparse.ArgumentParser(description="Each attack's cell on digits beside the library's own.")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--shard-size", type=int, default=256)
    parser.add_argument("--only", nargs="*", default=list(COUNTERPARTS), help="names of our attacks")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=max(Console().width, 96))
    table = Table("attack", "budget", "robust", "seconds", "library", "robust", "seconds", "ratio")
    for name in wanted.only:
        library, theirs = COUNTERPARTS[name]
        if find_spec(library) is None:
            console.print(f"{name}: {library} is not installed")
            continue
        threat, figures = measure(name, partial(theirs, import_module(library)), wanted.samples, wanted.shard_size)
        ours, robust, own, robust_there = figures
        cells = [(f"{100 * n / wanted.samples:.1f} %", f"{t:.2f}") for t, n in ((ours, robust), (own, robust_there))]
        table.add_row(name, str(threat), *cells[0], library, *cells[1], f"{own / ours:.2f}")
        console.print(f"{name}: {ours:.1f} s, {library} {own:.1f} s", style="dim")
    console.print(table)


if __name__ == "__main__":
    main()
