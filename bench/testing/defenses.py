"""What every defense must keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from bench.domain.blame import blame
from bench.domain.dataset import Task
from bench.domain.defense import Classifier, Defense, Smoothed
from bench.domain.plan import Spec
from bench.domain.queries.asking import ask_together, check_logits
from bench.loading.determinism import exact, seeded
from bench.loading.door import alike, moved, states
from bench.plugins.registry import defenses
from bench.testing.contracts import RECIPE, Finding, judge, made
from bench.testing.generators import gap, generator
from bench.testing.gradients import (
    answers_alike_whether_a_gradient_is_asked_for,
    has_a_gradient,
    has_the_gradient_of_its_own_logits,
    keeps_no_graph,
)
from bench.testing.loaded import Loaded, Recipe
from bench.testing.smoothing import (
    has_noise_and_a_base_that_can_be_certified,
    predicts_what_its_base_predicts_under_noise,
)

SHOWN = 4
"""How many images a defense is customarily shown."""


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
    rebuilt = defenses.spec(first.reference, defenses.make(first.reference, first.settings), recipe.task)
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
    loaded.victim()(images)
    if torch.equal(images, loaded.images):
        return None
    return "It changes the images that it is given; work on a copy (images = images + noise, not images += noise)."


def leaves_the_global_generators_alone(loaded: Loaded) -> str | None:
    """A call draws nothing from torch's, numpy's or Python's global generator, and does not seed them."""
    with seeded(generator(20_241_120), loaded.recipe.device):  # a seed that no plugin is likely to set itself
        before = states()
        loaded.logits(loaded.images)
        touched = moved(before, states())
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
    far = gap(loaded.logits(loaded.images, 1), loaded.logits(loaded.images, 2))
    complaint = f"Two calls differ by up to {far} although it calls itself deterministic; set deterministic = False."
    return complaint if far else None


def follows_its_generator(loaded: Loaded) -> str | None:
    """A random classifier gives equal logits for equal states of its rng."""
    far = gap(loaded.logits(loaded.images, 1), loaded.logits(loaded.images, 1))
    return f"Equal generators give logits that differ by up to {far}; draw all noise from the rng." if far else None


def answers_alike_for_a_batch_cut_in_two(loaded: Loaded) -> str | None:
    """An image's logits do not depend on the other images of the batch, up to float rounding."""
    images, middle = loaded.images, len(loaded.images) // 2
    whole, parts = loaded.logits(images), [loaded.logits(images[:middle]), loaded.logits(images[middle:])]
    cut = torch.cat(parts)
    scale = max(1.0, float(whole.abs().max()))
    if torch.allclose(whole, cut, rtol=1e-3, atol=1e-4 * scale):
        return None
    remedy = "put layers into eval mode" if loaded.classifier.deterministic else "draw one noise for the whole batch"
    return f"Logits change by up to {gap(whole, cut)} when the batch is cut in two; {remedy}."


def answers_together_as_one_by_one(loaded: Loaded) -> str | None:
    """Several draws of noise asked about in one go give the logits that each gives alone, up to float rounding."""
    seeds = [1, 2][: max(1, loaded.classifier.at_once(len(loaded.images)))]
    rngs = [generator(seed, loaded.recipe.device) for seed in seeds]
    found = ask_together(loaded.classifier, [loaded.images.clone() for _ in seeds], rngs)
    for seed, logits in zip(seeds, found, strict=True):
        alone = loaded.logits(loaded.images, seed)
        if not alike(alone, logits.detach()):
            far = gap(alone, logits.detach())
            return f"Its together() gives logits that differ by up to {far} from those of a call under the same rng."
    return None


ALWAYS = (
    gives_finite_logits,
    leaves_its_input_alone,
    leaves_the_global_generators_alone,
    ignores_the_global_generators,
    keeps_no_graph,
)


def _contracts_of(classifier: Classifier) -> tuple[Callable[[Loaded], str | None], ...]:
    """Those that apply to what a classifier says of itself."""
    found = [*ALWAYS]
    if classifier.deterministic:
        found.append(repeats_itself)
    else:
        found += [follows_its_generator, answers_together_as_one_by_one]
    if classifier.deterministic or classifier.common_noise:
        found.append(answers_alike_for_a_batch_cut_in_two)
    if isinstance(classifier, Smoothed):
        found += [has_noise_and_a_base_that_can_be_certified, predicts_what_its_base_predicts_under_noise]
    others = (classifier.stand_in(), classifier.identity_stand_in())
    if classifier.differentiable or any(other is not None for other in others):
        found += [has_a_gradient, answers_alike_whether_a_gradient_is_asked_for]
    if classifier.differentiable:
        found.append(has_the_gradient_of_its_own_logits)
    return tuple(found)


def _load(recipe: Recipe) -> object:
    """As the harness does it."""
    with seeded(generator(0), recipe.device), blame(recipe.reference):
        return recipe.plugin.load(recipe.task, recipe.device)


def _digested(spec: Spec) -> str:
    """A spec as a plan's digest sees it."""
    return json.dumps(spec.document(), sort_keys=True)
