"""What the page of a large store costs: made-up outcomes through the real store, then `bench report` as a process.

python benchmarks/page.py --defenses 50 --attacks 10 --samples 10000

All plans are of one protocol, a tenth of the defenses is judged with ten draws a sample. Defenses and attacks differ in
strength; some attacks look for the nearest image, some are ensembles, some say at which step a sample fell. Seconds are
those of the process from its start to its end, memory is its peak.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.domain.facts import Controls, Crafting, Facts
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.plugins.registry import attacks
from bench.plugins.settings import spell_out
from bench.store.store import Store

ATTACKS = ("fgsm", "pgd", "apgd-ce", "apgd-dlr", "square", "noise", "fab", "fmn", "pdpgd", "aa")
SEEKING = ("fab", "fmn", "pdpgd")
ENVIRONMENT = {"device": "none", "torch": "none"}
EPSILON = Fraction(8, 255)
LEVELS = 5
"""So many different strengths there are of defenses and of attacks: outcomes are made once for each pair."""
PROTOCOL = """name = "{name}"
version = "1"
description = "{name}"
samples = {samples}
sample_seed = 0
sampling = "first"
shard_size = {shard_size}
seed = 0
draws = 1
source = "self"
epsilon = "{epsilon}"
"""


def plans_of(defenses: int, kinds: int, samples: int, shard_size: int) -> list[tuple[Plan, str, int, int]]:
    """The plans, each with its kind of attack and how strong defense and attack are."""
    found = []
    for number in range(defenses):
        for at, kind in enumerate(ATTACKS[:kinds]):
            plan = Plan(
                defense=Spec(f"defense-{number:03}", {"width": 32}, "1", {"network": f"{number:064x}"}),
                attack=Spec(f"{kind}-linf", spell_out(attacks.make(f"{kind}-linf", {}))),
                source=None,
                dataset=Spec("cifar10"),
                size=samples,
                images="f00d" * 16,
                threat=ThreatModel("linf", EPSILON),
                knowledge="black-box" if kind in ("square", "noise") else "white-box",
                samples=samples,
                sampling="first",
                sample_seed=0,
                shard_size=shard_size,
                seed=0,
                draws=10 if number % 10 == 9 else 1,
            )
            found.append((plan, kind, number % LEVELS, at % LEVELS))
    return found


@cache
def outcomes_of(samples: int, kind: str, draws: int, defense: int, attack: int) -> tuple[Outcome, ...]:
    """Outcomes of a defense and an attack of some strengths, the strongest attack having the highest number."""
    clean_rng, rng = np.random.default_rng(defense), np.random.default_rng((defense, attack, len(kind)))
    labels = np.arange(samples) * 7 % 10
    hard = np.random.default_rng(0).random((samples, 1))
    kept, left = 0.8 + 0.04 * defense, 0.7 - 0.1 * attack + 0.04 * defense

    def drawn(share: float, noise: np.random.Generator) -> list[list[int]]:
        wrong = hard + 0.05 * noise.standard_normal((samples, draws)) > share
        found: list[list[int]] = np.where(
            wrong, (labels[:, None] + 1 + labels[::-1, None] % 9) % 10, labels[:, None]
        ).tolist()
        return found

    clean, perturbed = drawn(kept, clean_rng), drawn(left, rng)
    distances = (float(EPSILON) * (1 - 1e-6 * rng.random(samples))).tolist()
    nearest = (2 * float(EPSILON) * hard[:, 0] / left).tolist()
    parts = ("apgd-ce", "apgd-t", "fab-t", "square")
    return tuple(
        Outcome(
            index,
            int(labels[index]),
            tuple(clean[index]),
            tuple(perturbed[index]),
            distances[index],
            minimal=nearest[index] if kind in SEEKING else None,
            broken_at=index % 40 if kind in ("pgd", "apgd-ce") else None,
            fell_to=(parts[index % 4] if hard[index] > left else "") if kind == "aa" else None,
        )
        for index in range(samples)
    )


def facts_of(plan: Plan, shard: int) -> Facts:
    """What an honest harness would have seen of a shard, each of which is a little other."""
    random, taken = plan.draws > 1, {} if plan.knowledge == "black-box" else {"own": 40}
    controls = Controls(8, 8, 8 - shard % 2, shard % 2, 8, 0, 8, 0, 0, 8)
    crafting = Crafting(
        40 * plan.shard_size, 40 * plan.shard_size, 41 + shard % 5, taken, 40 if random else 1, 0.0, shard % 3, controls
    )
    contracts = {"leaves its input alone": "", "has its own noise": ""}
    return Facts(random, random, True, False, 16, 4, False, contracts, crafting)


def fill(store: Store, plans: list[tuple[Plan, str, int, int]]) -> None:
    """All shards of the plans, a plan at a time."""
    for plan, kind, defense, attack in plans:
        outcomes, size = outcomes_of(plan.samples, kind, plan.draws, defense, attack), plan.shard_size
        result = ShardResult(0, (), 40 * size, 40 * size, 2.5, 1 << 30, "ab" * 32, None, (), ENVIRONMENT)
        results = [
            replace(result, index=at, outcomes=outcomes[size * at :][:size], facts=facts_of(plan, at))
            for at in range(-(-plan.samples // size))
        ]
        store.add_all([(plan, each) for each in results])


def measured(db: Path, protocol: Path, pictures: bool) -> tuple[float, float, float, int]:
    """Seconds, CPU seconds, peak bytes and the page's size of one `bench report`."""
    page = protocol.with_suffix(".html")
    arguments = ("report", "--db", str(db), "--protocol", str(protocol), "--output", str(page))
    command = (
        sys.executable,
        "-c",
        "from bench.cli import main; main()",
        *arguments,
        *([] if pictures else ["--no-pictures"]),
    )
    since = time.perf_counter()
    # The made-up images are nobody's, so that none are asked for.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - since
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"bench report ended with {process.returncode}.")
    kibibyte = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * kibibyte, page.stat().st_size


def main() -> None:
    """Print a row: how much there was, and what the page took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defenses", type=int, default=50)
    parser.add_argument("--attacks", type=int, default=len(ATTACKS), choices=range(1, len(ATTACKS) + 1))
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--shard-size", type=int, default=128)
    parser.add_argument("--pictures", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--db", type=Path, help="a SQLite file to keep; one that is there is taken as it is")
    chosen = parser.parse_args()
    plans = plans_of(chosen.defenses, chosen.attacks, chosen.samples, chosen.shard_size)
    with tempfile.TemporaryDirectory() as folder:
        db, protocol = chosen.db or Path(folder) / "page.db", Path(folder) / "page.toml"
        names = "".join(f'\n[[attacks]]\nname = "{kind}-linf"\n' for kind in ATTACKS[: chosen.attacks])
        settings = {"samples": chosen.samples, "shard_size": chosen.shard_size, "epsilon": str(EPSILON)}
        protocol.write_text(PROTOCOL.format(name="page", **settings) + names)
        since = time.perf_counter()
        if not db.exists():
            fill(Store(db), plans)
        filled = time.perf_counter() - since
        seconds, computed, memory, page = measured(db, protocol, chosen.pictures)
        size = db.stat().st_size
    table = Table(title=f"{len(plans)} plans of {chosen.samples} samples", title_justify="left", box=None)
    for column in ("outcomes", "filled in", "store", "bytes an outcome", "page in", "CPU", "peak memory", "page"):
        table.add_column(column, justify="right")
    outcomes = len(plans) * chosen.samples
    table.add_row(
        *(f"{outcomes:,}", f"{filled:.1f} s", f"{size / 1e6:.0f} MB", f"{size / outcomes:.1f}"),
        *(f"{seconds:.1f} s", f"{computed:.1f} s", f"{memory / 1e6:.0f} MB", f"{page / 1e6:.1f} MB"),
    )
    Console().print(table)


if __name__ == "__main__":
    main()
