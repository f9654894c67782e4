"""Weights from the hub: what is fetched, when it is asked, and what a cache is enough for."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench import Task, WeightsError
from defenses.parts.weights.hub import SINGLE_FILES
from defenses.parts.weights.places import locate, network_files
from defenses.pgd_at import PgdAT
from defenses.resnet import ResNet
from defenses.vit import ViT
from tests.defenses import hub

CIFAR = Task("cifar10", tuple("abcdefghij"), (3, 32, 32))
COLOURS = Task("colours", ("red", "green", "blue"), (3, 32, 32))


def transformer(classes: int) -> tuple[dict[str, torch.Tensor], bytes]:
    """Weights and configuration of a small ViT as transformers saves them."""
    import tempfile

    from transformers import ViTConfig, ViTForImageClassification

    from defenses.parts.weights.hub_models import quiet

    config = ViTConfig(image_size=32, patch_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    config.intermediate_size, config.num_labels = 8, classes
    with tempfile.TemporaryDirectory() as folder, quiet():
        ViTForImageClassification(config).save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors"), (Path(folder) / "config.json").read_bytes()


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_the_default_transformer_of_cifar10_loads_from_a_cache_without_a_network(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, config = transformer(10)
    name = "model.safetensors" if kind == "safetensors" else "pytorch_model.bin"
    snapshot = hub.cached(tmp_path, ViT.hub["cifar10"], {name: hub.as_file(state, kind), "config.json": config})
    hub.offline(tmp_path, monkeypatch)
    assert ViT().files(CIFAR) == {"network": snapshot / name, "config": snapshot / "config.json"}
    logits = ViT().load(CIFAR, "cpu")(torch.rand(2, 3, 32, 32), torch.Generator())
    assert logits.shape == (2, 10)


def test_the_hub_s_configuration_and_one_file_of_weights_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, config = transformer(3)
    files = {
        "config.json": config,
        "model.safetensors": hub.as_file(state, "safetensors"),
        "pytorch_model.bin": hub.as_file(state, "bin"),
        "README.md": b"Read me.",
    }
    with hub.serving(files, tmp_path, monkeypatch):
        found = ViT(weights="owner/fetched").files(COLOURS)
    assert {role: path.name for role, path in found.items()} == {
        "network": "model.safetensors",
        "config": "config.json",
    }
    assert sorted(path.name for path in found["network"].parent.iterdir()) == ["config.json", "model.safetensors"]
    assert ViT(weights="owner/fetched").load(COLOURS, "cpu")(torch.rand(1, 3, 32, 32), torch.Generator()).shape == (
        1,
        3,
    )


def test_where_there_is_no_safetensors_file_the_other_one_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub.serving({"pytorch_model.bin": b"weights"}, tmp_path, monkeypatch):
        assert network_files("resnet", "owner/old", COLOURS)["network"].name == "pytorch_model.bin"


def test_what_the_cache_holds_whole_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.cached(tmp_path, "owner/whole", {"model.safetensors": b"weights"})
    with hub.serving({"model.safetensors": b"other weights"}, tmp_path, monkeypatch) as asked:
        for weights in ("owner/whole", f"owner/whole@{hub.COMMIT}"):
            assert ResNet(weights=weights).files(COLOURS)["network"].read_bytes() == b"weights"
    assert asked == []


def test_what_the_cache_holds_in_part_is_completed_and_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, config = transformer(3)
    weights = hub.as_file(state, "safetensors")
    hub.cached(tmp_path, "owner/part", {"model.safetensors": weights})
    with hub.serving({"model.safetensors": weights, "config.json": config}, tmp_path, monkeypatch) as asked:
        assert ViT(weights="owner/part").files(COLOURS).keys() == {"network", "config"}
        assert asked
        asked.clear()
        assert ViT(weights="owner/part").files(COLOURS).keys() == {"network", "config"}
        assert asked == []


def test_a_stable_diffusion_that_was_fetched_in_part_does_not_count_as_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from defenses.parts.weights.hub import MODELS
    from defenses.parts.weights.layout import PATTERNS

    index = {name: ["diffusers", "Model"] for name in MODELS}
    files = {f"{part}/{name}": b"{}" for part, names in MODELS.items() for name in names}
    files["tokenizer/vocab.json"] = b"{}"
    files["model_index.json"] = json.dumps({"_class_name": "StableDiffusionPipeline", **index}).encode()
    part = {name: content for name, content in files.items() if not name.startswith("vae/")}
    hub.cached(tmp_path, "owner/diffusion", part, "v1")
    with hub.serving(files, tmp_path, monkeypatch) as asked:
        found = locate("tmdc", "owner/diffusion@v1", COLOURS, {}, PATTERNS)
        assert asked
        assert (found / "vae" / "config.json").is_file()
        asked.clear()
        assert locate("tmdc", "owner/diffusion@v1", COLOURS, {}, PATTERNS) == found
        assert asked == []


def test_without_a_network_and_a_cache_the_message_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.offline(tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match=r"owner/nowhere could not be fetched.*give their folder"):
        locate("resnet", "owner/nowhere", COLOURS, {}, SINGLE_FILES)


def test_a_pickle_from_the_hub_is_never_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign = tmp_path / "executed"
    files = {"pytorch_model.bin": pickle.dumps(hub.Payload(sign)), "config.json": transformer(3)[1]}
    hub.cached(tmp_path, "owner/evil", files)
    hub.offline(tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match="convert them to safetensors"):
        ViT(weights="owner/evil").load(COLOURS, "cpu")
    assert not sign.exists()


def test_a_configuration_that_nobody_reads_is_part_of_no_plan(tmp_path: Path) -> None:
    import shutil

    from bench.datasets.digits import TASK

    stray = tmp_path / "config.json"
    stray.write_text("{}")
    for defense in (ViT(), PgdAT(), PgdAT("vit")):
        source = (ViT() if defense == PgdAT("vit") else defense).files(TASK)["network"]
        weights = shutil.copy(source, tmp_path / "weights.safetensors")
        found = type(defense)(**{**defense.__dict__, "weights": str(weights)}).files(TASK)
        assert found == {"network": Path(weights)}
