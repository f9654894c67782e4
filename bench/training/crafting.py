"""Adversarial training images: crafted when a recipe asks for them, and kept in the run's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.blame import blame
from bench.domain.dataset import Batch, ImageSet
from bench.domain.defense import Classifier, Watch
from bench.domain.errors import UsageError
from bench.domain.plan import Spec
from bench.domain.queries.victim import Victim
from bench.domain.threat import ThreatModel
from bench.loading.classifiers import load_defense
from bench.loading.determinism import seeded
from bench.plugins.registry import attacks, defenses
from bench.plugins.settings import spell_out
from bench.store.images.artifacts import Artifacts
from bench.training.memory import fitting
from bench.training.streams import stream

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 256
"""Images that the attack perturbs at once."""


@dataclass(frozen=True)
class Perturbing:
    """How training images are perturbed: by this attack, on this source, within this threat model."""

    threat: ThreatModel
    attack: str
    source: str
    attack_settings: Mapping[str, Any] = field(default_factory=dict)
    source_settings: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The same as plain data, defaults spelled out."""
        attack = attacks.make(self.attack, self.attack_settings)
        source = defenses.make(self.source, self.source_settings)
        return {
            "attack": self.attack,
            "settings": spell_out(attack),
            "source": self.source,
            "source_settings": spell_out(source),
            **self.threat.document(),
        }


class AdversarialImages:
    """A training set as an attack perturbs it on its source, in chunks of what is asked for, each crafted once.

    The source is loaded with the first chunk. A chunk is a function of its images, its place in the request and the
    seed, so that a resumed run meets the same ones.
    """

    def __init__(
        self, how: Perturbing, data: ImageSet, origin: object, seed: int, device: str, folder: Path, watch: Watch
    ) -> None:
        self.asked: set[int] = set()
        self._how, self._data, self._seed, self._device, self._watch = how, data, seed, device, watch
        self._attack = attacks.make(how.attack, how.attack_settings)
        self._artifacts, self._index = Artifacts(folder / "adversarial"), folder / "adversarial.json"
        self._source: Classifier | None = None
        self._origin = origin
        self._known: dict[str, Any] | None = None

    def __call__(self, indices: Sequence[int]) -> Batch:
        """These training images, perturbed, in this order. Raises `UsageError` where one leaves the threat model."""
        import torch

        indices = [int(index) for index in indices]
        self.asked.update(indices)
        known = self._recalled()
        images = []
        for number, start in enumerate(range(0, len(indices), CHUNK)):
            chunk = indices[start : start + CHUNK]
            name = f"{number}/{hashlib.sha256(repr(chunk).encode()).hexdigest()}"
            self._watch(start, len(indices), f"{self._how.attack} on {self._how.source}")
            if not self._artifacts.holds(known["parts"].get(name, "")):
                perturbed = self._perturbed(number, self._data.read(chunk))
                known["parts"][name] = self._artifacts.write(perturbed.cpu().numpy())
                self._index.write_text(json.dumps(known))
            images.append(torch.from_numpy(self._artifacts.read(known["parts"][name])))
        labels = torch.from_numpy(self._data.labels[indices])
        return Batch(tuple(indices), torch.cat(images), labels)

    def _recalled(self) -> dict[str, Any]:
        """What an earlier run of the same origin has crafted: the content's hash by the chunk's name."""
        if self._known is None:
            source = self._spec()
            wanted = json.loads(json.dumps([self._origin, source.name, source.version, dict(source.weights)]))
            found = json.loads(self._index.read_text("utf-8")) if self._index.is_file() else {}
            kept = found.get("of") == wanted and isinstance(found.get("parts"), dict)
            self._known = found if kept else {"of": wanted, "parts": {}}
        return self._known

    def _spec(self) -> Spec:
        how = self._how
        return defenses.spec(how.source, defenses.make(how.source, how.source_settings), self._data.task)

    def _perturbed(self, number: int, batch: Batch) -> Tensor:
        how, device = self._how, self._device
        if self._source is None:
            self._source = load_defense(self._spec(), self._data.task, device)
        source, batch = self._source, batch.to(device)

        def attacked() -> Tensor:
            rng = stream(self._seed, number, "attack", device)
            victim = Victim(source, stream(self._seed, number, "victim", device), name=how.source)
            given = Batch(batch.indices, batch.images.clone(), batch.labels.clone())
            with seeded(rng, device), blame(how.attack):
                return self._attack.perturb(victim, given, how.threat, rng).images.detach()

        images = fitting(source, attacked)
        if not bool(how.threat.admits(batch.images, images).all()):
            raise UsageError(f"{how.attack} left the threat model {how.threat}; nothing was trained on its images.")
        return images
