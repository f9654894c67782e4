"""The wide residual network of Wang et al.: its function, the layouts in which it is published, and training it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from typer.testing import CliRunner

from bench import ImageSet, Task, Training, UsageError, WeightsError
from bench.cli.app import build
from bench.datasets.cifar10 import TASK
from bench.plugins.registry import defenses
from defenses.parts.networks.wide_preactivation import SIZES, WideNet
from defenses.parts.randomness import ambient
from defenses.parts.zoos import zoo
from defenses.trades import Trades
from tests import needs
from tests.defenses.tiny import class_folders, images, rng

SMALL: Literal["wide-resnet-10-1"] = "wide-resnet-10-1"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


def lived(net: nn.Module) -> nn.Module:
    """The network as if it had been trained: no batch norm is an identity."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in module.state_dict().values():
                if tensor.is_floating_point():
                    nn.init.uniform_(tensor, 0.5, 1.5)
    return net.eval()


def small(depth: int = 10, width: int = 1) -> nn.Module:
    with ambient(depth + width):
        return lived(WideNet(depth, width, 3, 10))


def logits(place: Path, shown: Tensor, network: Any = SMALL) -> Tensor:
    """What the defense with weights at a place says."""
    with torch.no_grad():
        return Trades(network, str(place)).load(TASK, "cpu")(shown, rng())


def formula(state: dict[str, Tensor], shown: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """The published function, written out over the tensors of a checkpoint with a block a stage; 32 pixels a side."""

    def swished(features: Tensor, name: str) -> Tensor:
        moments = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        normal = functional.batch_norm(features, *moments, state[f"{name}.weight"], state[f"{name}.bias"])
        return normal * normal.sigmoid()

    features = functional.conv2d((shown - mean) / deviation, state["init_conv.weight"], padding=1)
    for stage, stride in enumerate((1, 2, 2)):
        block = f"layer.{stage}.block.0"
        active = swished(features, f"{block}.batchnorm_0")
        padded = functional.pad(active, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))
        deeper = functional.conv2d(padded, state[f"{block}.conv_0.weight"], stride=stride)
        deeper = functional.conv2d(swished(deeper, f"{block}.batchnorm_1"), state[f"{block}.conv_1.weight"], padding=1)
        if f"{block}.shortcut.weight" in state:
            features = functional.conv2d(active, state[f"{block}.shortcut.weight"], stride=stride)
        features = features + deeper
    pooled = functional.avg_pool2d(swished(features, "batchnorm"), 8).flatten(1)
    return functional.linear(pooled, state["logits.weight"], state["logits.bias"])


@pytest.mark.parametrize("width", [1, 2])
def test_the_logits_are_those_of_the_published_function(tmp_path: Path, width: int) -> None:
    net = small(10, width)
    shown = images(3, (3, 32, 32))
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        expected = formula(net.state_dict(), shown, mean, deviation)
        torch.testing.assert_close(net((shown - mean) / deviation), expected, rtol=1e-4, atol=1e-5)
    if width == 1:
        save_file(net.state_dict(), tmp_path / "model.safetensors")
        torch.testing.assert_close(logits(tmp_path, shown), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "parameters"), [("wide-resnet-28-10", 36_479_194), ("wide-resnet-70-16", 266_796_506)]
)
def test_the_networks_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        net = WideNet(*SIZES[name], 3, 10)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters


@needs.robustbench
@pytest.mark.parametrize(("depth", "width"), [(10, 1), (28, 10)])
def test_a_checkpoint_gives_the_logits_that_robustbench_gives(tmp_path: Path, depth: int, width: int) -> None:
    zoo._models("cifar10", "linf")
    from robustbench.model_zoo.architectures.dm_wide_resnet import DMWideResNet

    with ambient(1):
        theirs = lived(DMWideResNet(10, depth, width, nn.SiLU))
    torch.save(theirs.state_dict(), tmp_path / "model.pt")
    shown = images(2, (3, 32, 32))
    with torch.no_grad():
        expected = theirs(shown)
    found = logits(tmp_path / "model.pt", shown, f"wide-resnet-{depth}-{width}")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_every_layout_in_which_it_is_published_gives_equal_logits(tmp_path: Path) -> None:
    state, shown = small().state_dict(), images(2, (3, 32, 32))
    save_file(state, tmp_path / "ours.safetensors")
    expected = logits(tmp_path / "ours.safetensors", shown)
    wrapped = {f"module.0.{key}": value for key, value in state.items()}
    for content in (
        state,
        {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        {"model_state_dict": wrapped, "unaveraged_model_state_dict": {key: -value for key, value in wrapped.items()}},
    ):
        torch.save(content, tmp_path / "theirs.pt")
        assert torch.equal(logits(tmp_path / "theirs.pt", shown), expected)


def test_a_checkpoint_of_another_network_is_refused_with_what_to_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(small().state_dict(), path)
    with pytest.raises(WeightsError, match=r"those of a wide-resnet-10-1; .*28-10 .* pass -D network=wide-resnet-10-1"):
        Trades(weights=str(path)).load(TASK, "cpu")
    with pytest.raises(WeightsError, match=r"'conv1\.weight' is missing"):
        Trades("wide-resnet", str(path)).load(TASK, "cpu")
    save_file(small(16, 2).state_dict(), path)
    with pytest.raises(WeightsError, match=r"those of a wide-resnet-16-2; wide-resnet-10-1 was expected\."):
        Trades(SMALL, str(path)).load(TASK, "cpu")
    save_file({"conv1.weight": torch.zeros(16, 3, 3, 3)}, path)
    with pytest.raises(WeightsError, match=r"no wide-resnet-28-10: 'layer\.0\.block\.0\.conv_0\.weight' is missing"):
        Trades(weights=str(path)).load(TASK, "cpu")
    with pytest.raises(UsageError, match=r"network must be one of .*wide-resnet-70-16; got 'wide-resnet-28'"):
        defenses.make("trades", {"network": "wide-resnet-28"})


@pytest.mark.parametrize("size", [20, 25, 30])
def test_images_of_every_size_pass_and_have_a_gradient(size: int) -> None:
    leaf = images(2, (3, size, size)).requires_grad_(True)
    (slope,) = torch.autograd.grad(small()(leaf).sum(), leaf)
    assert float(slope.abs().amax((0, 1)).min()) > 0


def test_photographs_get_the_published_network_and_digits_keep_theirs() -> None:
    assert Trades().resolve(TASK).network == "wide-resnet-28-10"
    assert Trades().resolve(Task("digits", ("a", "b"), (1, 8, 8))) == Trades("resnet")


def test_it_learns_in_bfloat16_too(tmp_path: Path) -> None:
    task, shown = Task("colours", ("red", "green"), (3, 20, 20)), images(8, (3, 20, 20)).numpy()
    data = ImageSet(task, np.arange(8) % 2, lambda index: shown[index])
    run = Training(task, data, "cpu", 0, tmp_path, lambda done, total, note="": None, data.read)
    settings: dict[str, Any] = {"epochs": 2, "batch": 4, "steps": 1, "share": 0.0, "held_out": 0.25}
    weights = []
    for precision in ("float32", "bfloat16"):
        recipe = replace(Trades().recipe(task), **settings, precision=precision)
        weights.append(Trades(SMALL).train(run, recipe).weights.read_bytes())
    assert len(weights[0]) == len(weights[1])
    assert weights[0] != weights[1]


def test_a_folder_of_images_can_be_learned_and_evaluated(tmp_path: Path) -> None:
    class_folders(tmp_path / "images", 6)
    data = ["--dataset", "folder", "--data-dir", str(tmp_path / "images"), "-D", f"network={SMALL}", "--device", "cpu"]
    settings = ["epochs=20", "batch=4", "steps=1", "share=0", "held_out=0.25", "averaging=0.5", "warmup=5"]
    recipe = [word for setting in settings for word in ("-T", setting)]
    run = CliRunner().invoke(build(), ["train", "trades", *data, *recipe, "--output", str(tmp_path / "run"), "--json"])
    assert run.exit_code == 0, run.stderr
    card = json.loads((tmp_path / "run" / "trades.json").read_text())
    assert card["settings"]["network"] == SMALL
    assert card["accuracy"]["clean"] == 1
    attack = ["--attack", "fgsm-linf", "--source", "self", "--epsilon", "2/255", "--samples", "12", "--workers", "1"]
    weights = ["-D", f"weights={tmp_path / 'run' / 'trades.safetensors'}", "--db", str(tmp_path / "results.db")]
    run = CliRunner().invoke(build(), ["evaluate", "--defense", "trades", *data, *attack, *weights, "--json"])
    assert run.exit_code == 0, run.stderr
    assert json.loads(run.stdout)["assurance"] == "white-box"
