"""What a number is called: how strong the evidence behind it is, derived from what the harness observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from bench.domain.facts import Evidence
    from bench.domain.plan import Plan

Level = Literal["invalid", "claimed", "clean", "transfer", "black-box", "white-box", "adaptive", "certified"]
LEVELS: tuple[Level, ...] = get_args(Level)

FIXED_NOISE = "fixed noise"
IN_EXPECTATION = "in expectation"
SHARED_NOISE = "shared noise"
OLDER = "older evidence"
SURROGATES = ("stand-in", "identity", "surrogate")
"""The gradients that are not the classifier's own."""


OF_OTHERS, OF_ADAPTIVE = 0.5, 0.75
"""Share of the queries from which on another's gradient gives a number its name."""


@dataclass(frozen=True)
class Assurance:
    """How strong the evidence behind a number is: a level, and what qualifies it.

    `transfer`: the images were crafted on another model. `black-box`: no gradient of this one was taken. `white-box`:
    the attack was given its gradient. `adaptive`: so was an attack made for its mechanism. `certified`: a proof that
    the harness drew itself. `clean`: nobody attacked. `claimed`: merged without a check. `invalid`: no evidence.
    """

    level: Level
    qualifiers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The label: 'white-box, fixed noise'."""
        return ", ".join((self.level, *self.qualifiers))

    @property
    def sees_gradient(self) -> bool:
        """Whether the attack was given a gradient of the judged classifier, or meant to be (older evidence)."""
        return self.level in ("white-box", "adaptive")

    @property
    def fixed_noise(self) -> bool:
        """Whether a random defense was attacked by gradient under one frozen noise, which overstates robustness."""
        return FIXED_NOISE in self.qualifiers

    @property
    def in_expectation(self) -> bool:
        """Whether a random defense was attacked under fresh noise again and again."""
        return IN_EXPECTATION in self.qualifiers

    @property
    def older(self) -> bool:
        """Whether the level is what a bench older than 0.2 was told, for it observed nothing."""
        return OLDER in self.qualifiers

    def __str__(self) -> str:
        return self.text


def assure(plan: Plan, evidence: Evidence | None, *, invalid: bool = False, claimed: bool = False) -> Assurance:
    """The assurance of a plan's number.

    `claimed` says that some shards were merged without a check. Without evidence the level is the plan's own claim.
    """
    if invalid:
        return Assurance("invalid")
    level, qualifiers = _observed(plan, evidence) if evidence else (_declared(plan), (OLDER,))
    return Assurance("claimed", (level, *qualifiers)) if claimed else Assurance(level, qualifiers)


def is_adversarial(plan: Plan) -> bool:
    """Whether somebody tries to mislead the classifier: not so for untouched images and for proofs."""
    return not plan.is_untouched and plan.knowledge != "certified"


def surrogate(evidence: Evidence, *, adaptive: bool = False) -> str | None:
    """Whose gradient stood in for the classifier's own in at least half of the queries; None where its own was used.

    An `adaptive` attack takes several gradients and keeps the best image, so a quarter of its own is enough.
    """
    given = {source: evidence.gradients.get(source, 0) for source in SURROGATES}
    least = OF_ADAPTIVE if adaptive else OF_OTHERS
    if not sum(given.values()) or sum(given.values()) < least * sum(evidence.gradients.values()):
        return None
    return max(given, key=given.__getitem__)


def _observed(plan: Plan, evidence: Evidence) -> tuple[Level, tuple[str, ...]]:
    if not is_adversarial(plan) or plan.source is not None:
        return _declared(plan), ()
    if not sum(evidence.gradients.values()):
        return "black-box", ()
    stand_in = surrogate(evidence, adaptive=plan.knowledge == "adaptive")
    qualifiers = [f"{stand_in} gradient"] if stand_in else []
    if evidence.random and plan.fixed_noise:
        qualifiers.append(SHARED_NOISE)
    elif evidence.random:
        qualifiers.append(IN_EXPECTATION if evidence.redrawn else FIXED_NOISE)
    return "adaptive" if plan.knowledge == "adaptive" else "white-box", tuple(qualifiers)


def _declared(plan: Plan) -> Level:
    """The level that needs no observation, or else what the attack says that it uses."""
    if plan.is_untouched:
        return "clean"
    if plan.knowledge == "certified":
        return "certified"
    if plan.source is not None:
        return "transfer"
    known: dict[str, Level] = {"black-box": "black-box", "adaptive": "adaptive"}
    return known.get(plan.knowledge, "white-box")
