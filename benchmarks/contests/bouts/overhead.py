"""What the harness adds: `bench evaluate` as a process of its own, beside a process that only attacks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch

from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.protocols import find_protocol
from bench.store.store import Store
from contests.contest import ROBUST, Answer, Bout, Contest
from contests.work import Work

EVALUATE = "import sys; from bench.cli import main; sys.exit(main())"
DIRECT = Path(__file__).with_name("direct.py")
EPSILON, SHARD = Fraction("0.05"), 128


def _beside(attack: str, samples: int) -> Bout:
    """A shard's plan from the command line, and the same attack from the same seeds by a script of a few lines."""
    protocol = find_protocol("white-box-1024")
    request = Request("resnet", attack, protocol, source="self", epsilon=EPSILON, samples=samples, shard_size=SHARD)
    plan = make_plan(request, lambda: "cpu")
    threat = f"{plan.threat.norm} {EPSILON}"
    shards = [(shard.indices, plan.seed_of(shard, "attack"), plan.seed_of(shard, "victim")) for shard in plan.shards()]

    def ours() -> Callable[[], Answer]:
        folder = tempfile.TemporaryDirectory()
        words = ["evaluate", "--defense", "resnet", "--attack", attack, "--epsilon", str(EPSILON), "--source", "self"]
        words += ["--samples", str(samples), "--shard-size", str(SHARD), "--protocol", protocol.name]
        words += ["--device", "cpu", "--workers", "1", "--db", str(Path(folder.name, "results.db"))]
        _run([sys.executable, "-c", EVALUATE, *words])
        return partial(_stored, folder, attack)

    def peer() -> Callable[[], Answer]:
        found = json.loads(_run([sys.executable, "-P", str(DIRECT)], json.dumps([attack, threat, shards])))
        return lambda: Answer(torch.tensor(found["robust"]), work=Work(**found["work"]))

    return Bout(ours, peer)


def _run(words: list[str], given: str = "") -> str:
    """What a process says. Raises `RuntimeError` with its complaint where it fails."""
    found = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    if found.returncode:
        raise RuntimeError(found.stderr[-2000:])
    return found.stdout


def _stored(folder: tempfile.TemporaryDirectory[str], attack: str) -> Answer:
    """What the store says of the attack's one plan."""
    with folder:
        store = Store(Path(folder.name, "results.db"))
        (plan,) = [plan for plan in store.plans() if plan.attack.name == attack]
        table, records = store.table(plan), store.shards(plan)
        store.close()
    robust = torch.from_numpy((table.clean_right & table.robust_right)[:, 0]).long()
    work = Work(rows=sum(each.forwards for each in records), graph_rows=sum(each.backwards for each in records))
    return Answer(robust, work=work)


def _contest(attack: str, samples: int) -> Contest:
    return Contest(
        name=f"evaluate-{attack}",
        ours=f"bench evaluate, {attack}, as a process",
        peer="the same attack alone, as a process",
        demand=ROBUST,
        make=partial(_beside, attack),
        samples=samples,
        packages=("pyautoattack",) if attack == "aa-linf" else (),
    )


CONTESTS = (_contest("pgd-linf", 1024), _contest("aa-linf", 256))
