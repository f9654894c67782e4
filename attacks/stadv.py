"""Images bent by a flow field until they mislead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from attacks.parts.ascent import first_seen, turns
from attacks.parts.descent import Adam
from attacks.parts.losses import margin
from attacks.parts.settings import above_zero, at_least_one, zero_or_more
from bench import Attack, Batch, Perturbed, ThreatModel, Victim, pixel_centres, warp

if TYPE_CHECKING:
    from torch import Generator, Tensor

CHECK_EVERY = 5
"""Steps between two looks at which samples are settled, each of which waits for the device."""
INSIDE = 1e-6
"""How far inside the outermost pixels' centres places stay: on them reading has no gradient any more."""
SOFTENING = 1e-10
"""Added under the root of the smoothness, which else has no gradient where neighbours move alike."""


@dataclass(frozen=True)
class StAdv(Attack):
    """Adam on a flow field that bends the image (StAdv; Xiao et al. 2018, 1801.02612), its entries within epsilon.

    Minimised is the lead of the true class's logit plus `smoothness` / epsilon times the flow's unevenness (eq. 4). The
    bound of 0.05, the steps and the weights are those with which DiffPure (Nie et al. 2022, 2205.07460) evaluates,
    after ReColorAdv (Laidlaw and Feizi 2019, 1906.00001); the authors themselves take L-BFGS and no bound. `draws`
    leads, each under fresh noise, are averaged where the defense is random (DiffPure: 20); 1 keeps the noise of the
    prediction.

    Deviations from DiffPure's code: bending is the harness's `warp`, which reads the nearest pixel beyond the border
    and not black; kept is the flow of lowest lead, where that code keeps the one a step after that of lowest loss; a
    sample that misleads a defense without randomness is settled and leaves.
    """

    norm: ClassVar[str] = "flow"
    steps: int = 100
    learning_rate: float = 0.01
    smoothness: float = 0.0025
    draws: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "draws")
        above_zero(self, "learning_rate")
        zero_or_more(self, "smoothness")

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """The bent images with their flow (N, 2, H, W) as witness; draws nothing from `rng`.

        The flow after the last step is looked at too, so that there is one gradient more than steps.
        """
        import torch

        with torch.no_grad():
            broken_at = torch.where(victim(batch.images).argmax(1) == batch.labels, -1, 0)
        flow = torch.zeros_like(batch.images[:, :1]).repeat(1, 2, 1, 1)
        lowest = torch.full_like(flow[:, 0, 0, 0], torch.inf)
        least, most = _bounds(batch.images, threat.radius)
        descent, leaving = Adam.start(flow.clamp(least, most)), victim.deterministic
        for step in range(self.steps + 1):
            if step % CHECK_EVERY == 0:
                descent = descent.keep(broken_at[descent.rows] < 0) if leaving else descent
                note = f"gradient steps, {int((broken_at < 0).sum())} still robust"
            rows = descent.rows
            if not len(rows):
                break
            gradient, leads, misled = self._gradient(victim, batch, descent, self.smoothness / threat.radius)
            lower = leads < lowest[rows]
            flow[rows] = torch.where(lower.view(-1, 1, 1, 1), descent.points.detach(), flow[rows])
            lowest[rows] = torch.minimum(leads, lowest[rows])
            broken_at[rows] = first_seen(broken_at[rows], misled, step)
            descent.step(gradient, self.learning_rate)
            descent.points = descent.points.clamp(least, most)
            victim.watch(step, self.steps, note)
        return Perturbed(warp(batch.images, flow), witness=flow, broken_at=broken_at)

    def _gradient(self, victim: Victim, batch: Batch, descent: Adam, weight: float) -> tuple[Tensor, Tensor, Tensor]:
        """The loss's gradient at the descent's flows, their mean leads, and which mislead half of the draws or more."""
        import torch

        images, labels, flow = batch.images[descent.rows], batch.labels[descent.rows], descent.points.requires_grad_()
        gradient = torch.zeros_like(descent.points, requires_grad=False)
        leads, misled = torch.zeros_like(images[:, 0, 0, 0]), torch.zeros_like(labels)
        for _ in turns(victim, self.draws):
            with torch.enable_grad():
                logits = victim(warp(images, flow))
                leads_now = -margin(logits, labels)
                loss = leads_now.sum() + weight * unevenness(flow).sum()
            gradient += torch.autograd.grad(loss, flow)[0]
            leads += leads_now.detach()
            misled += logits.detach().argmax(1) != labels
        return gradient / self.draws, leads / self.draws, 2 * misled >= self.draws


def _bounds(images: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The least and most (2, H, W) that a flow's entries may be: within the radius, their places within the image."""
    import torch

    height, width = images.shape[2:]
    rows, columns = (pixel_centres(count).to(images) for count in (height, width))
    places = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)])
    outer = places.abs().amax((1, 2), keepdim=True)
    edge = (outer - INSIDE).clamp_min(0)
    return (-edge - places).clamp(-radius, radius), (edge - places).clamp(-radius, radius)


def unevenness(flow: Tensor) -> Tensor:
    """How much (N,) the flow (N, 2, H, W) changes from each pixel to its four neighbours (Xiao et al. 2018, eq. 4)."""
    down = (flow[:, :, 1:] - flow[:, :, :-1]).square().sum(1)
    across = (flow[:, :, :, 1:] - flow[:, :, :, :-1]).square().sum(1)
    lengths = [(part + SOFTENING).sqrt().flatten(1).sum(1) for part in (down, across)]
    return 2 * (lengths[0] + lengths[1])  # each pair of neighbours counts from both sides
