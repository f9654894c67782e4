"""JEM: its density and refinement, the released layout, training that resumes or says that it diverged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import Training, UsageError, Victim, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.jem import DIGITS, JEM
from defenses.parts.networks.energy import EnergyClassifier, EnergyNet, climb
from defenses.parts.training.recipes import EnergyRecipe
from tests.defenses.runs import InterruptionError, run_of
from tests.defenses.tiny import images, rng


def training(folder: Path, stop_after: float = float("inf")) -> Training:
    return run_of(Digits().load("train", None), folder, stop_after=stop_after)


def short() -> EnergyRecipe:
    return replace(DIGITS, steps=6, batch=8, chain=2, buffer=20, warmup=2)


def released(folder: Path, depth: int, width: int) -> tuple[Path, EnergyNet]:
    """A checkpoint in the layout of `CIFAR10_MODEL.pt`."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = EnergyNet(depth, width, 1, 10)
    unused = {"energy_output.weight": torch.zeros(1, 64 * width), "energy_output.bias": torch.zeros(1)}
    path = folder / "CIFAR10_MODEL.pt"
    torch.save({"model_state_dict": net.state_dict() | unused, "replay_buffer": torch.zeros(5, 1, 8, 8)}, path)
    return path, net


def packaged(refine: int = 0) -> EnergyClassifier:
    found = JEM(refine=refine).load(TASK, "cpu")
    assert isinstance(found, EnergyClassifier)
    return found


def test_packaged_weights_classify_the_digits_test_set_and_know_digits_from_noise() -> None:
    batch = Digits().load("test", None).read(range(1024))
    model = packaged()
    assert model.deterministic
    assert model.differentiable
    with torch.no_grad():
        correct = (model(batch.images, rng()).argmax(1) == batch.labels).double().mean()
        known, noise = model.log_density(batch.images), model.log_density(images(1024, (1, 8, 8)))
    card = json.loads(JEM().files(TASK)["network"].with_suffix(".json").read_text())
    assert float(correct) >= 0.93
    assert float(correct) == pytest.approx(card["accuracy"]["clean"], abs=2 / 1024)
    assert float((known > noise.mean()).double().mean()) > 0.9


@pytest.mark.parametrize(("depth", "width"), [(10, 1), (16, 2)])
def test_a_released_checkpoint_loads_at_its_own_depth_and_width(tmp_path: Path, depth: int, width: int) -> None:
    path, net = released(tmp_path, depth, width)
    model = JEM(weights=str(path)).load(TASK, "cpu")
    start = images(3, (1, 8, 8))
    with torch.no_grad():
        torch.testing.assert_close(model(start, rng()), net(2 * start - 1), rtol=1e-5, atol=1e-6)


def test_a_wide_residual_network_of_28_layers_has_the_released_names_and_size() -> None:
    with torch.device("meta"):
        net = EnergyNet(28, 10, 3, 10)
    names = net.state_dict().keys()
    expected = {"f.conv1.bias", "f.layer1.3.conv2.weight", "f.layer3.0.shortcut.0.weight", "class_output.weight"}
    assert expected <= names
    assert "f.layer1.1.shortcut.0.weight" not in names
    assert sum(parameter.numel() for parameter in net.parameters()) == pytest.approx(36.5e6, rel=0.01)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path, net = released(tmp_path, 10, 1)
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="are no JEM"):
        JEM(weights=str(path)).load(TASK, "cpu")
    torch.save({key: value for key, value in net.state_dict().items() if key != "class_output.bias"}, path)
    with pytest.raises(WeightsError, match=r"class_output.bias"):
        JEM(weights=str(path)).load(TASK, "cpu")


def test_langevin_steps_in_a_bowl_follow_the_closed_form() -> None:
    start, still = images(2, (1, 8, 8)), torch.zeros(5, 2, 1, 8, 8)

    def bowl(codes: Tensor) -> Tensor:
        return -codes.square().flatten(1).sum(1) / 2

    torch.testing.assert_close(climb(bowl, start, still, 0.1, 0.01), start * 0.9**5)
    moved = climb(bowl, start, still + 1, 0.0, 0.01)
    torch.testing.assert_close(moved, start + 0.05)


def test_refinement_climbs_the_density_is_random_and_has_the_identity_s_gradient() -> None:
    batch, model, plain = Digits().load("test", None).read(range(64)), packaged(refine=5), packaged()
    assert not model.deterministic
    assert not model.differentiable
    noisy = (batch.images + 0.2 * (images(64, (1, 8, 8)) - 0.5)).clamp(0, 1)
    with torch.no_grad():
        logits = model(noisy, rng())
        assert torch.equal(logits, model(noisy, rng()))
        assert not torch.equal(logits, model(noisy, rng(2)))
        assert float((logits.logsumexp(1) - plain.log_density(noisy)).mean()) > 0
    leaf = noisy.clone().requires_grad_(True)
    victim = Victim(model, rng())
    attacked = victim(leaf)
    (gradient,) = torch.autograd.grad(attacked.logsumexp(1).sum(), leaf)
    assert victim.observation().gradients == {"identity": 1}
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().sum()) > 0
    assert torch.equal(attacked.detach(), Victim(model, rng())(noisy))


def test_a_negative_number_of_refinements_is_refused() -> None:
    with pytest.raises(UsageError, match="refine must be 0 or more"):
        packaged(refine=-1)


def test_a_resumed_run_with_its_buffer_gives_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    defense, recipe = JEM(), short()
    whole = defense.train(training(tmp_path / "whole"), recipe)
    with pytest.raises(InterruptionError):
        defense.train(training(tmp_path / "parts", stop_after=2), recipe)
    resumed = defense.train(training(tmp_path / "parts"), recipe)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert JEM(weights=str(whole.weights)).load(TASK, "cpu")(images(2, (1, 8, 8)), rng()).shape == (2, 10)


def test_the_figures_of_a_trained_network_are_measured_in_batches_and_after_its_weights_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = JEM().train(training(tmp_path), short())
    assert trained.weights.is_file()
    assert trained.metrics.keys() == {"loss", "seconds"}
    seen: list[int] = []
    forward = EnergyNet.forward
    monkeypatch.setattr(EnergyNet, "forward", lambda net, codes: (seen.append(len(codes)), forward(net, codes))[1])
    assert trained.measure is not None
    figures = trained.measure()
    assert 0 <= figures["train_accuracy"] <= 1
    assert abs(figures["density_above_noise"]) < 1000
    assert max(seen) <= 128
    assert sum(seen) == 2 * 773


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    recipe = replace(short(), learning_rate=1e6)
    with pytest.raises(UsageError, match="diverged at step"):
        JEM().train(training(tmp_path), recipe)
