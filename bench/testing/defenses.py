"""What every defense must keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from bench.domain.dataset import Task
from bench.domain.defense import Classifier, Defense
from bench.domain.plan import Spec
from bench.domain.victim import Victim, check_logits
from bench.domain.blame import blame
from bench.loading.determinism import exact, seeded
from bench.registry import defenses
from bench.testing.contracts import RECIPE, Finding, judge, made
from bench.testing.generators import generator, states

SHOWN = 4
"""How many images a defense is customarily shown."""
STEPS = (3e-2, 1e-2, 3e-3, 1e-3)
"""Lengths in pixel units at which a gradient is compared with differences; one of them must agree."""
SLACK = 0.15
"""Largest relative error, in the median over images, of a slope: networks have kinks, float32 has noise."""


@dataclass(frozen=True)
class Recipe:
    """A defense before it is loaded."""

    reference: str
    plugin: Defense
    task: Task
    device: str


@dataclass(frozen=True)
class Loaded:
    """A classifier and images (N, C, H, W) to show it."""

    recipe: Recipe
    classifier: Classifier
    images: Tensor

    def logits(self, images: Tensor, seed: int = 0) -> Tensor:
        """The classifier's answer without a graph, to a copy of the images, under a generator of this seed."""
        with torch.no_grad():
            return self.classifier(images.clone(), generator(seed, self.recipe.device))


def check_defense(
    defense: str | Defense,
    task: Task,
    settings: Mapping[str, Any] | None = None,
    images: Tensor | None = None,
    device: str = "cpu",
) -> list[Finding]:
    """The findings of every contract that applies to a defense; those of a classifier only where it loads.

    `defense` is a reference, to which `settings` belong, or an instance; `images` (N, C, H, W) in [0, 1] are a few that
    it knows, seeded noise by default. Raises `UsageError` or `PluginError` where there is no such plugin.
    """
    reference, plugin = made(defenses, defense, settings)
    recipe = Recipe(reference, plugin, task, device)
    findings = [judge(contract, recipe) for contract in (*RECIPE, reads_files_that_exist, makes_equal_plans)]
    held: list[Classifier] = []

    def loads(recipe: Recipe) -> str | None:
        classifier = _load(recipe)
        held.extend([classifier] if isinstance(classifier, Classifier) else [])
        return None if held else f"load() returned {type(classifier).__name__}; it must return a bench.Classifier."

    with exact(device):
        findings.append(judge(loads, recipe))
        if held:
            shown = torch.rand(SHOWN, *task.shape, generator=generator(0)) if images is None else images
            loaded = Loaded(recipe, held[0], shown.to(device))
            findings += [judge(contract, loaded) for contract in _contracts_of(held[0])]
    return findings


def reads_files_that_exist(recipe: Recipe) -> str | None:
    """What `files` names is there, so that its hash can be in the plan."""
    files = recipe.plugin.files(recipe.task)
    missing = [f"{role} ({path})" for role, path in sorted(files.items()) if not path.is_file()]
    return f"files() names what is no file: {', '.join(missing)}." if missing else None


def makes_equal_plans(recipe: Recipe) -> str | None:
    """Equal settings give equal plans, and a plan's settings give the same plan again."""
    first, again = (defenses.spec(recipe.reference, recipe.plugin, recipe.task) for _ in range(2))
    rebuilt = defenses.spec(recipe.reference, defenses.make(first.name, first.params), recipe.task)
    for other in (again, rebuilt):
        if _digested(first) != _digested(other):
            changed = [
                name for name in ("params", "version", "weights") if getattr(first, name) != getattr(other, name)
            ]
            return f"Two plans of equal settings differ in {', '.join(changed)}; resolve() and files() must be stable."
    return None


def gives_finite_logits(loaded: Loaded) -> str | None:
    """Logits (N, K), or (N, K + 1) where it abstains, are finite and floating point."""
    columns = len(loaded.recipe.task.classes) + loaded.classifier.abstains
    check_logits(loaded.logits(loaded.images), len(loaded.images), columns)
    return None


def leaves_its_input_alone(loaded: Loaded) -> str | None:
    """The images are as they were after a call."""
    images = loaded.images.clone()
    _victim(loaded)(images)
    if torch.equal(images, loaded.images):
        return None
    return "It changes the images that it is given; work on a copy (images = images + noise, not images += noise)."


def leaves_the_global_generators_alone(loaded: Loaded) -> str | None:
    """A call draws nothing from torch's, numpy's or Python's global generator, and does not seed them."""
    with seeded(generator(20_241_120), loaded.recipe.device):  # a seed that no plugin is likely to set itself
        before = states()
        loaded.logits(loaded.images)
        after = states()
    touched = [owner for owner in before if before[owner] != after[owner]]
    if not touched:
        return None
    return f"A call moves the global generator of {', '.join(touched)}; draw from the rng that it is given."


def ignores_the_global_generators(loaded: Loaded) -> str | None:
    """The state of the global generators changes no logit."""
    answers = []
    for seed in (1, 2):
        with seeded(generator(seed), loaded.recipe.device):
            answers.append(loaded.logits(loaded.images))
    if torch.equal(*answers):
        return None
    return "Its logits follow the global generators; draw from the rng that it is given."


def repeats_itself(loaded: Loaded) -> str | None:
    """A deterministic classifier gives equal logits whatever the rng."""
    first, second = loaded.logits(loaded.images, 1), loaded.logits(loaded.images, 2)
    if torch.equal(first, second):
        return None
    gap = float((first - second).abs().max())
    return f"Two calls differ by up to {gap:.3g} although it calls itself deterministic; set deterministic = False."


def follows_its_generator(loaded: Loaded) -> str | None:
    """A random classifier gives equal logits for equal states of its rng."""
    first, second = loaded.logits(loaded.images, 1), loaded.logits(loaded.images, 1)
    if torch.equal(first, second):
        return None
    gap = float((first - second).abs().max())
    return f"Equal generators give logits that differ by up to {gap:.3g}; draw all noise from the rng."


def answers_alike_for_a_batch_cut_in_two(loaded: Loaded) -> str | None:
    """An image's logits do not depend on the other images of the batch, up to float rounding."""
    images, middle = loaded.images, len(loaded.images) // 2
    whole, parts = loaded.logits(images), [loaded.logits(images[:middle]), loaded.logits(images[middle:])]
    cut = torch.cat(parts)
    scale = max(1.0, float(whole.abs().max()))
    if torch.allclose(whole, cut, rtol=1e-3, atol=1e-4 * scale):
        return None
    gap = float((whole - cut).abs().max())
    return f"Logits change by up to {gap:.3g} when the batch is cut in two; put layers into eval mode."


def has_a_gradient(loaded: Loaded) -> str | None:
    """An attack gets a finite gradient that is not zero everywhere, from the classifier or from its stand-in."""
    _, gradient = _slope(loaded, loaded.images)
    if not bool(gradient.isfinite().all()):
        bad = int((~gradient.isfinite()).flatten(1).any(1).sum())
        return f"The gradient of {bad} of {len(gradient)} images is not finite."
    if not bool(gradient.any()):
        return "The gradient is zero everywhere; set differentiable = False and offer a stand_in()."
    return None


def has_the_gradient_of_its_own_logits(loaded: Loaded) -> str | None:
    """Along its gradient the logits rise as fast as it says, by central differences.

    Kinks and float32 noise make differences rough: the median over the images, at the best of several lengths, counts.
    """
    images = 0.05 + 0.9 * loaded.images  # away from the bounds, at which a clamp has a kink
    weights, gradient = _slope(loaded, images)
    victim = _victim(loaded)  # under the noise of the gradient
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)
    ways = gradient / length.view(-1, 1, 1, 1)
    errors = []
    for step in STEPS:
        with torch.no_grad():
            rise = (victim(images + step * ways) - victim(images - step * ways)) @ weights
        errors.append(float(((rise / (2 * step) - length).abs() / length).median()))
    if min(errors) <= SLACK:
        return None
    return (
        f"Its logits rise otherwise than its gradient says (relative error {min(errors):.2g}); set "
        f"differentiable = False and offer the function that has this gradient as stand_in()."
    )


ALWAYS = (
    gives_finite_logits,
    leaves_its_input_alone,
    leaves_the_global_generators_alone,
    ignores_the_global_generators,
)


def _contracts_of(classifier: Classifier) -> tuple[Callable[[Loaded], str | None], ...]:
    """Those that apply to what a classifier says of itself."""
    alike = (repeats_itself, answers_alike_for_a_batch_cut_in_two)
    own = alike if classifier.deterministic else (follows_its_generator,)
    if classifier.differentiable:
        return (*ALWAYS, *own, has_a_gradient, has_the_gradient_of_its_own_logits)
    return (*ALWAYS, *own, has_a_gradient) if classifier.stand_in() is not None else (*ALWAYS, *own)


def _slope(loaded: Loaded, images: Tensor) -> tuple[Tensor, Tensor]:
    """Fixed weights of the logits (columns,), and the gradient (N, C, H, W) of the sum so weighted."""
    asked = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = _victim(loaded)(asked)
        weights = torch.randn(logits.shape[1], generator=generator(3)).to(images.device)
        if not logits.requires_grad:
            return weights, torch.zeros_like(images)
        gradient = torch.autograd.grad((logits @ weights).sum(), asked, allow_unused=True)[0]
    return weights, torch.zeros_like(images) if gradient is None else gradient


def _victim(loaded: Loaded) -> Victim:
    return Victim(loaded.classifier, generator(0, loaded.recipe.device))


def _load(recipe: Recipe) -> object:
    """As the arena does it."""
    with seeded(generator(0), recipe.device), blame(recipe.reference):
        return recipe.plugin.load(recipe.task, recipe.device)


def _digested(spec: Spec) -> str:
    """A spec as a plan's digest sees it."""
    return json.dumps(asdict(spec), sort_keys=True)
