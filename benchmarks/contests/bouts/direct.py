"""A process that attacks digits' ResNet and does nothing else: what a script without a harness would be.

Reads the attack, the budget and each shard's indices and seeds as JSON, and prints verdicts and passes.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction

import torch

from bench import ThreatModel, Victim
from bench.datasets.digits import TASK, Digits
from bench.plugins.registry import attacks, defenses


def main() -> None:
    """Attack every shard and say what is left."""
    name, budget, shards = json.load(sys.stdin)
    norm, epsilon = budget.split()
    threat, attack = ThreatModel(norm, Fraction(epsilon)), attacks.make(name, {})
    classifier, data = defenses.make("resnet", {}).load(TASK, "cpu"), Digits().load("test", None)
    robust: list[int] = []
    forwards = backwards = 0
    for indices, seed, of_victim in shards:
        batch = data.read(indices)
        victim = Victim(classifier, torch.Generator().manual_seed(of_victim))
        images = attack.perturb(victim, batch, threat, torch.Generator().manual_seed(seed)).images
        with torch.no_grad():
            right = [classifier(shown, torch.Generator()).argmax(1) == batch.labels for shown in (batch.images, images)]
        robust += (right[0] & right[1] & threat.admits(batch.images, images)).long().tolist()
        forwards, backwards = forwards + victim.forwards, backwards + victim.backwards
    json.dump({"robust": robust, "work": {"rows": forwards, "graph_rows": backwards}}, sys.stdout)


if __name__ == "__main__":
    main()
