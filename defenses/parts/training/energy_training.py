"""How a classifier learns the density of its images as well: cross-entropy and contrast with Langevin samples."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bench import Network, Trained, Training, UsageError
from defenses.parts.networks.energy import EnergyNet, climb
from defenses.parts.randomness import ambient, stream
from defenses.parts.training.augmentation import augment
from defenses.parts.training.classification import MEASURED_AT_ONCE
from defenses.parts.training.loop import Course, finish, fit, shuffled
from defenses.parts.training.recipes import EnergyRecipe
from defenses.parts.weights.checkpoints import save


class Learner(nn.Module):
    """The network and its replay buffer, which a resumed run needs as well."""

    replay: Tensor

    def __init__(self, net: EnergyNet, replay: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("replay", replay)


def learn(run: Training, recipe: EnergyRecipe, name: str) -> Trained:
    """Train a JEM from scratch (Grathwohl et al. 2020, 1912.03263, algorithm 1) and write it as NAME.safetensors.

    Raises `UsageError` where the training diverges.
    """
    data = run.data.read(range(len(run.data))).to(run.device)
    with ambient(run.seed):
        net = EnergyNet(recipe.depth, recipe.width, run.task.shape[0], len(run.task.classes))
    replay = _fresh((recipe.buffer, *run.task.shape), stream(run.seed, "replay"))
    learner = Learner(net, replay).to(run.device)
    optimizer = torch.optim.Adam(net.parameters(), recipe.learning_rate, betas=(0.9, 0.999))
    course = Course(recipe.steps, recipe.warmup, averaging=recipe.averaging, clip=recipe.clip)

    def loss(step: int, rng: Generator) -> Tensor:
        chosen = shuffled(len(data), recipe.batch, run.seed, step).to(run.device)
        codes = 2 * augment(data.images[chosen], recipe.augmentation, 1.0, rng) - 1
        codes = codes + recipe.input_noise * torch.randn(codes.shape, generator=rng).to(codes)
        samples = _samples(learner, recipe, len(codes), rng)
        logits, others = learner.net(torch.cat([codes, samples])).split(len(codes))
        real, drawn = logits.logsumexp(1), others.logsumexp(1)
        contrast = drawn.mean() - real.mean() + recipe.penalty * (drawn.square() + real.square()).mean()
        if not bool(contrast.isfinite()) or abs(float(contrast.detach())) > 1e4:
            raise UsageError(
                f"The training of {name} diverged at step {step + 1}: the log densities of images and samples are "
                f"{float(contrast.detach()):.3g} apart. "
                "Choose a smaller learning_rate, a longer chain or a larger penalty."
            )
        whole: Tensor = contrast + functional.cross_entropy(logits, data.labels[chosen])
        return whole

    learned = fit(run, name, learner, optimizer, course, loss, recipe)
    module = learned.module.get_submodule("net")
    path = save(run.folder / f"{name}.safetensors", module.state_dict())
    finish(run, name)

    def measure() -> dict[str, float]:
        return _figures(module, data.images, data.labels)

    return Trained(path, {"loss": learned.loss, "seconds": learned.seconds}, measure)


def _fresh(shape: tuple[int, ...], rng: Generator) -> Tensor:
    return torch.rand(shape, generator=rng) * 2 - 1


def _samples(learner: Learner, recipe: EnergyRecipe, count: int, rng: Generator) -> Tensor:
    """Samples (N, C, H, W) by a Langevin chain from the buffer, where they replace their starts."""
    places = torch.randint(0, recipe.buffer, (count,), generator=rng).to(learner.replay.device)
    kept = learner.replay[places]
    again = (torch.rand(count, generator=rng) < recipe.restart).view(-1, 1, 1, 1).to(kept.device)
    start = torch.where(again, _fresh(tuple(kept.shape), rng).to(kept), kept)
    noise = torch.randn(recipe.chain, *start.shape, generator=rng).to(start)
    learner.requires_grad_(False)
    samples = climb(lambda codes: learner.net(codes).logsumexp(1), start, noise, recipe.size, recipe.spread)
    learner.requires_grad_(True)
    learner.replay[places] = samples
    return samples


@torch.no_grad()
def _figures(module: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy on the training images, and how much denser they are than noise."""
    centre = (0.5,) * images.shape[1]
    network, rng = Network(module, centre, centre), stream(0, "noise")
    correct, margin = 0, 0.0
    for part, truth in zip(images.split(MEASURED_AT_ONCE), labels.split(MEASURED_AT_ONCE), strict=True):
        logits = network(part, rng)
        noise = network(torch.rand(part.shape, generator=rng).to(part), rng)
        correct += int((logits.argmax(1) == truth).sum())
        margin += float((logits.logsumexp(1) - noise.logsumexp(1)).double().sum())
    return {"train_accuracy": correct / len(images), "density_above_noise": margin / len(images)}
