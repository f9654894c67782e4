"""The attacks of torchattacks, foolbox and adversarial-library as plugins: bit-equal to the libraries, with their
settings, our budget."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attacks.expectation import PgdEotLinf
from attacks.gradient import FgsmLinf
from attacks.libraries import adversarial_library
from attacks.libraries.adapter import Number, nearest
from attacks.libraries.foolbox import library
from bench import Attack, Batch, Perturbed, PluginError, UsageError, Victim
from bench.plugins.registry import attacks
from bench.testing import assert_contracts, check_attack, kind_of
from tests import needs
from tests.attacks.promises import COLOURS, EPSILONS, SEEDS
from tests.attacks.victims import Noisy, Recorded, batch_for, generator, network, threat, victim

BOUNDED = ("torchattacks:FGSM", "torchattacks:MIFGSM", "torchattacks:PGDL2", "foolbox:LinfPGD", "foolbox:L2PGD")
UNBOUNDED = (
    "adv-lib:ddn",
    "torchattacks:CW",
    "torchattacks:DeepFool",
    "foolbox:L2CarliniWagnerAttack",
    "foolbox:DDNAttack",
)
BRIEF = {"steps": 5, "n_queries": 30, "binary_search_steps": 3}


@contextmanager
def ambient(seed: int) -> Iterator[None]:
    """A scope whose global generator is seeded as the harness seeds an attack's from its generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def made(reference: str, **given: object) -> Attack:
    """The attack with few steps; a skip where its library is missing."""
    _needed(reference)
    fields = getattr(attacks.find(reference), "__dataclass_fields__", {})
    return attacks.make(reference, {name: value for name, value in BRIEF.items() if name in fields} | given)


def _needed(reference: str) -> None:
    library = reference.partition(":")[0]
    if find_spec(library.replace("-", "_")) is None:
        pytest.skip(needs.reason(library))


def run(attack: Attack, module: nn.Module, batch: Batch, epsilon: str, seed: int = 5) -> Perturbed:
    """What the attack proposes in a scope such as the harness's."""
    with ambient(seed):
        return attack.perturb(victim(module), batch, threat(attack.norm, epsilon), generator(seed))


def colour(count: int = 16) -> tuple[nn.Module, Batch]:
    """A net of three channels and images that it classifies rightly."""
    module = network(channels=3)
    return module, batch_for(module, count, channels=3)


@needs.torchattacks
@pytest.mark.parametrize(
    ("name", "given", "norm", "epsilon"),
    [
        ("FGSM", {}, "linf", "8/255"),
        ("PGD", {"steps": 7, "alpha": "2/255"}, "linf", "8/255"),
        ("MIFGSM", {"steps": 7, "decay": "0.9"}, "linf", "8/255"),
        ("PGDL2", {"steps": 7}, "l2", "0.5"),
    ],
)
def test_torchattacks_through_the_adapter_is_torchattacks_bit_for_bit(
    name: str, given: dict[str, object], norm: str, epsilon: str
) -> None:
    import torchattacks

    module, batch = colour()
    attack = attacks.make(f"torchattacks:{name}", given)
    assert attack.norm == norm
    budget = threat(norm, epsilon)
    values = {key: Number.from_plain(value) for key, value in given.items()}
    with ambient(5):
        theirs = getattr(torchattacks, name)(module, eps=budget.radius, **values)(batch.images, batch.labels)
    ours = run(attack, module, batch, epsilon).images
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, batch.images)


@needs.torchattacks
@pytest.mark.parametrize(("name", "given"), [("APGD", {"norm": "l2"}), ("Square", {"n_queries": 40})])
def test_a_library_s_own_seed_follows_from_the_plan_s(name: str, given: dict[str, object]) -> None:
    import torchattacks

    module, batch = colour()
    attack = attacks.make(f"torchattacks:{name}", given)
    seeds = [int(torch.randint(2**31, (), generator=generator(seed))) for seed in (5, 6)]
    budget = threat(attack.norm, "0.05")
    direct = dict(given, norm=attack.norm.capitalize(), eps=budget.radius)
    theirs = [getattr(torchattacks, name)(module, seed=seed, **direct)(batch.images, batch.labels) for seed in seeds]
    assert torch.equal(run(attack, module, batch, "0.05", seed=5).images, theirs[0])
    assert torch.equal(run(attack, module, batch, "0.05", seed=6).images, theirs[1])
    assert not torch.equal(theirs[0], theirs[1])


@needs.torchattacks
@needs.foolbox
def test_fgsm_is_the_same_through_both_libraries_and_our_own() -> None:
    module, batch = colour()
    ours = run(FgsmLinf(), module, batch, "8/255").images
    assert torch.equal(run(made("torchattacks:FGSM"), module, batch, "8/255").images, ours)
    torch.testing.assert_close(run(made("foolbox:FGSM"), module, batch, "8/255").images, ours, rtol=0, atol=1e-7)


@needs.torchattacks
def test_pgd_on_the_expectation_is_torchattacks_eotpgd_on_a_random_defense() -> None:
    module, batch = colour(8)
    theirs = attacks.make("torchattacks:EOTPGD", {"steps": 6, "eot_iter": 3, "random_start": False})
    ours = PgdEotLinf(steps=6, draws=3, step_size="2/255")
    images = [
        attack.perturb(Victim(Noisy(module, 2.0), generator(4)), batch, threat("linf", "8/255"), generator()).images
        for attack in (ours, theirs)
    ]
    assert torch.equal(*images)


@needs.foolbox
@pytest.mark.parametrize(("name", "epsilon"), [("LinfPGD", "8/255"), ("L2PGD", "0.5"), ("DDNAttack", "0.5")])
def test_foolbox_through_the_adapter_is_foolbox_bit_for_bit(name: str, epsilon: str) -> None:
    module, batch = colour()
    attack, foolbox = made(f"foolbox:{name}"), library()
    direct = getattr(foolbox.attacks, name)(steps=5)
    bound = threat(attack.norm, epsilon).radius if name != "DDNAttack" else None
    with ambient(5):
        model = foolbox.PyTorchModel(module, bounds=(0, 1), device="cpu")
        _, theirs, success = direct(model, batch.images, batch.labels, epsilons=bound)
    proposal = run(attack, module, batch, epsilon)
    if bound is not None:
        assert torch.equal(proposal.images, theirs)
    else:
        assert proposal.closest is not None
        assert torch.equal(proposal.closest[success], theirs[success])
    assert success.any()


@needs.adv_lib
@pytest.mark.filterwarnings("ignore")
def test_members_of_adversarial_library_propose_what_it_returns() -> None:
    module, batch = colour()
    library = adversarial_library.library()
    budget = threat("linf", "8/255")
    ours = run(made("adv-lib:pgd_linf", steps=5), module, batch, "8/255")
    with ambient(5):
        theirs = library.pgd_linf(module, batch.images, batch.labels, budget.radius, steps=5)
    assert torch.equal(ours.images, theirs)
    nearest_ones = run(made("adv-lib:ddn", steps=30), module, batch, "9").closest
    with ambient(5):
        theirs = library.ddn(module, batch.images, batch.labels, steps=30, levels=None)
    assert nearest_ones is not None
    assert (module(theirs).argmax(1) != batch.labels).all()
    assert torch.equal(nearest_ones, theirs)
    assert not {"visdom", "torchvision"} & {
        name for name, value in sys.modules.items() if not vars(value).get("__file__")
    }


@needs.adv_lib
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(adversarial_library.NORMS))
def test_every_member_of_adversarial_library_keeps_its_norm_and_the_images_range(name: str) -> None:
    norms = adversarial_library.NORMS[name]
    module, batch = colour(6)
    for norm in (norms,) if isinstance(norms, str) else norms:
        given = {} if isinstance(norms, str) else {"norm": norm}
        brief = {
            "num_steps": 100,
            "max_iterations": 100,
            "binary_search_steps": 3,
            "max_iter": 8,
            "n_iter": 8,
            "const_factor": 10,
        }
        fields = getattr(attacks.find(f"adv-lib:{name}"), "__dataclass_fields__", {})
        chosen = {key: value for key, value in brief.items() if key in fields}
        attack = made(f"adv-lib:{name}", **given, **chosen)
        assert attack.norm == norm
        budget = {"linf": "0.1", "l2": "1", "l1": "5", "l0": "20"}[norm]
        found = run(attack, module, batch, budget)
        assert threat(norm, budget).admits(batch.images, found.images).all()
        assert (module(found.images).argmax(1) != batch.labels).any()


@pytest.mark.parametrize("reference", UNBOUNDED)
def test_a_minimal_norm_attack_gives_the_nearest_images_and_proposes_those_within_the_budget(reference: str) -> None:
    attack = made(reference, steps=30)
    module, batch = colour(24)
    far = run(attack, module, batch, "9").images
    epsilon = f"{float(threat('l2', '9').distance(batch.images, far).median()):.5f}"
    budget, proposal = threat("l2", epsilon), run(attack, module, batch, epsilon)
    closest = proposal.closest
    assert closest is not None
    wrong = module(closest).argmax(1) != batch.labels
    untouched = (closest == batch.images).flatten(1).all(1)
    assert torch.equal(wrong, ~untouched)
    within = budget.distance(batch.images, closest) <= float(epsilon)
    expected = torch.where(within.view(-1, 1, 1, 1), closest, batch.images)
    assert torch.equal(proposal.images, expected)
    assert (wrong & within).any()
    assert (wrong & ~within).any()


def test_what_is_no_image_counts_as_clean() -> None:
    module, batch = colour(4)
    found = torch.rand(batch.images.shape, generator=generator(8))
    found[0, 0, 0, 0], found[1, 0, 0, 0] = torch.nan, 1.5
    closest = nearest(victim(module), batch, threat("linf", "1"), found).closest
    assert closest is not None
    assert torch.equal(closest[:2], batch.images[:2])
    assert not torch.equal(closest[2:], batch.images[2:])


@pytest.mark.parametrize(
    ("reference", "norm", "knowledge"),
    [
        ("torchattacks:PGD", "linf", "white-box"),
        ("torchattacks:PIFGSM", "linf", "white-box"),
        ("torchattacks:CW", "l2", "white-box"),
        ("torchattacks:EADL1", "l1", "white-box"),
        ("torchattacks:OnePixel", "l0", "black-box"),
        ("torchattacks:Square", "linf", "black-box"),
        ("foolbox:LinfPGD", "linf", "white-box"),
        ("foolbox:L2RepeatedAdditiveGaussianNoiseAttack", "l2", "black-box"),
        ("foolbox:EADAttack", "l1", "white-box"),
        ("foolbox:HopSkipJumpAttack", "l2", "black-box"),
        ("foolbox:L0FMNAttack", "l0", "white-box"),
        ("adv-lib:vfga", "l0", "white-box"),
    ],
)
def test_norm_and_knowledge_follow_from_the_name(reference: str, norm: str, knowledge: str) -> None:
    attack = made(reference)
    assert (attack.norm, attack.knowledge) == (norm, knowledge)


@pytest.mark.parametrize(
    ("reference", "norm"),
    [
        ("torchattacks:APGD", "l2"),
        ("torchattacks:FAB", "l1"),
        ("foolbox:HopSkipJumpAttack", "linf"),
        ("adv-lib:tr", "linf"),
    ],
)
def test_the_norm_is_a_setting_where_the_library_has_one(reference: str, norm: str) -> None:
    attack = made(reference, norm=norm)
    assert attack.norm == norm
    assert attacks.spec(reference, attack).params["norm"] == norm


@pytest.mark.parametrize("reference", ["torchattacks:GN", "foolbox:InversionAttack", "adv-lib:fmn"])
def test_the_norm_must_be_given_where_neither_name_nor_library_tells_it(reference: str) -> None:
    assert made(reference, norm="l2").norm == "l2"
    with pytest.raises(UsageError, match="norm"):
        made(reference)


@pytest.mark.parametrize("reference", [*BOUNDED, *UNBOUNDED, "torchattacks:Square", "foolbox:HopSkipJumpAttack"])
def test_a_plan_holds_every_setting_and_the_library_s_version_and_makes_an_equal_attack(reference: str) -> None:
    attack = made(reference)
    spec = attacks.spec(reference, attack)
    library = reference.partition(":")[0]
    assert spec.version == f"1+{library}-{version(library)}"
    again = attacks.make(spec.name, json.loads(json.dumps(dict(spec.params))))
    assert again == attack
    assert attacks.spec(reference, again) == spec
    assert not {"eps", "epsilon", "seed", "model"} & set(spec.params)
    assert attacks.find(reference) is attacks.find(reference)


@pytest.mark.parametrize(
    ("reference", "given", "sentence"),
    [
        ("torchattacks:PGD", {"step": "3"}, "has no setting 'step'. Did you mean 'steps'"),
        ("torchattacks:PGD", {"eps": "0.1"}, "has no setting 'eps'"),
        ("torchattacks:PGD", {"alpha": "small"}, "'small' is not a number"),
        ("torchattacks:PDG", {}, "has no member 'PDG'. Did you mean 'PGD'"),
        ("torchattacks:LGV", {}, "has no member 'LGV'"),
        ("foolbox:LinfPGF", {}, "Did you mean 'LinfPGD'"),
        ("foolbox:EADAttack", {"decision_rule": "L3"}, "must be one of EN, L1; got 'L3'"),
        ("foolbox:SpatialAttack", {}, "has no member 'SpatialAttack'"),
        ("foolbox:", {}, "foolbox is a family"),
        ("adv-lib:fnm", {}, "Did you mean 'fmn'"),
        ("adv-lib:ddn", {"levels": "256"}, "has no setting 'levels'"),
    ],
)
def test_a_wrong_name_or_setting_is_told(reference: str, given: dict[str, str], sentence: str) -> None:
    _needed(reference)
    with pytest.raises(UsageError) as caught:
        attacks.make(reference, given)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("library", "remedy"), [("torchattacks", "--no-deps torchattacks"), ("foolbox", r"defense-bench\[foolbox\]")]
)
def test_a_library_that_is_missing_is_named_with_the_way_to_install_it(
    library: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PluginError, match=remedy):
        attacks.find(f"{library}:PGD")
    listed = {listing.name: listing for listing in attacks.listings()}
    assert listed[f"{library}:NAME"].broken is None
    assert f"bench check {library}" in listed[f"{library}:NAME"].summary


@pytest.mark.parametrize(
    "reference",
    [
        *BOUNDED,
        *UNBOUNDED,
        "torchattacks:APGD",
        "torchattacks:Square",
        "torchattacks:OnePixel",
        "foolbox:LInfFMNAttack",
    ],
)
def test_members_keep_the_contracts_of_every_attack(reference: str) -> None:
    attack = made(reference)
    assert_contracts(check_attack(reference, attacks.spec(reference, attack).params))
    assert kind_of(reference) == "attack"


@needs.torchattacks
def test_averaged_gradients_have_fresh_noise_and_others_the_prediction_s() -> None:
    batch, budget = batch_for(network(), 4), threat("linf", "0.1")
    for name, distinct in (("EOTPGD", 2 * 3), ("PGD", 1)):
        recorder = Recorded(network(), 0.1)
        attack = attacks.make(f"torchattacks:{name}", {"steps": 3})
        attacked = Victim(recorder, generator())
        with ambient(1):
            attack.perturb(attacked, batch, budget, generator())
        assert len(set(recorder.seeds)) == distinct
        assert attacked.forwards == 4 * len(recorder.seeds)


@needs.torchattacks
@needs.foolbox
@settings(max_examples=20, deadline=None)
@given(
    reference=st.sampled_from(BOUNDED),
    count=st.integers(1, 4),
    channels=COLOURS,
    side=st.integers(2, 9),
    epsilon=EPSILONS,
    seed=SEEDS,
)
def test_proposals_stay_in_the_budget_and_follow_from_the_seed(
    reference: str, count: int, channels: int, side: int, epsilon: object, seed: int
) -> None:
    attack = made(reference)
    module = network(channels=channels)
    batch = batch_for(module, count, channels, (side, side), wrong=1)
    first, again = (run(attack, module, batch, str(epsilon), seed).images for _ in range(2))
    assert threat(attack.norm, str(epsilon)).admits(batch.images, first).all()
    assert torch.equal(first, again)


@pytest.mark.parametrize(
    ("value", "number"), [("2/255", 2 / 255), ("10", 10), (10, 10), (0.5, 0.5), ("1e-3", 1e-3), ("0.5", 0.5)]
)
def test_a_number_is_whole_where_its_text_is(value: object, number: float) -> None:
    found = Number.from_plain(value)
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize("reference", ["torchattacks:MIFGSM", "foolbox:LinfMomentumIterativeFastGradientMethod"])
def test_one_and_one_point_nought_make_one_plan(reference: str) -> None:
    setting = "decay" if "torch" in reference else "momentum"
    specs = {json.dumps(attacks.spec(reference, made(reference, **{setting: text})).params) for text in ("1", "1.0", 1)}
    assert len(specs) == 1


@pytest.mark.parametrize("value", ["", "two", True, "1/0", None])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        Number.from_plain(value)
