"""What the harness itself observed of a shard: the only ground on which a number is labelled or doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal

Gradient = Literal["own", "exact", "stand-in", "identity", "surrogate"]
"""Whose gradient an attack was given: what the classifier gives as its own, its exact one where that is another, a
stand-in's, one that takes a purifier for the identity, or a cheaper version's."""


@dataclass(frozen=True)
class Controls:
    """Counts over a few rightly classified rows of a crafting, asked by the harness after the attack.

    A row's lead is the highest wrong logit minus the true class's: above 0 it is misclassified. `rows` were looked at;
    of the `moved` ones the attack changed the image. `above_noise` and `below_noise` say how many proposals lead
    further, or less far, than random noise that spends the same budget; `above_halfway` and `below_halfway` the same
    of the proposal against the point halfway to it. `gradients` rows were asked for a gradient: it was zero in
    `zero` of them, that of the cross-entropy alone was zero in `saturated`, and a short step along it lowered the lead
    in `falling`.
    """

    rows: int = 0
    moved: int = 0
    above_noise: int = 0
    below_noise: int = 0
    above_halfway: int = 0
    below_halfway: int = 0
    gradients: int = 0
    zero: int = 0
    saturated: int = 0
    falling: int = 0

    @classmethod
    def sum(cls, several: Iterable[Controls]) -> Controls:
        """All of these counts taken together."""
        return cls(*map(sum, zip(*map(_COUNTS, several), strict=True)))


_COUNTS = attrgetter(*(count.name for count in fields(Controls)))


@dataclass(frozen=True)
class Crafting:
    """What was observed while a shard's images were crafted. Passes and queries are those of the attack alone.

    `gradients` counts the queries with a backward pass by whose gradient they were given. `noises` counts the draws of
    the defense's noise under which gradients were taken: 1 for a frozen one. `zero_gradients` is the share of asked
    rows whose gradient was zero in every pixel. `unmoved` counts proposals that are the clean image to the bit. `told`
    is the attack's own word (`Perturbed.told`). `partial` counts the queries that were not about the whole shard.
    """

    forwards: int
    backwards: int
    queries: int
    gradients: Mapping[str, int] = field(default_factory=dict)
    noises: int = 0
    zero_gradients: float = 0.0
    unmoved: int = 0
    controls: Controls = Controls()
    told: Mapping[str, int] = field(default_factory=dict)
    partial: int = 0


@dataclass(frozen=True)
class Facts:
    """What was observed of one shard.

    `random`: whether the judged classifier answers otherwise under another seed. `declared_random`,
    `differentiable`, `abstains` are what the plugin says of itself. `contracts` maps each contract that was tried when
    the defense was loaded to the sentence that says how it is broken, empty where it is kept. `batch_dependent`:
    whether an image's answer hangs on the others of its batch; None where that was not asked. `replayed` images were
    judged again in a fresh process, `audited` of the attack's own queries put again to it. `crafting` is None for
    images that another plan crafted, for untouched ones and for certificates. `odd` is of a random classifier: rows of
    one query of the attack were asked about twice more, afresh and in small company, and of those on which two of the
    three answers agree it says how often the odd one out is what the attack was told, the second, and the third.
    `alike` is of a classifier that takes shortcuts: how many images got the same verdict without them, of how many.
    """

    random: bool
    declared_random: bool
    differentiable: bool
    abstains: bool
    replayed: int
    audited: int = 0
    batch_dependent: bool | None = None
    contracts: Mapping[str, str] = field(default_factory=dict)
    crafting: Crafting | None = None
    odd: tuple[int, int, int] = (0, 0, 0)
    alike: tuple[int, int] = (0, 0)

    def document(self) -> dict[str, Any]:
        """Plain data from which `from_document` rebuilds equal facts."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Facts:
        """The facts that `document()` described. Raises `TypeError` or `KeyError` for anything else."""
        crafting = document["crafting"]
        if crafting is not None:
            crafting = Crafting(**{**crafting, "controls": Controls(**crafting["controls"])})
        counts = {
            name: tuple(int(count) for count in document.get(name, default))
            for name, default in (("odd", (0, 0, 0)), ("alike", (0, 0)))
        }
        return cls(**{**document, "crafting": crafting, **counts})


@dataclass(frozen=True)
class Evidence:
    """The facts of all shards of a plan, taken together; proportions in [0, 1]. `crafted` counts the shards for which
    this plan's own attack made the images."""

    random: bool
    declared_random: bool
    differentiable: bool
    abstains: bool
    replayed: int
    audited: int
    batch_dependent: bool
    contracts: Mapping[str, str]
    crafted: int
    forwards: int
    backwards: int
    queries: int
    gradients: Mapping[str, int]
    noises: int
    zero_gradients: float
    unmoved: int
    controls: Controls
    odd: tuple[int, ...] = (0, 0, 0)
    told: Mapping[str, int] = field(default_factory=dict)
    partial: int = 0
    alike: tuple[int, ...] = (0, 0)

    @property
    def redrawn(self) -> bool:
        """Whether gradients were taken under fresh noise again and again, and not under one frozen draw a shard."""
        return self.noises > self.crafted and 2 * self.noises >= sum(self.gradients.values())

    @classmethod
    def of(cls, facts: Iterable[Facts]) -> Evidence | None:
        """The evidence of these shards' facts; None where there are none."""
        found = list(facts)
        if not found:
            return None
        crafted = [each.crafting for each in found if each.crafting is not None]
        gradients, told = Counter[str](), Counter[str]()
        for crafting in crafted:
            gradients.update(crafting.gradients)
            told.update(crafting.told)
        return cls(
            random=any(each.random for each in found),
            declared_random=any(each.declared_random for each in found),
            differentiable=all(each.differentiable for each in found),
            abstains=any(each.abstains for each in found),
            replayed=sum(each.replayed for each in found),
            audited=sum(each.audited for each in found),
            batch_dependent=any(bool(each.batch_dependent) for each in found),
            contracts={name: sentence for each in found for name, sentence in each.contracts.items()},
            crafted=len(crafted),
            forwards=sum(each.forwards for each in crafted),
            backwards=sum(each.backwards for each in crafted),
            queries=sum(each.queries for each in crafted),
            gradients=dict(gradients),
            noises=sum(each.noises for each in crafted),
            zero_gradients=sum(each.zero_gradients for each in crafted) / max(1, len(crafted)),
            unmoved=sum(each.unmoved for each in crafted),
            controls=Controls.sum(each.controls for each in crafted),
            odd=tuple(sum(counts) for counts in zip(*(each.odd for each in found), strict=True)),
            alike=tuple(sum(counts) for counts in zip(*(each.alike for each in found), strict=True)),
            told=dict(told),
            partial=sum(each.partial for each in crafted),
        )

    def document(self) -> dict[str, Any]:
        """The evidence as plain JSON data."""
        return {**asdict(self), "redrawn": self.redrawn}
