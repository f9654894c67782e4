"""Every registered plugin keeps its contracts; a plugin that breaks one is told so in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from bench import Attack, PluginError, UsageError
from bench.datasets.cifar10 import CLASSES
from bench.datasets.digits import TASK, Digits
from bench.plugins.registry import Registry, attacks, datasets, defenses
from bench.testing import Finding, assert_contracts, check_attack, check_dataset, check_defense, kind_of
from tests.broken_plugins import Boastful, Careless, Faulty, Messy, Modest, Unproven, UnprovenLinf, Unsmooth

SHOWN = 2
"""Few images: the diffusion classifiers are slow."""
BRIEF = {
    "aa-linf": {"n_queries": 50, "n_iter": 5},
    "aa-l2": {"n_queries": 50, "n_iter": 5},
    "aa-l1": {"n_queries": 50, "n_iter": 5},
    "aa-rand-linf": {"n_iter": 5},
    "aa-rand-l2": {"n_iter": 5},
    **{
        f"{part}-{norm}": {"n_iter": 5}
        for part in ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t")
        for norm in ("linf", "l2", "l1")
    },
    **{f"square-{norm}": {"n_queries": 50} for norm in ("linf", "l2", "l1")},
    "cw-l2": {"search_steps": 3, "steps": 20},
    "one-pixel": {"population": 20, "generations": 5},
    **{
        f"adaptive-{norm}": {
            **{"restarts": 1, "targets": 1, "n_iter": 5, "pgd_steps": 2},
            **{"n_queries": 20, "directions": 4, "checks": 2},
        }
        for norm in ("linf", "l2")
    },
    **{f"a3-{norm}": {"restarts": 1} for norm in ("linf", "l2")},
    **{f"malt-{norm}": {"n_iter": 5, "targets": 2} for norm in ("linf", "l2")},
    **{f"probe-{norm}": {"steps": 5} for norm in ("linf", "l2")},
    **{f"fmn-{norm}": {"steps": 20} for norm in ("linf", "l2", "l1", "l0")},
    **{f"pdpgd-{norm}": {"steps": 20} for norm in ("linf", "l2", "l1")},
    "ddn-l2": {"steps": 20},
    "sigma-zero-l0": {"steps": 20},
    "as-published-tmdc": {"steps": 3},
}
LAWLESS = ("as-published-tmdc",)
"""What breaks a contract on purpose: it shows a published fault, and is refused."""
DATA_IN_FOLDERS = ("cifar10", "folder")
DATA_OF_OTHER_FORMS = ("cifar100", "imagenet")
"""They keep their contracts in the tests that write their files."""


def names(registry: Registry[Any]) -> list[str]:
    """Every registered plugin but those that need a setting to be given or a member named: these have tests of their
    own."""
    listings = registry.listings()
    return [found.name for found in listings if not found.family and "required" not in found.settings.values()]


def images() -> Tensor:
    """The first test digits."""
    return Digits().load("test", None).read(range(SHOWN)).images


def broken(findings: list[Finding]) -> dict[str, str]:
    """The sentences of the contracts that failed."""
    return {finding.contract: finding.sentence for finding in findings if not finding.passed}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random images of every class of CIFAR-10, for training and for testing."""
    random = np.random.RandomState(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True)
            pixels = random.randint(0, 256, (32, 32, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / name / "0.png")
    return tmp_path


@pytest.mark.parametrize("name", names(defenses))
def test_every_registered_defense_keeps_its_contracts(name: str) -> None:
    assert_contracts(check_defense(name, TASK, images=images()))


@pytest.mark.parametrize("name", [name for name in names(attacks) if name not in LAWLESS])
def test_every_registered_attack_keeps_its_contracts(name: str) -> None:
    assert_contracts(check_attack(name, BRIEF.get(name)))


@pytest.mark.parametrize("name", LAWLESS)
def test_what_shows_a_published_fault_breaks_the_budget_and_nothing_else(name: str) -> None:
    found = broken(check_attack(name, BRIEF.get(name)))
    assert found
    assert all(contract.startswith("proposes admissible images") for contract in found)
    assert all("lie outside linf 0.1" in sentence for sentence in found.values())


@pytest.mark.parametrize("name", [name for name in names(datasets) if name not in DATA_OF_OTHER_FORMS])
def test_every_registered_data_set_keeps_its_contracts(name: str, folder: Path) -> None:
    assert_contracts(check_dataset(name, folder if name in DATA_IN_FOLDERS else None))


@pytest.mark.parametrize("plugin", ["Hyperplane", "NoisyHyperplane", "Rounded", "Greedy"])
def test_small_defenses_with_known_answers_keep_their_contracts(plugin: str) -> None:
    from tests.plugins import Halves

    data = Halves().load("test", None)
    settings = {"room": 1000} if plugin == "Greedy" else {}
    assert_contracts(check_defense(f"tests.plugins:{plugin}", data.task, settings))


@pytest.mark.parametrize(
    ("fault", "contract", "sentence"),
    [
        ("raises", "loads", "failed with ValueError: no such layer"),
        ("nothing", "loads", "returned NoneType; it must return a bench.Classifier"),
        ("files", "reads files that exist", "network (nowhere.pt)"),
        ("nan", "gives finite logits", "NaN or infinite logits for 2 of 2 images"),
        ("columns", "gives finite logits", "(2, 7); (2, 10) was expected"),
        ("abstains", "gives finite logits", "(2, 10); (2, 11) was expected"),
        ("whole", "gives finite logits", "logits must be floating point"),
        ("in-place", "leaves its input alone", "work on a copy"),
        ("seeds-python", "leaves the global generators alone", "global generator of Python;"),
        ("seeds-numpy", "leaves the global generators alone", "global generator of numpy;"),
        ("hidden-noise", "leaves the global generators alone", "global generator of torch;"),
        ("hidden-noise", "ignores the global generators", "draw from the rng"),
        ("own-noise", "follows its generator", "draw all noise from the rng"),
        ("noisy", "repeats itself", "set deterministic = False"),
        ("batch", "answers alike for a batch cut in two", "eval mode"),
        ("noise-a-place", "answers alike for a batch cut in two", "one noise for the whole batch"),
        ("one-for-all", "answers together as one by one", "under the same rng"),
        ("detached", "has a gradient", "differentiable = False"),
        ("graph", "keeps no graph", "load weights with requires_grad_(False)"),
        ("two-faced", "answers alike whether a gradient is asked for", "attacks and judge must see one function"),
        ("wrong-gradient", "has the gradient of its own logits", "differentiable = False"),
    ],
)
def test_a_classifier_that_breaks_a_contract_is_told_which(fault: str, contract: str, sentence: str) -> None:
    assert sentence in broken(check_defense(Faulty(fault), TASK, images=images()))[contract]


def test_a_classifier_whose_images_meet_one_noise_keeps_its_contracts() -> None:
    assert_contracts(check_defense(Faulty("one-noise"), TASK, images=images()))


@pytest.mark.parametrize(
    ("fault", "contract", "sentence"),
    [
        ("no-noise", "has noise and a base that can be certified", "sigma must be a number above 0; got 0.0"),
        ("no-rows", "has noise and a base that can be certified", "rows must be a whole number from 1 up; got 0"),
        ("refusing-base", "has noise and a base that can be certified", "base must be deterministic and must not"),
        ("drawing-base", "has noise and a base that can be certified", "base gives other logits"),
        ("minority", "predicts what its base predicts under noise", "another class for 2 of 2 images"),
    ],
)
def test_a_smoothed_classifier_that_cannot_be_certified_is_told_why(fault: str, contract: str, sentence: str) -> None:
    assert sentence in broken(check_defense(Unsmooth(fault), TASK, images=images()))[contract]


def test_a_smoothed_classifier_that_keeps_its_contracts_is_in_order() -> None:
    assert_contracts(check_defense(Unsmooth(), TASK, images=images()))


@pytest.mark.parametrize(
    ("plugin", "contract", "sentence"),
    [
        ("Held", "is a frozen recipe", "holds width but is no frozen dataclass"),
        ("Changeable", "is a frozen recipe", "write @dataclass(frozen=True)"),
        ("Silent", "explains itself", "has no docstring"),
        ("Opaque", "survives a plan", "width"),
        ("Unstable", "makes equal plans", "differ in params"),
    ],
)
def test_a_recipe_that_breaks_a_contract_is_told_which(plugin: str, contract: str, sentence: str) -> None:
    assert sentence in broken(check_defense(f"tests.broken_plugins:{plugin}", TASK, images=images()))[contract]


@pytest.mark.parametrize(
    ("fault", "contract", "sentence"),
    [
        ("far", "proposes admissible images (10 classes, 3 channels)", "4 of 4 images lie outside linf 0.1"),
        ("few", "proposes admissible images (2 classes, 1 channel)", "(1, 1, 8, 8); (4, 1, 8, 8) was expected"),
        ("ten-classes", "proposes admissible images (2 classes, 1 channel)", "IndexError"),
        ("in-place", "leaves the batch alone", "work on a copy"),
        ("own-noise", "follows its generator", "draw all randomness from the rng"),
        ("idle", "uses what it says", "declare knowledge = 'black-box'"),
    ],
)
def test_an_attack_that_breaks_a_contract_is_told_which(fault: str, contract: str, sentence: str) -> None:
    assert sentence in broken(check_attack(Careless(fault)))[contract]


def test_an_attack_that_keeps_its_contracts_is_in_order_and_one_that_underrates_itself_is_told_so() -> None:
    assert_contracts(check_attack(Careless()))
    assert "declare knowledge = 'white-box'" in broken(check_attack(Modest()))["uses what it says"]
    assert_contracts(check_attack(Modest("idle")))


@pytest.mark.parametrize(
    ("plugin", "contract", "sentence"),
    [
        (Boastful(), "says what it spends and uses", "bench.Certifier go together"),
        (Unproven(n0=0), "asks for a proof that can be had", "from 1 up; got 0 and 100"),
        (Unproven(alpha=1.0), "asks for a proof that can be had", "alpha must lie between 0 and 1; got 1.0"),
        (UnprovenLinf(), "asks for a proof that can be had", "proves a radius in l2; norm is 'linf'"),
    ],
)
def test_a_proof_that_cannot_be_had_is_told_why(plugin: Attack, contract: str, sentence: str) -> None:
    assert sentence in broken(check_attack(plugin))[contract]
    assert_contracts(check_attack(Unproven()))


def test_an_attack_of_an_unknown_norm_is_told_the_known_ones() -> None:
    assert "linf, l2, l1, l0" in broken(check_attack("tests.broken_plugins:Unworldly"))["says what it spends and uses"]


def test_an_attack_that_draws_from_the_scope_that_the_harness_seeds_is_in_order() -> None:
    assert_contracts(check_attack("tests.plugins:Ambient"))


@pytest.mark.parametrize(
    ("fault", "contract", "sentence"),
    [
        ("classes", "names each class once", "found one, one"),
        ("bytes", "holds images of its task", "scale pixels to [0, 1]"),
        ("double", "holds images of its task", "float64"),
        ("labels", "holds labels of its classes", "span 0 to 2; 0 to 1"),
        ("changing", "gives the same images again", "twice gives different images"),
        ("same", "keeps its splits apart", "8 of 8 test images are training images"),
    ],
)
def test_a_data_set_that_breaks_a_contract_is_told_which(fault: str, contract: str, sentence: str) -> None:
    assert sentence in broken(check_dataset(Messy(fault)))[contract]


def test_splits_that_are_the_same_images_can_be_declared_so() -> None:
    assert_contracts(check_dataset(Messy("same"), same_splits=True))
    assert "are not" in broken(check_dataset(Messy(), same_splits=True))["keeps its splits apart"]


def test_a_budget_out_of_range_is_told() -> None:
    assert "out of range" in broken(check_dataset("tests.broken_plugins:Boundless"))["has budgets that can be spent"]


def test_failed_contracts_fail_a_test_with_their_sentences() -> None:
    findings = [Finding("is kept", True), Finding("is broken", False, "It broke.")]
    assert_contracts(findings[:1])
    with pytest.raises(AssertionError, match=r"^is broken: It broke\.$"):
        assert_contracts(findings)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("resnet", "defense"),
        ("tests.plugins:Still", "attack"),
        ("tests.plugins:Halves", "data set"),
    ],
)
def test_the_kind_of_a_plugin_is_found(reference: str, kind: str) -> None:
    assert kind_of(reference) == kind


@pytest.mark.parametrize(
    ("reference", "error", "hint"),
    [
        ("tmcd", UsageError, "Did you mean 'tmdc'"),
        ("tests.plugins:SHAPE", PluginError, "is no plugin"),
        ("tests.plugins:Hyperplan", UsageError, "Did you mean 'Hyperplane'"),
        ("attacks.noise:Noise", PluginError, "does not define"),
    ],
)
def test_what_is_no_plugin_says_why(reference: str, error: type[Exception], hint: str) -> None:
    with pytest.raises(error, match=hint):
        kind_of(reference)
