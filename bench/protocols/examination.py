"""What `bench diagnose` runs: attacks of known strength in relation to each other, each at a multiple of the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

PROTOCOL = "adaptive-1024"
"""Whose samples, seeds, draws and budgets an examination has."""
SAMPLES = 128
STRANGERS = ("resnet", "wide-resnet")
"""Whose images a defense meets as a transfer attack: the first that it is not itself."""
WHOLE = Fraction(1)
"""All that linf allows."""
FARTHEST = 32
"""How many times the budget stands for all that another norm allows."""


@dataclass(frozen=True)
class Exam:
    """One run: an attack without its norm, the settings that matter, and `times` the budget (None: all there is).

    `source` says that another defense's images are judged; `random` that it is run for random defenses alone, and
    `fixed_noise` that attack and judge share the noise.
    """

    attack: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    times: int | None = 1
    source: bool = False
    random: bool = False
    fixed_noise: bool = False

    def name(self, norm: str) -> str:
        """The attack's name in a norm."""
        if self.attack == "fgsm" and norm != "linf":
            return f"pgd-{norm}"
        return f"{self.attack}-{norm}"

    def params(self, norm: str) -> dict[str, Any]:
        """The settings that it fixes; one step of PGD stands for FGSM where there is none."""
        return {"steps": 1} if self.attack == "fgsm" and norm != "linf" else dict(self.settings)

    def epsilon(self, norm: str, budget: Fraction) -> Fraction:
        """Its budget, where the customary one is `budget`."""
        times = FARTHEST if self.times is None else self.times
        if norm != "linf":
            return budget * times
        return WHOLE if self.times is None else min(WHOLE, budget * times)


EXAMS: Mapping[str, Exam] = {
    "noise": Exam("noise"),
    "one step": Exam("fgsm"),
    "pgd": Exam("pgd", {"steps": 40}),
    "more steps": Exam("pgd", {"steps": 200, "restarts": 2}),
    "fresh noise": Exam("pgd", {"steps": 40, "draws": 8}, random=True),
    "shared noise": Exam("pgd", {"steps": 40}, random=True, fixed_noise=True),
    "twice": Exam("pgd", {"steps": 40}, times=2),
    "four times": Exam("pgd", {"steps": 40}, times=4),
    "all": Exam("pgd", {"steps": 40, "step_size": None}, times=None),
    "square": Exam("square", {"n_queries": 500}),
    "transfer": Exam("pgd", {"steps": 40}, source=True),
    "probe": Exam("probe", {"steps": 40}),
    "adaptive": Exam(
        "adaptive",
        {
            "losses": ["margin"],
            "restarts": 4,
            "n_iter": 50,
            "most_draws": 8,
            "pgd_steps": 0,
            "n_queries": 0,
        },
    ),
}
