"""Attacks on digits' ResNet beside the libraries that have them too, from one seed to verdicts sample by sample."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache, partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from attacks.autoattack.library import isolated
from bench import Batch, Network, ThreatModel, Victim
from bench.datasets.digits import TASK, Digits
from bench.registry import attacks, defenses
from contests.contest import ROBUST, Answer, Bout, Contest, Demand, Side
from contests.libraries import (
    Attack,
    Plain,
    adversarial_library,
    foolbox,
    pyautoattack,
    torchattacks,
)

SHARD = 128
"""Samples a shard, as every protocol has it."""
SEED = 2024
SIZES = (32, 64, 128, 256, 512, 1024)
CLEAN_START = {"steps": 40, "random_start": False}
ALMOST = Demand("robust or not", equal=0.98)
"""Of programs that cannot see the same images: another order of sums, another batch."""
STRONGER = Demand("robust or not", equal=0.98, stronger=True)
"""Of ours where it reaches beyond the estimated boundary, which the library's does not."""


@cache
def resnet() -> Network:
    """Digits' ResNet in memory, after one pass forward and back: what a first pass sets up is nobody's time."""
    classifier = defenses.make("resnet", {}).load(TASK, "cpu")
    assert isinstance(classifier, Network)
    leaf = torch.zeros(1, *TASK.shape, requires_grad=True)
    torch.autograd.grad(classifier(leaf, torch.Generator()).sum(), leaf)
    return classifier


def shards(samples: int, size: int = SHARD) -> list[Batch]:
    """The first test images, cut as the harness cuts them."""
    data = Digits().load("test", None)
    return [data.read(range(start, min(start + size, samples))) for start in range(0, samples, size)]


def robust(batch: Batch, images: Tensor, threat: ThreatModel) -> Tensor:
    """Which samples (N,) ResNet gets right untouched, and still under images that the budget admits."""
    with torch.no_grad():
        clean, attacked = (
            resnet()(shown, torch.Generator()).argmax(1) == batch.labels for shown in (batch.images, images)
        )
    return clean & (attacked | ~threat.admits(batch.images, images))


def ours(name: str, settings: dict[str, Any], threat: ThreatModel, batches: list[Batch]) -> Side:
    """Our attack on every shard, with a victim that counts and everything else that a shard's attack is given."""
    attack = attacks.make(name, settings)

    def images(batch: Batch, seed: int) -> Tensor:
        victim = Victim(resnet(), torch.Generator().manual_seed(seed + 1))
        found = attack.perturb(victim, batch, threat, torch.Generator().manual_seed(seed))
        return found.images

    return _side(images, threat, batches)


def theirs(module: str, attack: Attack, threat: ThreatModel, batches: list[Batch], seeded: bool = False) -> Side:
    """The library's attack on every shard from the same seed; `seeded` where that is the number that our attack would
    draw for the library."""
    with _quiet():
        library = import_module(module) if module != "adv_lib" else _adversarial_library()
    model = Plain(resnet()).eval()

    def images(batch: Batch, seed: int) -> Tensor:
        with _quiet():
            torch.manual_seed(seed)
            number = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(seed))) if seeded else seed
            return attack(library, model, batch, threat, number).detach()

    return _side(images, threat, batches)


def _side(images: Callable[[Batch, int], Tensor], threat: ThreatModel, batches: list[Batch]) -> Side:
    def work() -> Callable[[], Answer]:
        found = [images(batch, SEED + number) for number, batch in enumerate(batches)]
        return lambda: Answer(
            torch.cat([robust(batch, shown, threat) for batch, shown in zip(batches, found, strict=True)]).long()
        )

    return work


@contextmanager
def _quiet() -> Iterator[None]:
    """What a library says, and what it does to global generators and tracing, is not this program's."""
    with isolated(), warnings.catch_warnings(action="ignore"):
        yield


def _adversarial_library() -> Any:
    from attacks.adversarial_library import library

    return library()


def best_batch(samples: int) -> int:
    """The batch, of 32 to 1024, of which a pass forward and back takes the least time a sample, up to so many."""
    found = {}
    for size in [size for size in SIZES if size <= samples] or [samples]:
        leaf = torch.zeros(size, *TASK.shape, requires_grad=True)
        laps = []
        for _ in range(5):
            started = time.perf_counter()
            torch.autograd.grad(resnet()(leaf, torch.Generator()).sum(), leaf)
            laps.append(time.perf_counter() - started)
        found[size] = min(laps) / size
    return min(found, key=found.__getitem__)


def _beside(
    name: str, settings: dict[str, Any], module: str, attack: Attack, norm: str, epsilon: str, samples: int
) -> Bout:
    """Our attack and a library's on the same shards."""
    threat, batches = ThreatModel(norm, Fraction(epsilon)), shards(samples)
    other = theirs(module, attack, threat, batches, seeded=module == "pyautoattack")
    return Bout(ours(name, settings, threat, batches), other, (resnet().module,))


def _at_its_best(samples: int) -> Bout:
    """AutoAttack shard by shard, and the library's in one call at the batch that suits it best."""
    threat = ThreatModel("linf", Fraction("0.05"))
    attack = pyautoattack(batch_size=best_batch(samples))
    other = theirs("pyautoattack", attack, threat, shards(samples, samples), seeded=True)
    return Bout(ours("aa-linf", {}, threat, shards(samples)), other, (resnet().module,))


PGD = partial(_beside, "pgd-linf")
CONTESTS = (
    Contest(
        name="aa-linf",
        ours="aa-linf, shards of 128",
        peer="pyautoattack, batches of 128",
        demand=ROBUST,
        make=partial(_beside, "aa-linf", {}, "pyautoattack", pyautoattack(), "linf", "0.05"),
        samples=256,
        packages=("pyautoattack",),
    ),
    Contest(
        name="aa-linf-best-batch",
        ours="aa-linf, shards of 128",
        peer="pyautoattack, its best batch",
        demand=ALMOST,
        make=_at_its_best,
        samples=256,
        packages=("pyautoattack",),
    ),
    Contest(
        name="pgd-linf-torchattacks",
        ours="pgd-linf, 40 steps",
        peer="torchattacks PGD",
        demand=ROBUST,
        make=partial(PGD, {}, "torchattacks", torchattacks("PGD", alpha=2 / 255, steps=40), "linf", "0.1"),
        samples=1024,
        packages=("torchattacks",),
    ),
    Contest(
        name="pgd-linf-foolbox",
        ours="pgd-linf, 40 steps",
        peer="foolbox LinfPGD",
        demand=ALMOST,
        make=partial(
            PGD,
            CLEAN_START,
            "foolbox",
            foolbox("LinfPGD", abs_stepsize=2 / 255, **CLEAN_START),
            *("linf", "0.1"),
        ),
        samples=1024,
        packages=("foolbox",),
    ),
    *(
        Contest(
            name=f"{name}-l2",
            ours=f"{name}-l2, 100 steps",
            peer=f"adv-lib {name}",
            demand=demand,
            make=partial(
                _beside, f"{name}-l2", {"steps": 100}, "adv_lib", adversarial_library(name, **settings), "l2", "0.5"
            ),
            samples=1024,
            packages=("adv_lib",),
        )
        for name, settings, demand in (
            ("fmn", {"norm": 2, "steps": 100}, STRONGER),
            ("ddn", {"steps": 100, "levels": None}, ALMOST),
        )
    ),
)
