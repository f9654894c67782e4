"""An attack tried on a few samples: what it asks and how long it takes; runs where crafting does, and proposes
nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.domain.attack import Certifier
from bench.domain.blame import blame
from bench.domain.queries.smoothing import count_votes
from bench.domain.queries.spending import Hourglass
from bench.domain.queries.watching import watched
from bench.evaluation.estimates.estimate import whole
from bench.evaluation.estimates.trial import Trial, Tried
from bench.evaluation.shard.crafting import audits_of, batch_of, generator, ledger_of, perturbed_by, victim_of
from bench.evaluation.shard.judging import smoothed_of
from bench.loading.classifiers import Shelf, load_attack
from bench.loading.environment import peak_memory, reset_peak_memory

if TYPE_CHECKING:
    from bench.domain.attack import Attack
    from bench.domain.defense import Classifier, Watch

MORE = 4
"""Each further run is on so many times the samples, where it fits into the seconds that are left."""
PATIENCE = 3
"""So many times the seconds are given to an attack that has not yet said how far it is."""
VOTES = 256
"""Of a proof's many votes so many are timed."""


def attempt(job: Trial, shelf: Shelf, watch: Watch) -> Tried:
    """What the job's attack takes, on as many samples of the shard as the seconds allow.

    Raises `PluginError` where the attack or its victim fails.
    """
    reset_peak_memory(shelf.device)
    with blame(job.plan.attack.name):
        attack = load_attack(job.plan.attack)

    def run(classifier: Classifier) -> Tried:
        if isinstance(attack, Certifier):
            return _proven(job, attack, classifier, shelf.device)
        until, rows = time.perf_counter() + job.seconds, min(job.first, len(job.labels))
        found = _once(job, attack, classifier, shelf.device, rows, job.seconds, watch)
        while found.share == 1 and rows < len(job.labels):
            more = min(MORE * rows, len(job.labels))
            left = until - time.perf_counter()
            if found.seconds * more / rows > left:
                break
            larger = _once(job, attack, classifier, shelf.device, more, left, watch)
            if larger.share < 1 and _passes(larger) < _passes(found):
                break
            found, rows = larger, more
        return replace(found, peak_memory=peak_memory(shelf.device), audits=audits_of(job.images))

    tried, _ = shelf.fitted(job.plan.defense, job.task, run)
    return tried


def _passes(found: Tried) -> float:
    """How many a sample it would take, as far as can be told."""
    return whole(found) * (found.forwards + found.backwards) / found.samples


def _once(
    job: Trial, attack: Attack, classifier: Classifier, device: str, rows: int, seconds: float, watch: Watch
) -> Tried:
    """One run of the attack on the first rows of the shard, ended after some seconds."""
    part, trail = job.craft(rows), [(0.0, 0)]
    batch, ledger = batch_of(part, device), ledger_of(part, device)

    def told(done: float, total: float, note: str = "") -> None:
        if total > 0:
            trail.append((min(max(done / total, 0.0), 0.999), victim.forwards + victim.backwards))
        watch(done, total, note)

    started = time.perf_counter()
    limit = Hourglass(lambda: seconds if trail[-1][0] else PATIENCE * seconds, ledger)
    with watched(told) as watching:
        victim = victim_of(part, classifier, device, watching, limit)
        found = perturbed_by(attack, victim, batch, part, device, lambda: ledger is not None or limit.has_run_out)
    seen = victim.observation()
    return Tried(
        samples=rows,
        forwards=seen.forwards,
        backwards=seen.backwards,
        queries=seen.queries,
        gradients=sum(seen.gradients.values()),
        seconds=time.perf_counter() - started,
        peak_memory=0,
        share=trail[-1][0] if limit.has_run_out else 1.0,
        told=trail[-1][1],
        half=next(each for each in trail if each[0] >= trail[-1][0] / 2),
        closest=found is not None and found.closest is not None,
    )


def _proven(job: Trial, certifier: Certifier, classifier: Classifier, device: str) -> Tried:
    """What the votes of a proof take; how many these are, its settings say."""
    from bench.loading.counting import counted

    smoothed = smoothed_of(classifier, job.plan.defense.name)
    wanted = certifier.smoothing()
    votes = wanted.n0 + wanted.n
    images = batch_of(job.craft(1), device).images

    def vote(count: int) -> None:
        count_votes(
            *(smoothed.base, images, float(smoothed.sigma), count),
            generator(job.plan, job.shard, "judge", device),
            classes=len(job.task.classes),
            rows=smoothed.rows,
        ).cpu()

    flop = counted(lambda: vote(1))
    started, timed = time.perf_counter(), min(VOTES, votes)
    vote(timed)
    seconds = (time.perf_counter() - started) * votes / timed
    return Tried(1, votes, 0, votes, 0, seconds, peak_memory(device), flop=flop)
