"""The standard nets: accuracy on digits, architectures, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bench import Task, Trainable, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.parts.networks.residual import ResidualNet, Shape, fifty_layers, fold_batch_norm
from defenses.parts.networks.transformer import Transformer, TransformerFamily
from defenses.resnet import ResNet, WideResNet
from defenses.vit import ViT
from tests.defenses import hub

COLOURS = Task("colours", ("red", "green", "blue"), (3, 32, 32))
RNG = torch.Generator()


@pytest.mark.parametrize(("defense", "accuracy"), [(ResNet(), 0.97), (WideResNet(), 0.97), (ViT(), 0.94)])
def test_packaged_weights_classify_the_digits_test_set(defense: Trainable, accuracy: float) -> None:
    batch = Digits().load("test", None).read(range(1024))
    model = defense.load(TASK, "cpu")
    with torch.no_grad():
        correct = (model(batch.images, RNG).argmax(1) == batch.labels).double().mean()
    assert float(correct) >= accuracy
    card = json.loads(defense.files(TASK)["network"].with_suffix(".json").read_text())
    assert float(correct) == pytest.approx(card["accuracy"]["clean"], abs=2 / 1024)


def test_folding_batch_norm_keeps_the_function() -> None:
    net = ResidualNet(Shape((8, 3, 2), False, ((8, 2, 1), (16, 1, 2))), 3, 5)
    net(torch.rand(64, 3, 16, 16))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    images = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        expected = net.eval()(images)
        torch.testing.assert_close(fold_batch_norm(net)(images), expected, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


@pytest.mark.parametrize(("inner", "millions"), [(1, 25_557_032), (2, 68_883_240)])
def test_fifty_layers_have_the_published_number_of_parameters(inner: int, millions: int) -> None:
    with torch.device("meta"):
        net = ResidualNet(fifty_layers(inner, 7), 3, 1000)
    assert sum(parameter.numel() for parameter in net.parameters()) == millions


@pytest.mark.parametrize(("kernel", "size"), [(3, 32), (7, 32)])
def test_the_stem_is_the_one_that_the_weights_have(tmp_path: Path, kernel: int, size: int) -> None:
    net = ResidualNet(fifty_layers(1, kernel), 3, 3).eval()
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    model = ResNet(weights=str(tmp_path)).load(COLOURS, "cpu")
    images = torch.rand(2, 3, size, size)
    mean, std = torch.tensor((0.4914, 0.4822, 0.4465)), torch.tensor((0.2470, 0.2435, 0.2616))
    with torch.no_grad():
        expected = net((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        torch.testing.assert_close(model(images, RNG), expected, rtol=1e-3, atol=1e-4)


def test_a_transformer_of_a_transformers_folder_enlarges_its_images(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(image_size=64, patch_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    config.intermediate_size, config.num_labels = 8, 3
    vit = ViTForImageClassification(config).eval()
    TransformerFamily().store(Transformer(vit), tmp_path / "model.safetensors")
    model = ViT(weights=str(tmp_path)).load(COLOURS, "cpu")
    images = torch.rand(2, 3, 32, 32)
    enlarged = nn.functional.interpolate((images - 0.5) / 0.5, (64, 64), mode="bilinear")
    with torch.no_grad():
        torch.testing.assert_close(model(images, RNG), vit(pixel_values=enlarged).logits, rtol=1e-4, atol=1e-5)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    file, sign = tmp_path / "model.pt", tmp_path / "executed"
    file.write_bytes(pickle.dumps(hub.Payload(sign)))
    with pytest.raises(WeightsError, match="convert them to safetensors"):
        ResNet(weights=str(file)).load(TASK, "cpu")
    assert not sign.exists()


def test_a_state_dict_that_the_user_saved_with_torch_is_read(tmp_path: Path) -> None:
    from defenses.parts.weights.checkpoints import read

    state, _ = read(ResNet().files(TASK)["network"])
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "mine.pth")
    images = Digits().load("test", None).read(range(8)).images
    ours, theirs = (ResNet(weights=w).load(TASK, "cpu")(images, RNG) for w in (None, str(tmp_path / "mine.pth")))
    assert torch.equal(ours, theirs)


def test_weights_that_cannot_be_used_are_refused_with_file_and_first_key(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not exist"):
        ResNet(weights=str(tmp_path / "nowhere.safetensors")).files(TASK)
    with pytest.raises(WeightsError, match="holds no weights of resnet"):
        ResNet(weights=str(tmp_path)).files(TASK)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match=r"damaged\.safetensors are corrupt"):
        ResNet(weights=str(damaged)).load(TASK, "cpu")
    other = str(WideResNet().files(TASK)["network"])
    with pytest.raises(WeightsError, match=r"wide-resnet\.safetensors .*'bn1\.weight'|.*'conv1\.weight'|.*layer1"):
        ResNet(weights=other).load(TASK, "cpu")
    with pytest.raises(WeightsError, match="without a configuration"):
        ViT(weights=other).load(TASK, "cpu")
    with pytest.raises(WeightsError, match=r"No weights of wide-resnet are known for cifar10; pass -D weights=FILE"):
        WideResNet().files(Task("cifar10", ("a", "b"), (3, 32, 32)))


def test_files_and_recipes_of_defenses_need_no_torch() -> None:
    import subprocess
    import sys

    program = (
        "import sys\n"
        "from bench.datasets.digits import TASK\n"
        "from defenses.resnet import ResNet\n"
        "from defenses.vit import ViT\n"
        "from defenses.tmdc import TMDC\n"
        "print(len(ResNet().files(TASK)), len(ViT().files(TASK)), len(TMDC().files(TASK)), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "2", "False"]


def test_gradients_reach_the_images_through_every_net() -> None:
    images = Digits().load("test", None).read(range(2)).images
    for defense in (ResNet(), WideResNet(), ViT()):
        leaf: Tensor = images.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(defense.load(TASK, "cpu")(leaf, RNG).sum(), leaf)
        assert float(gradient.abs().max()) > 0
