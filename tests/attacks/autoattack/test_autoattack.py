"""AutoAttack equals the library's, for any number of classes, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from pyautoattack import checks
from torch import Generator, Tensor, nn

from attacks.autoattack import AutoAttackL1, AutoAttackL2, AutoAttackLinf, AutoAttackRandL2, AutoAttackRandLinf
from bench import Attack, Batch, Classifier, Network, PluginError, UsageError, Victim
from tests.attacks.autoattack.reference import EPSILON, brief, by_library
from tests.attacks.victims import Forgotten, Noisy, Recorded, batch_for, generator, network, threat, victim, watched

BRIEF = {"n_iter": 10, "n_queries": 60}
CLASSES = 5
"""Few, of which each but the true one is a target."""
few = partial(brief, targets=CLASSES - 1)
KINDS = [AutoAttackLinf, AutoAttackL2, AutoAttackL1]


def propose(attack: Attack, module: nn.Module, batch: Batch) -> Any:
    """What our attack proposes, after the judge's check."""
    budget = threat(attack.norm, EPSILON[attack.norm])
    proposal = attack.perturb(victim(module), batch, budget, generator())
    assert budget.admits(batch.images, proposal.images).all()
    return proposal


@pytest.mark.parametrize(("kind", "version"), [(AutoAttackL1, "standard"), *product(KINDS[:2], ("standard", "plus"))])
def test_a_shard_equals_a_direct_call_of_the_library_bit_for_bit(kind: Any, version: str) -> None:
    module = network(CLASSES, channels=3)
    batch = batch_for(module, 12, channels=3, wrong=2)
    attack = kind(version=version, **BRIEF)
    theirs = by_library(kind.norm, module, batch, few, version)
    ours = propose(attack, module, batch).images
    assert torch.equal(ours, theirs)
    broken = (ours != batch.images).flatten(1).any(1)
    assert 0 < int(broken.sum()) < 10


def test_the_whole_standard_version_equals_the_library_bit_for_bit() -> None:
    def few_targets_and_queries(adversary: Any) -> None:
        adversary.fab.n_target_classes = adversary.apgd_targeted.n_target_classes = 3
        adversary.square.n_queries = 100

    module = network(classes=4)
    batch = batch_for(module, 8)
    attack = AutoAttackLinf(n_queries=100)  # of 5000: the only setting that is cut, for the test's time
    theirs = by_library("linf", module, batch, few_targets_and_queries)
    ours = propose(attack, module, batch).images
    assert torch.equal(ours, theirs)
    assert 0 < int((ours != batch.images).flatten(1).any(1).sum()) < 8


@pytest.mark.parametrize(("kind", "version"), [(AutoAttackL1, "standard"), *product(KINDS[:2], ("standard", "plus"))])
def test_stopping_early_changes_no_verdict_and_spares_passes(kind: Any, version: str) -> None:
    module = network(CLASSES, channels=3)
    batch = batch_for(module, 6, channels=3, wrong=1)
    theirs = by_library(kind.norm, module, batch, few, version)
    budget, early, late = threat(kind.norm, EPSILON[kind.norm]), victim(module), victim(module)
    ours = kind(version=version, early_stop=True, **BRIEF).perturb(early, batch, budget, generator())
    whole = kind(version=version, **BRIEF).perturb(late, batch, budget, generator())
    assert budget.admits(batch.images, ours.images).all()
    assert torch.equal(module(ours.images).argmax(1) == batch.labels, module(theirs).argmax(1) == batch.labels)
    assert ours.fell_to == whole.fell_to
    assert early.backwards < late.backwards
    assert early.forwards < late.forwards


def test_a_random_classifier_is_attacked_to_the_last_step() -> None:
    module = network()
    batch, budget = batch_for(module, 6), threat("linf", "0.05")
    early, late = (
        AutoAttackLinf(early_stop=stops, **BRIEF).perturb(
            Victim(Noisy(module, 0.1), generator(1)), batch, budget, generator()
        )
        for stops in (True, False)
    )
    assert torch.equal(early.images, late.images)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_every_version_runs_with_any_number_of_classes(kind: Any, version: str, classes: int) -> None:
    module = network(classes=classes)
    batch = batch_for(module, 8, size=(7, 9))
    proposal = propose(kind(version=version, n_iter=4, n_queries=20, eot_iter=2), module, batch)
    text = " ".join(proposal.remarks)
    assert ("the DLR loss needs 3 classes and there are 2" in text) == (classes == 2)
    assert ("apgd-t needs 4 classes and there are 3" in text) == (classes == 3 and version != "rand")


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 12])
def test_a_budget_beyond_every_margin_breaks_every_sample(classes: int) -> None:
    module = network(classes=classes)
    batch = batch_for(module, 6)
    images = AutoAttackLinf(**BRIEF).perturb(victim(module), batch, threat("linf", "0.9"), generator()).images
    assert bool((module(images).argmax(1) != batch.labels).all())


@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_is_told_the_part_that_misled_it_first(kind: Any) -> None:
    module = network(CLASSES, channels=3)
    batch, names = batch_for(module, 24, channels=3, wrong=2), ("square", "apgd-t", "fab-t")
    whole = propose(kind(version="custom", attacks=names, **BRIEF), module, batch)
    open_rows, expected = list(range(2, 24)), ["clean"] * 2 + [""] * 22
    for name in names:
        rest = Batch(tuple(open_rows), batch.images[open_rows], batch.labels[open_rows])
        images = propose(kind(version="custom", attacks=(name,), **BRIEF), module, rest).images
        misled = module(images).argmax(1) != rest.labels
        for row, fell in zip(open_rows.copy(), misled.tolist(), strict=True):
            if fell:
                expected[row] = name
                open_rows.remove(row)
    assert whole.fell_to == tuple(expected)
    assert len(set(expected)) >= 4
    survived = torch.tensor([part == "" for part in expected])
    assert torch.equal(module(whole.images).argmax(1) == batch.labels, survived)


def test_where_the_first_part_misleads_every_sample_it_alone_is_named() -> None:
    module = network()
    batch = batch_for(module, 6, wrong=1)
    proposal = AutoAttackLinf(**BRIEF).perturb(victim(module), batch, threat("linf", "0.9"), generator())
    assert proposal.fell_to == ("clean", *["apgd-ce"] * 5)
    assert AutoAttackRandLinf(n_iter=2).perturb(
        Victim(Noisy(module, 0.01), generator()), batch, threat("linf", "1/100000"), generator()
    ).fell_to == ("clean", *[""] * 5)


def test_square_in_l2_is_left_out_of_images_too_small_for_it() -> None:
    module = network()
    proposal = propose(AutoAttackL2(**BRIEF), module, batch_for(module, 3, size=(4, 4)))
    assert "square in l2 needs images 5 pixels high and these have 4: left out" in proposal.remarks


@pytest.mark.parametrize("kind", [AutoAttackL2, AutoAttackL1])
def test_square_is_left_out_where_its_tiles_reach_over_the_edge(kind: Any) -> None:
    module = network()
    proposal = propose(kind(**BRIEF), module, batch_for(module, 3, size=(12, 12)))
    sentence = "starts from tiles of 2x2 pixels, which do not fit images of 12x12: left out"
    assert f"square in {kind.norm} {sentence}" in proposal.remarks


@pytest.mark.parametrize(("kind", "whole"), [(AutoAttackRandLinf, AutoAttackLinf), (AutoAttackRandL2, AutoAttackL2)])
def test_rand_under_its_own_name_is_the_version_of_that_name(kind: Any, whole: Any) -> None:
    module, settings = network(), {"n_iter": 4, "eot_iter": 3}
    batch, budget = batch_for(module, 6), threat(kind.norm, {"linf": "0.1", "l2": "1"}[kind.norm])
    attacked = [Victim(Noisy(module, 0.1), generator()) for _ in range(2)]
    ours = kind(**settings).perturb(attacked[0], batch, budget, generator())
    theirs = whole("rand", **settings).perturb(attacked[1], batch, budget, generator())
    assert torch.equal(ours.images, theirs.images)
    assert attacked[0].forwards == attacked[1].forwards > 0
    assert not torch.equal(ours.images, batch.images)


@pytest.mark.parametrize("kind", [AutoAttackRandLinf, AutoAttackRandL2])
def test_rand_has_the_published_settings(kind: Any) -> None:
    assert kind() == kind(n_iter=100, n_restarts=1, eot_iter=20)
    with pytest.raises(UsageError, match="eot_iter must be at least 1; got 0"):
        kind(eot_iter=0)


def test_a_single_sample_and_a_batch_without_a_right_one_are_attacked_too() -> None:
    module = network()
    assert propose(AutoAttackLinf(**BRIEF), module, batch_for(module, 1)).images.shape == (1, 1, 8, 8)
    wrong = batch_for(module, 3, wrong=3)
    assert torch.equal(propose(AutoAttackLinf(**BRIEF), module, wrong).images, wrong.images)


def test_the_same_generator_gives_the_same_images_and_another_one_others() -> None:
    module = network()
    batch, budget, attack = batch_for(module, 8), threat("linf", "0.03"), AutoAttackLinf(n_iter=4, n_queries=20)
    runs = [attack.perturb(victim(module), batch, budget, generator(seed)).images for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


class Failing(Classifier):
    """A classifier that breaks down at its n-th query."""

    def __init__(self, module: nn.Module, at: int) -> None:
        self.module, self.left = module, at

    def __call__(self, images: Tensor, rng: Generator) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the device is gone")
        logits: Tensor = self.module(images)
        return logits


@pytest.mark.parametrize("at", [10**9, 8, 40])
def test_nothing_global_is_left_changed_even_by_a_failure(at: int, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("auto-attack")
    before = (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
    events: list[str] = []

    def trace(frame: object, event: str, argument: object) -> None:
        events.append(event)

    module = network()
    batch = batch_for(module, 4)
    state, warned = torch.get_rng_state(), list(warnings.filters)
    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(PluginError):
            attacked = Victim(Failing(module, at), generator())
            AutoAttackLinf(**BRIEF).perturb(attacked, batch, threat("linf", "0.02"), generator())
        restored = sys.gettrace()
    finally:
        sys.settrace(previous)
    assert restored is trace
    assert torch.equal(torch.get_rng_state(), state)
    assert (list(logger.handlers), logger.level, logger.propagate, logger.disabled) == before
    assert warnings.filters == warned
    assert capfd.readouterr() == ("", "")


def test_a_defense_that_takes_gradients_inside_is_told_dynamic_and_the_next_one_is_not() -> None:
    class Inner(nn.Module):
        """Takes a gradient within its forward pass."""

        def __init__(self) -> None:
            super().__init__()
            self.module = network()

        def forward(self, images: Tensor) -> Tensor:
            with torch.enable_grad():
                probe = images.detach().requires_grad_()
                torch.autograd.grad(self.module(probe).sum(), probe)
            logits: Tensor = self.module(images)
            return logits

    dynamic, plain = Inner(), network()
    attack = AutoAttackLinf(version="custom", attacks=("apgd-ce",), n_iter=2, n_restarts=1)
    sentence = "it seems to be a dynamic defense! The evaluation with AutoAttack might be insufficient."
    assert propose(attack, dynamic, batch_for(dynamic, 2)).remarks == (sentence,)
    assert propose(attack, plain, batch_for(plain, 2)).remarks == ()
    assert set(checks.funcs.values()) == {0}


def test_warnings_become_short_remarks_said_once() -> None:
    module = nn.Sequential(network(), nn.Softmax(1))
    proposal = propose(AutoAttackLinf(**BRIEF), module, batch_for(module, 4))
    assert len(set(proposal.remarks)) == len(proposal.remarks)
    assert any(
        remark.startswith("it seems that the output is a probability distribution") for remark in proposal.remarks
    )
    assert not any("flags_doc" in remark for remark in proposal.remarks)


def test_a_warning_of_the_defense_becomes_a_remark() -> None:
    class Complaining(nn.Module):
        """Warns at every pass."""

        def __init__(self) -> None:
            super().__init__()
            self.module = network()

        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 1:
                warnings.warn("half precision was asked for and is not there", stacklevel=1)
            logits: Tensor = self.module(images)
            return logits

    module = Complaining()
    batch = batch_for(module.module, 4)
    attack = AutoAttackLinf(version="custom", attacks=("apgd-ce",), n_iter=2)
    assert propose(attack, module, batch).remarks == ("half precision was asked for and is not there",)


def test_standard_keeps_the_noise_of_a_random_defense_that_it_tells_and_rand_draws_it_anew() -> None:
    recorded = Recorded(network(), 1.0)
    batch, budget = batch_for(recorded.module, 4), threat("linf", "0.02")
    proposal = AutoAttackLinf(**BRIEF).perturb(Victim(recorded, generator()), batch, budget, generator())
    looks = len(set(recorded.seeds))
    assert looks == 1 + 5 + 1 + 1  # the number of classes; the library's check, its range, and clean accuracy
    assert len(set(recorded.seeds[looks:])) == 1
    assert 'it seems to be a randomized defense! Please use version="rand".' in proposal.remarks
    recorded.seeds.clear()
    attack = AutoAttackLinf(version="rand", n_iter=2, eot_iter=3)
    attack.perturb(Victim(recorded, generator()), batch, budget, generator())
    assert len(set(recorded.seeds)) == len(recorded.seeds) > 3


@pytest.mark.parametrize(
    "attack",
    [AutoAttackLinf(**BRIEF), AutoAttackLinf(version="plus", **BRIEF), AutoAttackL2(**BRIEF), AutoAttackL1(**BRIEF)],
)
def test_progress_runs_to_its_total_and_names_the_attack(attack: Attack) -> None:
    module = network(CLASSES)
    batch = batch_for(module, 2)
    attacked, seen = watched(Forgotten(module))
    attack.perturb(attacked, batch, threat(attack.norm, "1/100000"), generator())
    done, totals, notes = zip(*seen, strict=True)
    checks_and_clean = 2 * 8 + 1
    assert set(totals) == {attacked.forwards - checks_and_clean}
    assert list(done) == sorted(done)
    assert 0.99 * totals[0] <= done[-1] <= totals[0]
    assert len(seen) <= 1000
    assert "apgd-t, 100 % still robust" in notes


def test_progress_never_goes_back_when_samples_break() -> None:
    module = network()
    attacked, seen = watched(Network(module))
    AutoAttackLinf(**BRIEF).perturb(attacked, batch_for(module, 16, wrong=3), threat("linf", "0.02"), generator())
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert all(done <= total for done, total, _ in seen)


def test_a_custom_list_of_which_nothing_is_possible_is_refused() -> None:
    module = network(classes=2)
    attack = AutoAttackLinf(version="custom", attacks=("apgd-t",))
    with pytest.raises(UsageError, match="Nothing is left of AutoAttack's apgd-t: the DLR loss needs 3 classes"):
        attack.perturb(victim(module), batch_for(module, 2), threat("linf", "0.1"), generator())
