"""What an examination says of a defense: checks that a sound evaluation passes, each with its sentence.

After Athalye et al. 2018 (1802.00420), Carlini et al. 2019 (1902.06705), Pintor et al. 2022 (2106.09947, indicators of
attack failure) and Zimmermann et al. 2022 (2206.13991, the binarization test). All are derived when read, from stored
outcomes and facts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.analysis.evidence.assurance import surrogate
from bench.analysis.evidence.signs import exceeds
from bench.analysis.notation import percent

if TYPE_CHECKING:
    from bench.analysis.results.entries import Judged
    from bench.domain.facts import Evidence

    Found = Mapping[str, Judged]

Verdict = Literal["pass", "warn", "fail"]
FEW = 8
"""Samples below which a share means nothing."""
SHARE = 0.1
"""Share of samples from which on a defect of the gradients fails, and a silent success too."""
SOME = 0.02
"""Share of samples from which on a silent success is worth a word."""
FOUND, MOST = 0.95, 0.8
"""Share of hidden images that an attack must find in the binarization test, and below which it fails."""
ABOVE_CHANCE = 0.1
"""How far above chance accuracy may stay when every image is allowed."""
LOST = 0.05
"""Share of samples whose verdict may hang on less than a grey level."""


@dataclass(frozen=True)
class Check:
    """One question to an evaluation, its verdict, and what was seen."""

    name: str
    verdict: Verdict
    sentence: str

    def document(self) -> dict[str, str]:
        """The check as plain JSON data."""
        return asdict(self)


def examine(found: Found) -> tuple[Check, ...]:
    """The checks whose runs are among those found, by the names of `EXAMS`; those that count alone are asked."""
    whole = {name: pair for name, pair in found.items() if pair[0].counts}
    return tuple(check for ask in _CHECKS for check in ask(whole))


def _rate(pair: Judged) -> str:
    return f"{percent(pair[0].robust_accuracy)} %"


def _better(one: Judged, other: Judged) -> bool:
    """Whether more is right in one of two runs than in the other, beyond chance."""
    return exceeds(one[1].robust_right, other[1].robust_right)


def _check(name: str, defect: bool, verdict: Verdict, told: str, passed: str) -> Check:
    """The check with what is told of a defect, where there is one, or of a pass."""
    return Check(name, verdict, told) if defect else Check(name, "pass", passed)


def _stronger_leave_less(found: Found) -> Iterator[Check]:
    order = [name for name in ("noise", "one step", "pgd", "adaptive") if name in found]
    if len(order) < 2:
        return
    seen = ", ".join(f"{name} {_rate(found[name])}" for name in order)
    for weak, strong in itertools.pairwise(order):
        if _better(found[strong], found[weak]):
            yield Check("strength", "fail", f"{weak} misleads more than {strong} ({seen}): the gradient may be masked.")
            return
    yield Check("strength", "pass", f"The stronger an attack, the less is left: {seen}.")


def _gradients_beat_blindness(found: Found) -> Iterator[Check]:
    # the composed attack has parts that see none
    seeing = [found[name] for name in ("pgd", "more steps", "fresh noise") if name in found]
    if not seeing:
        return
    best = min(seeing, key=lambda pair: pair[0].robust_accuracy)
    for name in ("square", "transfer"):
        if name in found:
            both = f"{name} {_rate(found[name])}, the best attack by gradient {_rate(best)}"
            yield _check(
                *(f"gradients against {name}", _better(best, found[name]), "fail"),
                f"Who sees no gradient does better: {both}.",
                f"Who sees the gradient does at least as well: {both}.",
            )


def _accuracy_falls(found: Found) -> Iterator[Check]:
    order = [name for name in ("pgd", "twice", "four times", "all") if name in found]
    if "all" not in order or len(order) < 2:
        return
    last = found["all"][0]
    seen = ", ".join(_rate(found[name]) for name in order)
    chance = 1 / max(2, len(np.unique(found["all"][1].label)))
    rising = any(_better(found[b], found[a]) for a, b in itertools.pairwise(order))
    if last.interval.low > chance + ABOVE_CHANCE:
        yield Check("budget", "fail", f"With every image allowed it is still right ({seen}): attacks do not work here.")
    elif rising:
        yield Check("budget", "warn", f"A larger budget misleads less ({seen}).")
    else:
        yield Check("budget", "pass", f"Accuracy falls with the budget to chance: {seen}.")


_EFFORTS = (
    (
        *("convergence", "pgd", "more steps"),
        "More steps and starts still help: {} after 40 steps, {} after 200 from two starts.",
        "More steps and starts help no more than chance: {} after 40 steps, {} after 200 from two starts.",
    ),
    (
        *("adaptation", "more steps", "adaptive"),
        "PGD is not enough here: {} under PGD, {} under the composed attack.",
        "PGD finds what the composed attack finds: {} under PGD, {} under the composed attack.",
    ),
)
"""Checks of whether more of an attack still helps: name, the two runs, what is said if so and if not."""


def _effort(found: Found) -> Iterator[Check]:
    for name, less, more, helps, enough in _EFFORTS:
        if less in found and more in found:
            told, passed = (words.format(_rate(found[less]), _rate(found[more])) for words in (helps, enough))
            yield _check(name, _better(found[less], found[more]), "warn", told, passed)


def _randomness(found: Found) -> Iterator[Check]:
    known = _evidence(found)
    if not known:
        return
    if not any(each.random for each in known):
        yield Check("randomness", "pass", "Equal images get equal answers.")
        return
    if not all(each.declared_random for each in known):
        yield Check(
            "randomness", "fail", "It calls itself deterministic and is random: it was judged as what it is not."
        )
        return
    parts = []
    if "pgd" in found and "fresh noise" in found:
        parts.append(f"{_rate(found['pgd'])} on one frozen noise, {_rate(found['fresh noise'])} in expectation")
    if "shared noise" in found:
        parts.append(f"{_rate(found['shared noise'])} where attack and judge share the noise")
    told = f": {', '.join(parts)} under PGD" if parts else ""
    yield Check("randomness", "warn", f"It is random, so only attacks in expectation say what it is worth{told}.")


def _gradients(found: Found) -> Iterator[Check]:
    told = _told(found)
    rows = told.get("rows", 0)
    if "probe" not in found or rows < FEW:
        return
    evidence = found["probe"][0].evidence
    stand_in = surrogate(evidence) if evidence else None
    bad = {name: told.get(name, 0) / rows for name in ("zero", "vanishing", "exploding")}
    worst = max(bad, key=bad.__getitem__)
    if bad[worst] > SHARE:
        shown = f"{worst} for {percent(bad[worst])} % of the images"
        yield Check("gradients", "fail", f"The gradient is {shown}: attacks along it say little.")
    elif told.get("saturated", 0) / rows > SHARE:
        share = percent(told["saturated"] / rows)
        yield Check("gradients", "warn", f"The softmax is saturated for {share} % of the images: attack margins.")
    elif stand_in:
        yield Check("gradients", "warn", f"By default attacks are given another gradient than its own ({stand_in}).")
    else:
        yield Check("gradients", "pass", "They are neither zero nor vanishing, exploding or saturated.")


def _success(found: Found) -> Iterator[Check]:
    told = _told(found)
    rows = told.get("rows", 0)
    if rows < FEW:
        return
    silent = told["misled_any"] - told["misled_last"]
    seen = f"{silent} of {rows} samples were misled on the way and not by the last iterate"
    verdict: Verdict = "fail" if silent > SHARE * rows else "warn" if silent > SOME * rows else "pass"
    yield Check("silent success", verdict, f"{seen}.")
    lost = told["misled_last"] - told["misled_rounded"]
    both = f"{told['misled_last']} misled samples, {told['misled_rounded']} after rounding"
    yield _check(
        *("8 bits", lost > LOST * rows, "warn"),
        f"Images of 8 bits mislead less than those of float32: {both}.",
        f"Rounding the images to 8 bits changes little: {both}.",
    )
    if told["tested"] >= FEW:
        share = told["found"] / told["tested"]
        verdict = "pass" if share >= FOUND else "warn" if share >= MOST else "fail"
        yield Check(
            "binarization",
            verdict,
            f"PGD found {told['found']} of {told['tested']} images that are known to be there "
            f"(random search {told['guessed']}).",
        )


def _promises(found: Found) -> Iterator[Check]:
    known = _evidence(found)
    if not known:
        return
    yield _check(
        *("batch", any(each.batch_dependent for each in known), "fail"),
        "What it answers to an image hangs on the other images of its batch.",
        "An image's answer does not hang on the others of its batch.",
    )
    broken = {contract: sentence for each in known for contract, sentence in each.contracts.items() if sentence}
    for contract, sentence in broken.items():
        yield Check("contracts", "fail", f"It does not keep that it {contract}: {sentence.rstrip('.')}.")
    if not broken:
        yield Check("contracts", "pass", "It keeps the contracts that are tried when it is loaded.")


def _evidence(found: Found) -> list[Evidence]:
    """What the harness observed of those runs of which it did."""
    return [pair[0].evidence for pair in found.values() if pair[0].evidence is not None]


def _told(found: Found) -> Mapping[str, int]:
    """What the probe counted."""
    evidence = found["probe"][0].evidence if "probe" in found else None
    return evidence.told if evidence else {}


_CHECKS: tuple[Callable[[Found], Iterator[Check]], ...] = (
    _stronger_leave_less,
    _gradients_beat_blindness,
    _accuracy_falls,
    _effort,
    _gradients,
    _success,
    _randomness,
    _promises,
)
