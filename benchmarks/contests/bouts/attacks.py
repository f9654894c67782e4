"""Attacks on two ResNets beside the libraries that have them too, from one seed to verdicts sample by sample."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from attacks.autoattack.library import isolated
from bench import Batch, ThreatModel, Victim
from bench.plugins.registry import attacks, datasets
from contests.contest import ROBUST, Answer, Bout, Contest, Demand, Side
from contests.sides.libraries import (
    Attack,
    Plain,
    adversarial_library,
    foolbox,
    pyautoattack,
    torchattacks,
)
from contests.sides.subjects import Subject, digits, photographs

SEED = 2024
CLEAN_START = {"steps": 40, "random_start": False}
ALMOST = Demand("robust or not", equal=0.98)
"""Of programs that cannot see the same images: another order of sums, another batch."""
STRONGER = Demand("robust or not", equal=0.98, stronger=True)
"""Of ours where it reaches beyond the estimated boundary, which the library's does not."""


def ours(subject: Subject, name: str, settings: dict[str, Any], threat: ThreatModel, batches: list[Batch]) -> Side:
    """Our attack on every shard, with a victim that counts and everything else that a shard's attack is given."""
    attack = attacks.make(name, settings)

    def images(batch: Batch, seed: int) -> Tensor:
        victim = Victim(subject.network, torch.Generator().manual_seed(seed + 1))
        found = attack.perturb(victim, batch, threat, torch.Generator().manual_seed(seed))
        return found.images

    return _side(subject, images, threat, batches)


def theirs(
    subject: Subject, module: str, attack: Attack, threat: ThreatModel, batches: list[Batch], seeded: bool = False
) -> Side:
    """The library's attack on every shard from the same seed; `seeded` where that is the number that our attack would
    draw for the library."""
    with _quiet():
        library = import_module(module) if module != "adv_lib" else _adversarial_library()
    model = Plain(subject.network).eval()

    def images(batch: Batch, seed: int) -> Tensor:
        with _quiet():
            torch.manual_seed(seed)
            number = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(seed))) if seeded else seed
            return attack(library, model, batch, threat, number).detach()

    return _side(subject, images, threat, batches)


def _side(subject: Subject, images: Callable[[Batch, int], Tensor], threat: ThreatModel, batches: list[Batch]) -> Side:
    def work() -> Callable[[], Answer]:
        found = [images(batch, SEED + number) for number, batch in enumerate(batches)]
        pairs = list(zip(batches, found, strict=True))
        return lambda: Answer(torch.cat([subject.robust(batch, shown, threat) for batch, shown in pairs]).long())

    return work


@contextmanager
def _quiet() -> Iterator[None]:
    """What a library says, and what it does to global generators and tracing, is not this program's."""
    with isolated(), warnings.catch_warnings(action="ignore"):
        yield


def _adversarial_library() -> Any:
    from attacks.libraries.adversarial_library import library

    return library()


def _beside(
    name: str, settings: dict[str, Any], module: str, attack: Attack, norm: str, epsilon: str, samples: int
) -> Bout:
    """Our attack and a library's on the same shards of digits."""
    subject, threat = digits(), ThreatModel(norm, Fraction(epsilon))
    batches = subject.shards(samples)
    other = theirs(subject, module, attack, threat, batches, seeded=module == "pyautoattack")
    return Bout(ours(subject, name, settings, threat, batches), other, (subject.network.module,))


def _at_its_best(subject: Callable[[], Subject], settings: dict[str, Any], epsilon: str, samples: int) -> Bout:
    """AutoAttack shard by shard as its data set has it, and the library's at the batch that suits it best."""
    attacked, threat = subject(), ThreatModel("linf", Fraction(epsilon))
    attack = pyautoattack(batch_size=attacked.best_batch(samples))
    other = theirs(attacked, "pyautoattack", attack, threat, attacked.shards(samples, samples), seeded=True)
    shards = attacked.shards(samples, datasets.find(attacked.images.task.dataset).shard_size)
    return Bout(ours(attacked, "aa-linf", settings, threat, shards), other, (attacked.network.module,))


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
        ours="aa-linf, shards of 512",
        peer="pyautoattack, its best batch",
        demand=ALMOST,
        make=partial(_at_its_best, digits, {}, "0.05"),
        samples=512,
        packages=("pyautoattack",),
    ),
    Contest(
        name="aa-linf-resnet18",
        ours="aa-linf, early_stop, ResNet-18 on CIFAR-10",
        peer="pyautoattack, its best batch",
        demand=ROBUST,
        make=partial(_at_its_best, photographs, {"early_stop": True}, "8/255"),
        samples=64,
        packages=("pyautoattack",),
        variables=("BENCH_DATA_DIR",),
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
