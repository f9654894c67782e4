from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import BenchError, Classifier, Plan, PluginError, UsageError
from bench.datasets.digits import TASK, Digits
from bench.evaluation.requests.planning import make_plan, seeded_requests
from bench.evaluation.requests.request import Request
from bench.loading.classifiers import load_defense
from bench.protocols import Protocol, ProtocolAttack, covers, find_protocol
from defenses.parts.weights.places import PACKAGED
from tests.defenses.tiny import stable_diffusion
from tests.plugins import Halves

DIGITS = PACKAGED / "digits"


def never() -> str:
    """The device of a plan that must not ask for one."""
    raise AssertionError("nobody asked on which device")


def test_a_plan_spells_every_default_out(request_of_halves: Request) -> None:
    plan = make_plan(request_of_halves)
    assert plan.defense.params == {"scale": 1.0}
    assert plan.attack.params["steps"] == 40
    assert plan.dataset.params == {"size": 96, "flipped": False}
    assert (plan.threat.norm, plan.threat.epsilon) == ("linf", Fraction(1, 20))


def test_equal_requests_give_equal_plans_and_settings_change_them(request_of_halves: Request) -> None:
    plan = make_plan(request_of_halves)
    assert make_plan(request_of_halves).digest == plan.digest
    assert make_plan(replace(request_of_halves, attack_settings={"steps": "40"})).digest == plan.digest
    assert make_plan(replace(request_of_halves, attack_settings={"steps": "41"})).digest != plan.digest


def test_the_default_protocol_is_white_box_for_its_own_source_and_transfer_for_the_others() -> None:
    protocol = find_protocol("transfer-1024")
    row = make_plan(Request("resnet", "pgd-linf", protocol))
    other = make_plan(Request("wide-resnet", "pgd-linf", protocol))
    white_box = make_plan(Request("wide-resnet", "pgd-linf", protocol, source="self"))
    assert row.source is None
    assert other.source is not None
    assert other.source.name == "resnet"
    assert other.crafting() == row
    assert white_box.source is None
    assert (row.samples, row.sample_seed) == (1024, 2024)


@pytest.mark.parametrize(
    ("samples", "asked", "size"), [(1024, None, 512), (512, None, 256), (300, None, 150), (40, None, 128), (1024, 7, 7)]
)
def test_digits_are_cut_into_two_large_shards_where_nobody_says_otherwise(
    samples: int, asked: int | None, size: int
) -> None:
    protocol = find_protocol("transfer-1024")
    plan = make_plan(Request("resnet", "pgd-linf", protocol, samples=samples, shard_size=asked))
    assert plan.shard_size == size
    whole = replace(protocol, samples=samples)
    assert covers(whole, plan, {}, Digits.shard_size) == (asked is None)  # another size is another chance
    assert covers(whole, replace(plan, shard_size=128), {}, Digits.shard_size)  # as older benches had it
    own = replace(protocol, shard_size=64)
    assert make_plan(Request("resnet", "pgd-linf", own, samples=samples, shard_size=asked)).shard_size == (asked or 64)
    assert not covers(replace(own, samples=samples), plan, {})


@pytest.mark.parametrize("size", [0, -5, "many", 2.5, True, None])
def test_a_data_set_s_shards_have_a_size(
    size: object, request_of_halves: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Halves, "shard_size", size)
    left_open = replace(request_of_halves, protocol=replace(request_of_halves.protocol, shard_size=None))
    assert make_plan(replace(left_open, shard_size=5)).shard_size == 5
    with pytest.raises(PluginError, match=f"its shard_size must be a whole number of at least 1; found {size!r}"):
        make_plan(left_open)


def test_weights_are_part_of_the_plan() -> None:
    plan = make_plan(Request("resnet", "fgsm-linf", find_protocol("transfer-1024")))
    assert plan.defense.weights
    assert all(len(digest) == 64 for digest in plan.defense.weights.values())


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"samples": 97}, "holds 96"),
        ({"samples": 0}, "at least 1"),
        ({"draws": 0}, "at least 1"),
        ({"shard_size": -1}, "at least 1"),
        ({"seed": -1}, "seed"),
        ({"epsilon": Fraction(8)}, "out of range"),
        ({"attack": "pgd"}, "Did you mean"),
        ({"source": "resnett"}, "Did you mean 'resnet'"),
        ({"dataset": "digit"}, "Did you mean 'digits'"),
        ({"defense_settings": {"scales": "1"}}, "Did you mean 'scale'"),
    ],
)
def test_a_request_that_cannot_be_planned_says_what_to_do(
    request_of_halves: Request, change: dict[str, object], hint: str
) -> None:
    with pytest.raises(UsageError, match=hint):
        make_plan(replace(request_of_halves, **change))  # type: ignore[arg-type]


def test_without_any_budget_one_is_asked_for(request_of_halves: Request) -> None:
    protocol = replace(request_of_halves.protocol, epsilon=None, attacks=())
    with pytest.raises(UsageError, match="--epsilon"):
        make_plan(replace(request_of_halves, protocol=protocol))


def test_errors_of_planning_are_usage_errors(request_of_halves: Request) -> None:
    with pytest.raises(BenchError) as caught:
        make_plan(replace(request_of_halves, samples=10**6))
    assert caught.value.exit_code == 2
    assert isinstance(make_plan(request_of_halves), Plan)


def test_what_a_defense_leaves_to_the_task_is_spelled_out_and_saying_it_changes_nothing() -> None:
    request = Request("tmdc", "fgsm-linf", find_protocol("transfer-1024"), defense_settings={"search": "staged"})
    plan = make_plan(request)
    assert None not in [plan.defense.params[name] for name in ("timesteps", "lowest", "highest", "seen", "kept")]
    assert make_plan(replace(request, defense_settings=plan.defense.params)).digest == plan.digest


def test_a_part_brings_its_settings_version_and_weights_into_the_plan(request_of_halves: Request) -> None:
    digits = Request("tests.plugins:Behind", "fgsm-linf", find_protocol("transfer-1024"))
    plan = make_plan(replace(digits, defense_settings={"inner": "resnet"}))
    alone = make_plan(replace(digits, defense="resnet"))
    assert plan.defense.params["inner"]["name"] == "resnet"
    assert {f"inner/{role}": digest for role, digest in alone.defense.weights.items()} == plan.defense.weights
    scaled = {"inner": "tests.plugins:Hyperplane", "inner.scale": "2.5"}
    nested = make_plan(replace(request_of_halves, defense="tests.plugins:Behind", defense_settings=scaled))
    assert nested.defense.params["inner"]["params"] == {"scale": 2.5}
    again = make_plan(
        replace(request_of_halves, defense="tests.plugins:Behind", defense_settings=nested.defense.params)
    )
    assert again.digest == nested.digest


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"inner": "resnett"}, "Did you mean 'resnet'"),
        ({"inner.scales": "1"}, "Did you mean 'scale'"),
        ({"outer.scale": "1"}, "no part"),
    ],
)
def test_a_part_that_does_not_fit_says_why(request_of_halves: Request, settings: dict[str, str], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        make_plan(replace(request_of_halves, defense="tests.plugins:Behind", defense_settings=settings))


@pytest.fixture
def protocol() -> Protocol:
    return find_protocol("transfer-1024")


def test_a_source_has_settings_be_it_named_or_the_protocols(tmp_path: Path, protocol: Protocol) -> None:
    mine = str(shutil.copy(DIGITS / "trades.safetensors", tmp_path / "mine.safetensors"))
    request = Request("wide-resnet", "pgd-linf", protocol, source_settings={"weights": mine})
    plan, named = make_plan(request), make_plan(replace(request, source="resnet"))
    usual = make_plan(replace(request, source_settings={}))
    assert plan == named
    assert plan.source is not None
    assert usual.source is not None
    assert plan.source.weights != usual.source.weights
    assert plan.places["source"] == {"params": {"weights": mine}}
    with pytest.raises(UsageError, match="Did you mean 'weights'"):
        make_plan(replace(request, source_settings={"weight": mine}))


@pytest.mark.parametrize("change", [{"source": "self"}, {}])
def test_settings_of_a_source_that_is_nobody_else_are_refused(
    request_of_halves: Request, change: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match=r"sees the judged defense itself; weights cannot be set.*--source"):
        make_plan(replace(request_of_halves, **change, source_settings={"weights": "x"}))  # type: ignore[arg-type]


def test_a_source_of_the_same_content_is_the_defense_itself(tmp_path: Path, protocol: Protocol) -> None:
    copy = str(shutil.copy(DIGITS / "resnet.safetensors", tmp_path / "mine.safetensors"))
    row = make_plan(Request("resnet", "pgd-linf", protocol))
    assert row.source is None
    told = Request("resnet", "pgd-linf", protocol, defense_settings={"weights": copy})
    assert make_plan(told).digest == row.digest
    assert make_plan(replace(told, source_settings={"weights": copy})).digest == row.digest
    assert make_plan(Request("resnet", "pgd-linf", protocol, source="defenses.resnet:ResNet")).digest == row.digest
    other = str(DIGITS / "trades.safetensors")
    trained = replace(told, defense_settings={"weights": other})
    assert make_plan(trained).source == row.defense
    assert make_plan(replace(trained, source_settings={"weights": other})).source is None


def test_the_images_as_they_are_are_one_plan_for_all_attacks(protocol: Protocol) -> None:
    untouched = make_plan(Request("wide-resnet", "none", protocol))
    attacked = make_plan(Request("wide-resnet", "pgd-linf", protocol))
    assert untouched == attacked.untouched()
    assert untouched.is_untouched
    assert untouched.source is None
    assert (untouched.attack.name, untouched.knowledge) == ("none", "none")
    assert make_plan(Request("wide-resnet", "none", protocol, source="vit", epsilon=Fraction(1, 10))) == untouched
    with pytest.raises(UsageError, match="'none' has no settings; steps cannot be set"):
        make_plan(Request("resnet", "none", protocol, attack_settings={"steps": "3"}))


@pytest.mark.parametrize("attack", ["certify-l2", "corruption"])
def test_a_proof_and_a_corruption_have_no_source(protocol: Protocol, attack: str) -> None:
    request = Request("smoothing", attack, protocol, source="resnet", source_settings={"weights": "not looked at"})
    settings = {"kind": "brightness"} if attack == "corruption" else {}
    assert make_plan(replace(request, attack_settings=settings)).source is None


def test_a_plan_and_its_places_go_through_the_store(
    tmp_path: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(DIGITS / "tmdc.safetensors", tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    plain = Request("tests.plugins:Behind", "pgd-linf", protocol, defense_settings={"inner": "tmdc"})
    plan = make_plan(replace(plain, defense_settings={"inner": "tmdc", "inner.weights": "mine.safetensors"}))
    assert plan.digest == make_plan(plain).digest
    assert str(tmp_path) not in json.dumps(plan.document())
    document, places = (json.loads(json.dumps(part)) for part in (plan.document(), plan.places))
    again = Plan.from_document(document).placed(places)
    assert (again, again.digest, again.places) == (plan, plan.digest, plan.places)
    assert str(tmp_path / "mine.safetensors") in json.dumps(again.defense.settings)
    monkeypatch.chdir("/")
    assert isinstance(load_defense(again.defense, TASK, "cpu"), Classifier)


def test_requests_and_plans_can_be_sent_to_another_process(tmp_path: Path, protocol: Protocol) -> None:
    copy = str(shutil.copy(DIGITS / "resnet.safetensors", tmp_path / "mine.safetensors"))
    fixed = replace(protocol, attacks=(ProtocolAttack("pgd-linf", params={"steps": 3}),))
    request = Request("vit", "pgd-linf", fixed, source="resnet", source_settings={"weights": copy})
    again = [pickle.loads(pickle.dumps(each)) for each in seeded_requests(request, 2)]
    assert again == [replace(request, seed=0), replace(request, seed=1)]
    plan = make_plan(request)
    sent = pickle.loads(pickle.dumps(plan))
    assert (sent, sent.places) == (plan, plan.places)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Sixteen colour images of 8 x 8 pixels in four class folders."""
    for number, name in enumerate(("red", "green", "blue", "grey")):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for index in range(4):
            pixels = np.random.RandomState(4 * number + index).randint(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture
def latent(tmp_path: Path, photographs: Path, protocol: Protocol) -> Request:
    """A tiny Stable Diffusion under PGD, white box."""
    weights = stable_diffusion(tmp_path / "diffusion")
    return Request(
        "diffusion-classifier",
        "pgd-linf",
        replace(protocol, samples=8, source=None),
        defense_settings={"weights": str(weights), "prompt": "a photo of {class}."},
        dataset="folder",
        data_dir=photographs,
        epsilon=Fraction(1, 10),
    )


def test_a_plan_says_in_which_precision_is_computed(latent: Request) -> None:
    on_cpu, on_cuda = make_plan(latent, lambda: "cpu"), make_plan(latent, lambda: "cuda:1")
    assert (on_cpu.precision, on_cpu.defense.params["precision"]) == ("float32", "float32")
    assert (on_cuda.precision, on_cuda.defense.params["precision"]) == ("float16", "float16")
    assert on_cpu.digest != on_cuda.digest
    said = replace(latent, defense_settings={**latent.defense_settings, "precision": "float16"})
    assert make_plan(said, never).digest == on_cuda.digest


def test_the_precision_of_parts_and_of_sources_is_spelled_out(latent: Request) -> None:
    inner = {f"inner.{key}": value for key, value in latent.defense_settings.items()}
    behind = {"defense": "tests.plugins:Behind", "defense_settings": {"inner": latent.defense, **inner}}
    plan = make_plan(replace(latent, **behind), lambda: "cuda")  # type: ignore[arg-type]
    assert plan.defense.params["inner"]["params"]["precision"] == plan.precision == "float16"
    source = {"source": latent.defense, "source_settings": latent.defense_settings}
    transfer = make_plan(replace(latent, **behind, **source), lambda: "cuda")  # type: ignore[arg-type]
    assert transfer.source is not None
    assert transfer.source.params["precision"] == "float16"
    crafting = transfer.crafting()
    assert crafting is not None
    assert crafting.digest == make_plan(latent, lambda: "cuda").digest


@pytest.mark.parametrize("defense", ["resnet", "tmdc", "diffusion-classifier", "rdc"])
def test_the_device_is_asked_only_where_it_matters(protocol: Protocol, defense: str) -> None:
    assert make_plan(Request(defense, "pgd-linf", protocol), never).precision == "float32"


@pytest.mark.parametrize("layout", ["flat", "folders"])
@pytest.mark.parametrize("edited", ["config.json", "scheduler_config.json"])
@pytest.mark.parametrize("conditional", [True, False])
def test_a_configuration_beside_a_denoiser_is_part_of_the_plan(
    tmp_path: Path, protocol: Protocol, layout: str, edited: str, conditional: bool
) -> None:
    from defenses.parts.diffusion import pixels

    network = tmp_path if layout == "flat" else tmp_path / "unet"
    schedule = tmp_path if layout == "flat" else tmp_path / "scheduler"
    schedule.mkdir(exist_ok=True)
    pixels.build(TASK, conditional).save_pretrained(network)  # type: ignore[operator]  # it is diffusers' own
    (schedule / "scheduler_config.json").write_text(json.dumps({**pixels.SCHEDULE, "beta_end": 0.02}))
    name = "diffusion-classifier" if conditional else "diffpure"
    request = Request(name, "pgd-linf", protocol, defense_settings={"weights": str(tmp_path)})
    before = make_plan(request)
    file = (schedule if edited.startswith("scheduler") else network) / edited
    file.write_text(json.dumps({**json.loads(file.read_text()), "beta_end": 0.03}))
    assert make_plan(request).digest != before.digest
    assert str(tmp_path) not in json.dumps(before.document())
    copied = tmp_path / "copied"
    copied.mkdir()
    for found in (*network.glob("*.*"), schedule / "scheduler_config.json"):
        shutil.copy(found, copied / found.name)
    moved = make_plan(replace(request, defense_settings={"weights": str(copied)}))
    assert moved.digest == make_plan(request).digest


def test_a_configuration_that_is_not_read_is_no_part_of_the_plan(tmp_path: Path, protocol: Protocol) -> None:
    shutil.copy(DIGITS / "diffusion-classifier.safetensors", tmp_path)
    for name in ("config.json", "scheduler_config.json"):
        (tmp_path / name).write_text("{}")
    request = Request("diffusion-classifier", "pgd-linf", protocol)
    there = replace(request, defense_settings={"weights": str(tmp_path / "diffusion-classifier.safetensors")})
    assert make_plan(there).digest == make_plan(request).digest


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"dataset": "tests.evaluation.nonsense:Images", "dataset_settings": {"fault": "raises"}}, "Images"),
        ({"dataset": "tests.evaluation.nonsense:Images", "dataset_settings": {"fault": "leaves"}}, "Images"),
        ({"dataset": "tests.evaluation.nonsense:Images", "dataset_settings": {"fault": "nothing"}}, "Images"),
        ({"dataset": "tests.evaluation.nonsense:Images", "dataset_settings": {"fault": "decode"}}, "Images"),
        ({"dataset": "tests.evaluation.nonsense:Images", "dataset_settings": {"fault": "budget"}}, "Images"),
        ({"attack": "tests.evaluation.nonsense:Nameless"}, "Nameless"),
        ({"attack": "tests.evaluation.nonsense:Knowing"}, "Knowing"),
        ({"attack": "tests.evaluation.nonsense:Proof"}, "Proof"),
    ],
)
def test_whatever_a_plugin_does_while_a_plan_is_made_names_it(
    request_of_halves: Request, change: dict[str, object], culprit: str
) -> None:
    protocol = replace(request_of_halves.protocol, epsilon=None)
    with pytest.raises(PluginError) as caught:
        make_plan(replace(request_of_halves, protocol=protocol, **change))  # type: ignore[arg-type]
    assert caught.value.culprit == f"tests.evaluation.nonsense:{culprit}"
