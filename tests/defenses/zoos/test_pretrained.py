"""Published models by name: their own way of reading images, their labels, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench import PluginError, Task, UsageError, WeightsError
from bench.plugins.registry import defenses
from bench.testing import assert_contracts, check_defense
from defenses.parts.zoos.labels import order
from defenses.pretrained import Pretrained
from tests import needs
from tests.defenses import hub
from tests.defenses.published import COLOURS, TIMM, convolutional, pictures, timm_files, timm_state, transformer

REFERENCE = "defenses.pretrained:Pretrained"
"""By its class, for an installed bench need not know the name yet."""


def logits(defense: Pretrained, images: torch.Tensor, task: Task = COLOURS) -> torch.Tensor:
    """What the defense answers."""
    with torch.no_grad():
        return defense.load(task, "cpu")(images, torch.Generator())


def as_transformers_says(folder: Path, images: Any) -> torch.Tensor:
    """Logits by the library's own processor and model."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    from defenses.parts.weights.hub_models import quiet

    with torch.no_grad(), quiet():
        model = AutoModelForImageClassification.from_pretrained(folder).eval()
        found: torch.Tensor = model(**AutoImageProcessor.from_pretrained(folder)(images, return_tensors="pt")).logits
    return found


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """The same verdicts, and logits that differ by no more than the rounding to 8 bits makes of them."""
    assert ours.argmax(1).tolist() == theirs.argmax(1).tolist()
    assert (ours - theirs).abs().max() < 0.05 * theirs.std()


@pytest.mark.parametrize("resample", [2, 3])
def test_a_transformer_s_verdicts_are_those_of_its_own_processor_and_model(tmp_path: Path, resample: int) -> None:
    folder = transformer(tmp_path, resample=resample)
    shown, images = pictures()
    assert_same(logits(Pretrained(str(folder)), images), as_transformers_says(folder, shown))


@pytest.mark.parametrize("size", [(40, 40), (30, 45)])
def test_with_its_crop_a_model_sees_the_centre_that_its_own_processor_keeps(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    folder = convolutional(tmp_path)
    shown, images = pictures(size=size)
    assert_same(logits(Pretrained(str(folder), crop=0.875), images), as_transformers_says(folder, shown))
    assert not torch.equal(logits(Pretrained(str(folder)), images), logits(Pretrained(str(folder), crop=0.875), images))


@needs.timm
def test_a_model_of_timm_sees_what_timm_s_own_transform_gives(tmp_path: Path) -> None:
    import timm

    folder = timm_files(tmp_path)
    model = timm.create_model(
        TIMM, pretrained=True, num_classes=4, pretrained_cfg_overlay={"state_dict": timm_state(), "num_classes": 4}
    ).eval()
    record = json.loads((folder / "config.json").read_text())["pretrained_cfg"]
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=record))
    shown, images = pictures(size=(48, 40))
    with torch.no_grad():
        expected = model(torch.stack([transform(each) for each in shown]))
    assert_same(logits(Pretrained(str(folder), crop=0.75), images), expected)
    named = Pretrained(f"timm/{TIMM}", str(folder), crop=0.75)
    assert torch.equal(logits(named, images), logits(Pretrained(str(folder), crop=0.75), images))


@needs.timm
def test_a_name_of_timm_is_found_in_the_hub_s_cache_and_spelled_out_in_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = timm_files(tmp_path / "files")
    content = {name: (files / name).read_bytes() for name in ("model.safetensors", "config.json")}
    snapshot = hub.cached(tmp_path / "cache", f"timm/{TIMM}", content)
    hub.offline(tmp_path / "cache", monkeypatch)
    spec = defenses.spec(REFERENCE, Pretrained("timm/test_resnet"), COLOURS)
    assert spec.params["model"] == f"timm/{TIMM}"
    assert (spec.params["size"], spec.params["mean"], spec.params["kernel"]) == ([24, 24], [0.5, 0.4, 0.3], "bicubic")
    assert set(spec.weights) == {"network", "config"}
    assert spec.place == {"params": {"weights": f"timm/{TIMM}"}}
    assert Pretrained("timm/test_resnet").files(COLOURS)["network"] == snapshot / "model.safetensors"
    moved = Pretrained(f"timm/{TIMM}", str(files))
    assert defenses.spec(REFERENCE, moved, COLOURS).weights == spec.weights
    assert defenses.spec(REFERENCE, moved, COLOURS).params == spec.params


def test_a_hub_id_is_found_in_the_cache_and_its_revision_is_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = transformer(tmp_path / "files")
    content = {each.name: each.read_bytes() for each in files.iterdir()}
    hub.cached(tmp_path / "cache", "owner/net", content)
    hub.offline(tmp_path / "cache", monkeypatch)
    spec = defenses.spec(REFERENCE, Pretrained(f"owner/net@{hub.COMMIT}"), COLOURS)
    assert spec.params["model"] == "owner/net"
    assert spec.place["params"] == {"weights": f"owner/net@{hub.COMMIT}"}
    assert set(spec.weights) == {"network", "config", "processor"}
    local = defenses.spec(REFERENCE, Pretrained(str(files)), COLOURS)
    assert local.weights == spec.weights
    assert str(tmp_path) not in json.dumps([local.params, spec.params])


def test_a_processor_that_an_earlier_fetch_left_out_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = transformer(tmp_path / "files")
    content = {each.name: each.read_bytes() for each in files.iterdir()}
    narrow = {name: content[name] for name in ("model.safetensors", "config.json")}
    hub.cached(tmp_path / "cache", "owner/narrow", narrow)
    with hub.serving(content, tmp_path / "cache", monkeypatch):
        assert Pretrained("owner/narrow").files(COLOURS)["processor"].is_file()
    hub.cached(tmp_path / "other", "owner/alone", narrow)
    hub.offline(tmp_path / "other", monkeypatch)
    with pytest.raises(WeightsError, match=r"no .*preprocessor_config\.json, which says how images are prepared"):
        Pretrained("owner/alone").files(COLOURS)


def test_a_published_model_keeps_the_contracts_of_a_defense(tmp_path: Path) -> None:
    folder = transformer(tmp_path)
    assert_contracts(check_defense(REFERENCE, COLOURS, {"model": str(folder)}))
    assert_contracts(check_defense(REFERENCE, Task("grey", COLOURS.classes, (1, 8, 8)), {"model": str(folder)}))


def test_labels_in_another_order_are_put_into_the_task_s(tmp_path: Path) -> None:
    straight = transformer(tmp_path / "straight")
    turned = transformer(tmp_path / "turned", {0: "grey", 1: "Blue", 2: "green, verdant", 3: "red"})
    _, images = pictures()
    found = logits(Pretrained(str(turned)), images)
    assert torch.equal(found, logits(Pretrained(str(straight)), images).flip(1))
    assert torch.equal(logits(Pretrained(str(turned), labels="by-number"), images), found.flip(1))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (None, None),
        (["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"], None),
        (["red", "green", "blue", "gray"], None),
        (["green", "red", "blue", "gray"], (1, 0, 2, 3)),
        (["grey", "green", "blue", "rot"], "is 'red' of colours"),
        (["cat", "dog", "red", "fox"], "is 'green' of colours"),
        (["red, grey", "green", "blue", "x"], "is 'red' of colours"),
    ],
)
def test_labels_are_matched_by_name_or_refused(labels: list[str] | None, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(UsageError, match=expected):
            order(labels, COLOURS, "owner/net")
    else:
        assert order(labels, COLOURS, "owner/net") == expected


def broken(folder: Path, name: str, change: Any) -> Path:
    """The folder with one of its documents changed."""
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    return folder


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("preprocessor_config.json", {"resample": 0}, "pass -D kernel=bilinear or bicubic"),
        ("preprocessor_config.json", {"size": {"longest_edge": 3, "shortest_edge": 3}}, "pass -D size=HEIGHT,WIDTH"),
        ("config.json", {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}, "without running code"),
        ("config.json", {"hidden_size": 16}, "of another architecture"),
        ("config.json", {"id2label": {"0": "red"}}, "knows 1 classes; colours has 4"),
        ("config.json", {"id2label": dict(enumerate("abcd"))}, "trained on other classes"),
    ],
)
def test_a_model_that_does_not_fit_is_one_sentence(tmp_path: Path, name: str, change: Any, sentence: str) -> None:
    folder = broken(transformer(tmp_path), name, change)
    with pytest.raises((UsageError, WeightsError), match=sentence) as raised:
        Pretrained(str(folder)).resolve(COLOURS).load(COLOURS, "cpu")
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_a_processor_that_does_more_is_refused(tmp_path: Path) -> None:
    from transformers import MobileViTImageProcessor

    folder = transformer(tmp_path)
    MobileViTImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False).save_pretrained(folder)
    with pytest.raises(WeightsError, match="does more to an image"):
        Pretrained(str(folder)).resolve(COLOURS)


def test_pickles_and_places_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    for word in (str(tmp_path), str(tmp_path / "pytorch_model.bin")):
        with pytest.raises(WeightsError, match="convert them to safetensors"):
            Pretrained(word).files(COLOURS)
    with pytest.raises(WeightsError, match="There is no model"):
        Pretrained("./nowhere/at/all").files(COLOURS)
    folder = transformer(tmp_path / "model")
    (folder / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="names no model of transformers or timm"):
        Pretrained(str(folder)).files(COLOURS)


@needs.timm
@pytest.mark.parametrize(
    ("model", "weights", "change", "sentence"),
    [
        ("timm/test_resnt", None, {}, "Did you mean 'test_resnet'"),
        ("timm/test_resnet.mine", None, {}, "of test_resnet it has test_resnet.r160_in1k"),
        ("timm/test_vit", "files", {}, "is of timm's test_resnet; test_vit was asked for"),
        ("files", None, {"model_args": {"checkpoint_path": "evil.pth"}}, "is no argument of a model"),
        ("files", None, {"architecture": "hf-hub:owner/evil"}, "names no architecture of timm"),
        ("files", None, {"num_classes": 7}, "knows 7 classes; colours has 4"),
        ("files", None, {"label_names": ["a", "b", "c", "d"]}, "trained on other classes"),
        ("files", None, {"pretrained_cfg": {"num_classes": 4}}, "does not say the input_size"),
        ("files/model.safetensors", None, {}, None),
    ],
)
def test_a_model_of_timm_that_does_not_fit_is_one_sentence(
    tmp_path: Path, model: str, weights: str | None, change: Any, sentence: str | None
) -> None:
    broken(timm_files(tmp_path / "files"), "config.json", change)
    model = str(tmp_path / model) if model.startswith("files") else model
    defense = Pretrained(model, weights and str(tmp_path / weights))
    if sentence is None:
        assert defense.resolve(COLOURS).size == (24, 24)
        return
    with pytest.raises((UsageError, WeightsError), match=sentence):
        defense.resolve(COLOURS)


@needs.timm
def test_weights_without_a_configuration_are_read_as_timm_reads_its_own(tmp_path: Path) -> None:
    save_file(timm_state(1000), tmp_path / "net.safetensors")
    many = Task("imagenet", tuple(map(str, range(1000))), (3, 32, 32))
    defense = Pretrained(f"timm/{TIMM}", str(tmp_path / "net.safetensors"))
    assert defense.resolve(many).size == (160, 160)
    assert defense.load(many, "cpu")(torch.rand(1, 3, 32, 32), torch.Generator()).shape == (1, 1000)
    state = load_file(tmp_path / "net.safetensors")
    save_file({**state, "fc.bias": state["fc.bias"][:9]}, tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match=r"not those of timm's test_resnet with 1000 classes .*fc\.bias"):
        defense.load(many, "cpu")


def test_without_timm_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from defenses.parts.zoos import named_timm

    monkeypatch.setitem(sys.modules, "timm", None)
    named_timm._timm.cache_clear()
    with pytest.raises(PluginError, match=r"timm cannot be imported .* install it with pip install 'defense-bench\[ti"):
        Pretrained("timm/resnet18").files(COLOURS)
    shutil.rmtree(tmp_path)
    named_timm._timm.cache_clear()


@pytest.mark.parametrize("settings", [{"crop": 0}, {"crop": 1.5}, {"size": (0,)}, {"size": (1, 2, 3)}])
def test_settings_that_mean_nothing_are_refused(settings: Any) -> None:
    with pytest.raises(UsageError, match="does not accept these settings"):
        defenses.make(REFERENCE, {"model": "timm/resnet18", **settings})
