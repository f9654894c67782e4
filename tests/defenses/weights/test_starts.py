"""Weights to start from: what timm, torchvision and transformers publish, and what is trained on from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from bench import ImageSet, Task, Training, UsageError, WeightsError
from bench.datasets.digits import TASK
from defenses.parts.networks.residual import ResidualNet, fifty_layers
from defenses.parts.networks.transformer import TransformerFamily
from defenses.parts.training.recipes import ClassifierRecipe
from defenses.parts.weights import starts
from defenses.pgd_at import PgdAT
from defenses.resnet import ResNet, WideResNet
from defenses.smoothing import Smoothing
from defenses.trades import Trades
from defenses.vit import ViT
from tests.cli.command import bench
from tests.defenses import hub
from tests.defenses.tiny import class_folders

COLOURS = Task("colours", ("red", "green", "blue"), (3, 32, 32))
RNG = torch.Generator()
WIDTH, BLOCKS, PATCHES, INNER = 128, 2, 4, 24


def timm_names(classes: int) -> dict[str, Tensor]:
    """A ViT's weights in the names of timm's `VisionTransformer`, drawn at random."""
    shapes = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, PATCHES + 1, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 16, 16),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
        "head.weight": (classes, WIDTH),
        "head.bias": (classes,),
    }
    for number in range(BLOCKS):
        block = f"blocks.{number}."
        shapes |= {block + name: (WIDTH,) for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")}
        shapes |= {block + "attn.qkv.weight": (3 * WIDTH, WIDTH), block + "attn.qkv.bias": (3 * WIDTH,)}
        shapes |= {block + "attn.proj.weight": (WIDTH, WIDTH), block + "attn.proj.bias": (WIDTH,)}
        shapes |= {block + "mlp.fc1.weight": (INNER, WIDTH), block + "mlp.fc1.bias": (INNER,)}
        shapes |= {block + "mlp.fc2.weight": (WIDTH, INNER), block + "mlp.fc2.bias": (WIDTH,)}
    rng = torch.Generator().manual_seed(3)
    return {name: 0.2 * torch.randn(shape, generator=rng) for name, shape in shapes.items()}


def torchvision_names(state: dict[str, Tensor], older: bool) -> dict[str, Tensor]:
    """The same in the names of torchvision's `VisionTransformer`; its published files have the older ones."""
    linear = ("mlp.linear_1", "mlp.linear_2") if older else ("mlp.0", "mlp.3")
    renamed = {}
    for name, value in state.items():
        for before, after in (
            ("cls_token", "class_token"),
            ("pos_embed", "encoder.pos_embedding"),
            ("patch_embed.proj", "conv_proj"),
            ("blocks.", "encoder.layers.encoder_layer_"),
            ("attn.qkv.weight", "self_attention.in_proj_weight"),
            ("attn.qkv.bias", "self_attention.in_proj_bias"),
            ("attn.proj", "self_attention.out_proj"),
            ("norm1", "ln_1"),
            ("norm2", "ln_2"),
            ("mlp.fc1", linear[0]),
            ("mlp.fc2", linear[1]),
        ):
            name = name.replace(before, after)
        name = name.replace("norm.", "encoder.ln.") if name.startswith("norm.") else name
        name = name.replace("head.", "heads.head.") if name.startswith("head.") else name
        renamed[name] = value
    return renamed


def plain_transformer(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """The forward pass of both libraries: pre-norm blocks, exact GELU, epsilon 1e-6, the class token's head."""
    patches = functional.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=16)
    tokens = torch.cat([state["cls_token"].expand(len(images), -1, -1), patches.flatten(2).mT], 1) + state["pos_embed"]

    def norm(name: str, values: Tensor) -> Tensor:
        return functional.layer_norm(values, (WIDTH,), state[name + ".weight"], state[name + ".bias"], eps=1e-6)

    def linear(name: str, values: Tensor) -> Tensor:
        return functional.linear(values, state[name + ".weight"], state[name + ".bias"])

    for number in range(BLOCKS):
        block = f"blocks.{number}."
        joint = linear(block + "attn.qkv", norm(block + "norm1", tokens))
        query, key, value = (part.unflatten(2, (WIDTH // 64, 64)).transpose(1, 2) for part in joint.chunk(3, 2))
        mixed = (query @ key.mT / 8).softmax(-1) @ value
        tokens = tokens + linear(block + "attn.proj", mixed.transpose(1, 2).flatten(2))
        deeper = functional.gelu(linear(block + "mlp.fc1", norm(block + "norm2", tokens)))
        tokens = tokens + linear(block + "mlp.fc2", deeper)
    return linear("head", norm("norm", tokens)[:, 0])


@pytest.mark.parametrize("kind", ["timm", "torchvision", "torchvision-older"])
def test_a_transformer_of_timm_or_torchvision_computes_what_it_computes_there(kind: str, tmp_path: Path) -> None:
    state = timm_names(3)
    named = state if kind == "timm" else torchvision_names(state, kind == "torchvision-older")
    save_file(named, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"architecture": "vit_base_patch16_224"}')
    defense = ViT(weights=str(tmp_path))
    assert defense.files(COLOURS).keys() == {"network"}
    images = torch.rand(2, 3, 32, 32)
    expected = plain_transformer(state, (images - 0.5) / 0.5)
    torch.testing.assert_close(defense.load(COLOURS, "cpu")(images, RNG), expected, rtol=1e-4, atol=1e-4)


def data(task: Task = COLOURS, count: int = 8) -> ImageSet:
    pixels = torch.rand(count, *task.shape, generator=torch.Generator().manual_seed(1)).numpy()
    return ImageSet(task, np.arange(count) % len(task.classes), lambda index: pixels[index])


def training(folder: Path, task: Task = COLOURS) -> Training:
    shown = data(task)
    folder.mkdir(exist_ok=True)
    return Training(task, shown, "cpu", 0, folder, lambda done, total, note="": None, shown.read)


def still(defense: Any, start: str, **changes: Any) -> Any:
    """One step too small to change a weight."""
    return replace(defense.fine_tuning(COLOURS), epochs=1, batch=4, learning_rate=0.0, start=start, **changes)


def test_a_transformer_is_trained_on_with_a_new_head_and_written_as_transformers_writes_it(tmp_path: Path) -> None:
    save_file(timm_names(1000), tmp_path / "start.safetensors")
    defense = ViT()
    trained = defense.train(training(tmp_path / "run"), still(defense, str(tmp_path / "start.safetensors")))
    assert len(trained.sources["start"]) == 64
    model = ViT(weights=str(trained.weights)).load(COLOURS, "cpu")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(images, RNG), torch.zeros(2, 3))
    learned = defense.train(
        training(tmp_path / "more"), replace(still(defense, str(tmp_path / "start.safetensors")), learning_rate=1e-3)
    )
    state = load_file(learned.weights)
    assert float(state["classifier.weight"].abs().max()) > 0
    again = defense.train(training(tmp_path / "again"), still(defense, str(learned.weights)))
    assert {key: value.tolist() for key, value in load_file(again.weights).items()} == {
        key: value.tolist() for key, value in state.items()
    }


def test_a_bare_encoder_as_the_hub_holds_it_gets_a_head(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    from defenses.parts.weights.hub_models import quiet

    config = ViTConfig(image_size=32, patch_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    config.intermediate_size = 8
    with quiet():
        ViTModel(config).save_pretrained(tmp_path)
    module = TransformerFamily().started(tmp_path / "model.safetensors", COLOURS)
    assert module(torch.rand(2, 3, 32, 32)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert all(parameter.requires_grad for parameter in module.parameters())


def imagenet(inner: int, folder: Path) -> tuple[Path, ResidualNet]:
    """A narrow network of the published layout for 1000 classes; torchvision's first files held no counters."""
    net = ResidualNet(fifty_layers(inner, 7, 4), 3, 1000).eval()
    state = {key: value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, folder / "resnet50-19c8e357.pth")
    return folder / "resnet50-19c8e357.pth", net


@pytest.mark.parametrize(("defense", "inner"), [(ResNet(), 1), (WideResNet(), 2)], ids=["resnet", "wide-resnet"])
def test_a_residual_network_of_imagenet_is_trained_on_at_its_own_size(defense: Any, inner: int, tmp_path: Path) -> None:
    path, net = imagenet(inner, tmp_path)
    trained = defense.train(training(tmp_path / "run"), still(defense, str(path)))
    state = load_file(trained.weights)
    assert torch.equal(state["layer4.2.conv3.weight"], net.state_dict()["layer4.2.conv3.weight"])
    assert state["fc.weight"].shape == (3, 128)
    with torch.no_grad():
        net.fc = nn.Linear(128, 3)
        net.load_state_dict(state)
        model = replace(defense, weights=str(trained.weights)).load(COLOURS, "cpu")
        images = torch.rand(2, 3, 32, 32)
        mean, std = torch.tensor((0.4914, 0.4822, 0.4465)), torch.tensor((0.2470, 0.2435, 0.2616))
        shown = functional.interpolate((images - mean.view(3, 1, 1)) / std.view(3, 1, 1), (224, 224), mode="bilinear")
        torch.testing.assert_close(model(images, RNG), net.eval()(shown), rtol=1e-3, atol=1e-4)


def test_adversarial_training_starts_from_weights_too(tmp_path: Path) -> None:
    path, _ = imagenet(1, tmp_path)
    recipe = still(PgdAT(), str(path), steps=1, held_out=0.5)
    trained = PgdAT().train(training(tmp_path / "run"), recipe)
    state = load_file(trained.weights)
    assert torch.equal(state["conv1.weight"], torch.load(path, weights_only=True)["conv1.weight"])
    assert trained.sources.keys() == {"start"}
    assert PgdAT(weights=str(trained.weights)).load(COLOURS, "cpu")(torch.rand(1, 3, 32, 32), RNG).shape == (1, 3)


@pytest.mark.parametrize("defense", [ResNet(), WideResNet(), ViT(), Smoothing(), PgdAT(), Trades()])
def test_weights_to_start_from_change_the_default_schedule_of_photographs_alone(defense: Any) -> None:
    assert defense.fine_tuning(COLOURS).epochs <= defense.recipe(COLOURS).epochs / 10
    assert defense.fine_tuning(COLOURS).learning_rate <= defense.recipe(COLOURS).learning_rate / 10
    assert defense.fine_tuning(TASK) == defense.recipe(TASK)


def test_pretrained_is_a_repository_of_the_hub_for_each_standard_net(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.offline(tmp_path, monkeypatch)
    name, _, revision = starts.PRETRAINED["vit"].partition("@")
    assert len(revision) == 40
    state = timm_names(1000)
    snapshot = hub.cached(tmp_path, name, {"model.safetensors": hub.as_file(state, "safetensors")}, revision)
    snapshot.rename(snapshot.with_name(revision))
    found = starts.find("vit", "pretrained", COLOURS)
    assert found is not None
    assert found.path.name == "model.safetensors"
    for missing in ("resnet", "wide-resnet"):
        with pytest.raises(WeightsError, match=r"timm/.*could not be fetched"):
            starts.find(missing, "pretrained", COLOURS)
    for task, net in ((TASK, "resnet"), (COLOURS, "wide-resnet-28-10")):
        with pytest.raises(UsageError, match="No pretrained"):
            starts.find(net, "pretrained", task)
    assert starts.find("vit", None, COLOURS) is None
    packaged = starts.find("vit", "packaged", TASK)
    assert packaged is not None
    assert packaged.path.name == "vit.safetensors"
    with pytest.raises(WeightsError, match="No weights of vit are known for colours"):
        starts.find("vit", "packaged", COLOURS)


def test_a_start_of_another_architecture_is_refused(tmp_path: Path) -> None:
    path, _ = imagenet(2, tmp_path)
    with pytest.raises(WeightsError, match="another architecture"):
        ResNet().train(training(tmp_path / "run"), still(ResNet(), str(path)))
    save_file({"patch_embed.proj.weight": torch.zeros(8, 3, 16, 16)}, tmp_path / "half.safetensors")
    with pytest.raises(WeightsError, match="are no vision transformer"):
        ViT().train(training(tmp_path / "run"), still(ViT(), str(tmp_path / "half.safetensors")))


def test_a_class_folder_is_learned_from_pretrained_weights_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "images", 4)
    save_file(timm_names(1000), "start.safetensors")
    words = ["--dataset", "folder", "--data-dir", "images", "--device", "cpu", "-T", "start=start.safetensors"]
    code, out, err = bench("train", "vit", *words, "-T", "epochs=3", "-T", "batch=4", "--json")
    assert code == 0, err
    card = json.loads(Path(json.loads(out)["card"]).read_text())
    assert card["recipe"]["learning_rate"] == 5e-5
    assert card["sources"].keys() == {"start"}
    assert card["accuracy"]["test_images"] == 8


def test_a_recipe_says_where_it_starts() -> None:
    assert ClassifierRecipe(1, 1, "sgd", 0.1, 0, 0, 0, 0, "none").start is None
