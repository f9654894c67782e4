"""MALT: targeted APGD whose targets are ordered by how near the network's linear picture puts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attacks.parts.ascent import random_start, slope
from attacks.parts.auto_pgd import Problem, auto_pgd
from attacks.parts.looking import View
from attacks.parts.losses import margin
from attacks.parts.making import in_norms
from attacks.parts.settings import at_least_one
from bench import Attack, Batch, Perturbed, ThreatModel, Victim

if TYPE_CHECKING:
    from torch import Generator, Tensor

DUAL = {"linf": 1.0, "l2": 2.0}


@dataclass(frozen=True)
class Malt(Attack):
    """APGD on the targeted difference of logits ratio, the targets by mesoscopic almost linearity (Melamed et al. 2024,
    2407.02240).

    Of the `candidates` classes with the largest logits those are targets that need the shortest step if the network
    were linear: by the difference of the logits over the dual norm of its gradient, where AutoAttack goes by the
    logits alone. Each of the first `targets` gets one run of `n_iter` steps; a sample leaves when it is misled.
    """

    n_iter: int = 100
    targets: int = 9
    candidates: int = 100

    def __post_init__(self) -> None:
        at_least_one(self, "n_iter", "targets", "candidates")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """Images within `threat`, the clean ones where no run misled the victim."""
        import torch

        images, labels = batch.images.clone(), batch.labels
        order, wrong = self._order(victim, batch)
        broken_at = torch.where(wrong, 0, -1)
        rows = (~wrong).nonzero().flatten()
        turns = min(self.targets, order.shape[1])
        for turn in range(turns):
            if len(rows) == 0:
                break
            clean, own = batch.images[rows], labels[rows]
            target = order[rows, turn]

            def look(asked: Tensor, places: Tensor, target: Tensor = target, own: Tensor = own) -> View:
                return _targeted(victim, asked, own[places], target[places])

            def tell(step: int, left: int, turn: int = turn) -> None:
                victim.watch(turn * self.n_iter + step, turns * self.n_iter, f"target {turn + 1}, {left} samples open")

            start = (clean + random_start(self.norm, clean, threat.radius, rng)).clamp(0, 1)
            places = torch.arange(len(rows), device=rows.device)
            best = auto_pgd(Problem(look, clean, places, threat), start, self.n_iter, tell)
            misled = best.lead > 0
            images[rows[misled]] = best.images[misled]
            broken_at[rows[misled]] = turn + 1
            rows = rows[~misled]
        return Perturbed(images, broken_at=broken_at)

    def _order(self, victim: Victim, batch: Batch) -> tuple[Tensor, Tensor]:
        """Each sample's targets (N, T), the nearest first, and which samples (N,) are misclassified as they are."""
        import torch

        asked = batch.images.clone().requires_grad_()
        with torch.enable_grad():
            logits = victim(asked)
        true = batch.labels[:, None]
        plain = logits.detach()
        rivals = plain.scatter(1, true, -torch.inf)
        count = min(self.candidates, logits.shape[1] - 1)
        classes = rivals.topk(count, dim=1).indices
        steps = []
        for place in range(count):
            chosen = classes[:, place : place + 1]
            gaps = logits.gather(1, true) - logits.gather(1, chosen)
            (slope,) = torch.autograd.grad(gaps.sum(), asked, retain_graph=place < count - 1)
            length = slope.flatten(1).norm(p=DUAL[self.norm], dim=1).clamp_min(1e-12)
            steps.append(gaps.detach().flatten() / length)
        nearest = torch.stack(steps, 1).argsort(dim=1, stable=True)
        return classes.gather(1, nearest), margin(plain, batch.labels) > 0


def _targeted(victim: Victim, images: Tensor, labels: Tensor, targets: Tensor) -> View:
    """The targeted difference of logits ratio (Croce and Hein 2020, 2003.01690, eq. 7), and how far any class leads;
    with fewer than 4 classes the difference alone."""
    import torch

    def ratio(logits: Tensor, labels: Tensor) -> Tensor:
        loss = (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None])).flatten()
        if logits.shape[1] < 4:
            return loss
        ordered = logits.sort(dim=1).values
        return loss / (ordered[:, -1] - (ordered[:, -3] + ordered[:, -4]) / 2 + 1e-12)

    logits, loss, gradient = slope(victim, images, labels, ratio)
    lead = margin(logits, labels)
    return View(loss, lead, torch.zeros_like(lead), (lead > 0).float(), gradient)


MaltLinf, MaltL2 = in_norms(
    Malt,
    ("linf", "l2"),
    "Targeted APGD in {norm}, its targets ordered by almost linearity (MALT; Melamed et al. 2024, 2407.02240).",
)
