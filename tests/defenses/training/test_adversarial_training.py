"""Adversarial training: the inner attack against closed forms, when it settles, and what it gives."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench import DataError, Task, Trainable, Training, UsageError, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.parts.training.adversarial import ascend, diverging, evaluating, misleading, robust_accuracy
from defenses.parts.training.recipes import Budget
from defenses.parts.training.settling import Settling, split
from defenses.parts.training.trades_training import trades_loss
from defenses.pgd_at import PgdAT
from defenses.trades import Trades
from tests.defenses.runs import InterruptionError, few_digits, run_of

BUDGET = Budget(Fraction("0.1"), Fraction("0.025"), 10)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear() -> nn.Module:
    """Two classes, told apart by a plane."""
    layer = nn.Linear(64, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(2, 64, generator=rng(3)))
        layer.bias.copy_(torch.tensor([0.3, -0.2]))
    return nn.Sequential(nn.Flatten(), layer)


def training(folder: Path, stop_after: float = float("inf"), notes: list[str] | None = None) -> Training:
    return run_of(few_digits(), folder, stop_after=stop_after, stage="loss", notes=notes)


def short(**changes: Any) -> Any:
    return replace(PgdAT().recipe(TASK), epochs=4, batch=16, steps=2, every=1, held_out=0.25, **changes)


def test_the_inner_attack_on_a_linear_net_is_the_analytic_worst_case() -> None:
    net, labels = linear(), torch.arange(12) % 2
    images = torch.rand(12, 1, 8, 8, generator=rng(1))
    weight = net.get_parameter("1.weight").detach()
    towards = (weight[1 - labels] - weight[labels]).sign().view(-1, 1, 8, 8)
    worst = (images + 0.1 * towards).clamp(0, 1)
    found = misleading(net, images, labels, BUDGET, rng())
    torch.testing.assert_close(found, worst, rtol=0, atol=1e-6)
    with torch.no_grad():
        expected = float((net(worst).argmax(1) == labels).double().mean())
    assert robust_accuracy(net, images, labels, BUDGET, rng()) == expected


def test_the_inner_attack_stays_in_its_budget_and_is_a_function_of_the_stream() -> None:
    images = torch.rand(6, 1, 8, 8, generator=rng(2))

    def flat(perturbed: torch.Tensor) -> torch.Tensor:
        return (perturbed * 0).sum()

    first, again, other = (ascend(flat, images, BUDGET, rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float((first - images).abs().max()) <= 0.1 + 1e-6
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_an_attacked_network_is_in_evaluation_mode_and_then_as_it_was() -> None:
    module = nn.BatchNorm2d(1)
    with evaluating(module):
        module(torch.rand(4, 1, 2, 2))
        assert not module.training
    assert module.training
    assert float(module.running_mean) == 0


def test_the_held_out_images_are_a_seeded_share_of_the_training_images() -> None:
    kept, held = split(20, 0.25, 0)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(20))
    assert len(held) == 5
    assert torch.equal(held, split(20, 0.25, 0)[1])
    assert not torch.equal(held, split(20, 0.25, 1)[1])
    for share in (0.0, 1.0):
        with pytest.raises(UsageError, match="on both sides"):
            split(20, share, 0)


def test_training_ends_when_nothing_better_was_measured_and_keeps_the_best(tmp_path: Path) -> None:
    values = iter([0.2, 0.5, 0.4, 0.5, 0.3, 0.9])
    stored: list[int] = []
    settling = Settling(
        tmp_path / "best.safetensors", lambda _: next(values), lambda _, path: stored.append(1), every=2, patience=3
    )
    ended = [step for step in range(1, 13) if settling(step, nn.Identity())]
    assert ended[0] == 10
    assert settling.note == "held out, robust: 90.0%, best 90.0%"
    patient = Settling(tmp_path / "other.safetensors", lambda _: 0.5, lambda _, path: None, every=1, patience=0)
    assert not any(patient(step, nn.Identity()) for step in range(1, 50))
    assert patient.top == 1


def test_a_resumed_run_settles_as_a_whole_one(tmp_path: Path) -> None:
    notes: list[str] = []
    whole = PgdAT().train(training(tmp_path / "whole", notes=notes), short(patience=2))
    with pytest.raises(InterruptionError):
        PgdAT().train(training(tmp_path / "parts", stop_after=5), short(patience=2))
    resumed = PgdAT().train(training(tmp_path / "parts"), short(patience=2))
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert resumed.metrics["held_out_robust_accuracy"] == whole.metrics["held_out_robust_accuracy"]
    assert any("held out, robust: " in note for note in notes)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["pgd-at.safetensors"]


@pytest.mark.parametrize("defense", [PgdAT(), Trades()], ids=["pgd-at", "trades"])
def test_a_training_shorter_than_the_time_between_measurements_is_measured_at_its_end(
    defense: Trainable, tmp_path: Path
) -> None:
    recipe = replace(defense.recipe(TASK), epochs=3, batch=16, steps=1, held_out=0.25)
    recipe = replace(recipe, share=0.0) if isinstance(defense, Trades) else recipe
    assert recipe.every == 5
    trained = defense.train(training(tmp_path), recipe)
    assert trained.metrics["epoch"] == 3
    assert trained.weights.is_file()


def test_the_end_of_a_training_is_measured_between_regular_measurements_too(tmp_path: Path) -> None:
    values = iter([0.2, 0.9])
    settling = Settling(
        tmp_path / "best.safetensors", lambda _: next(values), lambda _, path: path.touch(), every=5, patience=0, last=7
    )
    for step in range(1, 8):
        settling(step, nn.Identity())
    assert settling.top == 7
    assert settling.give(tmp_path / "weights.safetensors", nn.Identity()).is_file()
    settling.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize("network", ["wide-resnet", "vit"])
def test_every_standard_net_can_be_trained_and_loaded(network: Any, tmp_path: Path) -> None:
    trained = PgdAT(network).train(training(tmp_path), replace(short(), epochs=1))
    model = PgdAT(network, str(trained.weights)).load(TASK, "cpu")
    assert model(torch.rand(2, 1, 8, 8), rng()).shape == (2, 10)
    with pytest.raises(WeightsError):
        PgdAT("resnet", str(trained.weights)).load(TASK, "cpu")


def test_on_photographs_the_published_inner_attack_is_the_default() -> None:
    recipe = PgdAT().recipe(Task("cifar10", ("a", "b"), (3, 32, 32)))
    assert (recipe.epsilon, recipe.step_size, recipe.steps) == (Fraction(8, 255), Fraction(2, 255), 10)


@pytest.mark.parametrize("defense", [PgdAT(), Trades()], ids=["pgd-at", "trades"])
def test_packaged_weights_withstand_an_attack_that_breaks_the_plain_net(defense: Trainable) -> None:
    from defenses.resnet import ResNet

    batch = Digits().load("test", None).read(range(128))
    robust, plain = defense.load(TASK, "cpu"), ResNet().load(TASK, "cpu")
    accuracies = [
        robust_accuracy(lambda images, net=net: net(images, rng()), batch.images, batch.labels, BUDGET, rng())  # type: ignore[misc]
        for net in (robust, plain)
    ]
    assert accuracies[0] > accuracies[1] + 0.25
    test = Digits().load("test", None).read(range(1024))
    with torch.no_grad():
        clean = float((robust(test.images, rng()).argmax(1) == test.labels).double().mean())
    card = json.loads(defense.files(TASK)["network"].with_suffix(".json").read_text())
    assert clean == pytest.approx(card["accuracy"]["clean"], abs=2 / 1024)
    assert clean >= 0.93


def trades(**changes: Any) -> Any:
    return replace(Trades().recipe(TASK), epochs=4, batch=16, steps=2, every=1, held_out=0.25, **changes)


def test_the_trades_loss_is_the_plain_formula() -> None:
    net, labels = linear().eval().requires_grad_(False), torch.arange(12) % 2
    images = torch.rand(12, 1, 8, 8, generator=rng(1))
    recipe = trades(beta=5.0, label_smoothing=0.1)
    clean = net(images).double().softmax(1)
    reached = net(diverging(net, images, recipe.budget, rng(7))).double().softmax(1)
    natural = -(0.95 * clean[range(12), labels].log() + 0.05 * clean[range(12), 1 - labels].log()).mean()
    robust = (clean * (clean / reached).log()).sum(1).mean()
    found = trades_loss(net, images, labels, recipe, rng(7))
    assert float(found) == pytest.approx(float(natural + 5 * robust), rel=1e-4)


def test_the_divergence_climbs_to_one_end_of_the_budget_on_a_linear_net_of_two_classes() -> None:
    net = linear().eval().requires_grad_(False)
    images = torch.rand(12, 1, 8, 8, generator=rng(1))
    weight = net.get_parameter("1.weight")
    across = 0.1 * (weight[0] - weight[1]).sign().view(1, 8, 8)
    ends = torch.stack([(images + sign * across).clamp(0, 1) for sign in (1, -1)])
    found = diverging(net, images, BUDGET, rng(7))
    assert bool(((found - ends).abs().amax((2, 3, 4)) < 1e-6).any(0).all())


def generated(folder: Path) -> Path:
    """Images as `bench generate` leaves them."""
    folder.mkdir(exist_ok=True)
    images = torch.rand(20, 1, 8, 8, generator=rng(4))
    save_file({"images": images, "labels": torch.arange(20) % 10}, folder / "images.safetensors")
    return folder


def test_trades_learns_from_given_generated_images_alone_or_from_none(tmp_path: Path) -> None:
    place = str(generated(tmp_path / "drawn"))
    hashes = set()
    for name, share in (("none", 0.0), ("some", 0.7), ("all", 1.0)):
        trained = Trades().train(training(tmp_path / name), trades(share=share, generated=place))
        hashes.add(trained.weights.read_bytes())
        assert [path.name for path in (tmp_path / name).iterdir()] == ["trades.safetensors"]
    assert len(hashes) == 3


def test_trades_draws_its_images_once_and_a_resumed_run_gives_equal_weights(tmp_path: Path) -> None:
    recipe = trades(images=20, sampling_steps=2)
    whole = Trades().train(training(tmp_path / "whole"), recipe)
    with pytest.raises(InterruptionError):
        Trades().train(training(tmp_path / "parts", stop_after=5), recipe)
    (drawn,) = (tmp_path / "parts").glob("generated-20-2-0-*.safetensors")
    made = drawn.stat().st_mtime_ns
    resumed = Trades().train(training(tmp_path / "parts"), recipe)
    assert drawn.stat().st_mtime_ns == made
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


def test_generated_images_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = generated(tmp_path / "drawn")
    for tensors in (
        {"images": torch.rand(4, 3, 8, 8), "labels": torch.zeros(4).long()},
        {"images": torch.rand(4, 1, 8, 8), "labels": torch.full((4,), 10)},
        {"pictures": torch.rand(4, 1, 8, 8)},
    ):
        save_file(tensors, folder / "images.safetensors")
        with pytest.raises(DataError, match=r"images\.safetensors should|labels in"):
            Trades().train(training(tmp_path / "run"), trades(generated=str(folder)))
    with pytest.raises(DataError, match="cannot be read"):
        Trades().train(training(tmp_path / "run"), trades(generated=str(tmp_path / "nowhere")))
    with pytest.raises(UsageError, match=r"share must lie in \[0, 1\]; got 1.5"):
        trades(share=1.5)


def test_on_photographs_trades_has_the_published_schedule_and_asks_for_images(tmp_path: Path) -> None:
    task = Task("cifar10", ("a", "b"), (3, 32, 32))
    recipe = Trades().recipe(task)
    assert (recipe.epochs, recipe.batch, recipe.learning_rate, recipe.beta) == (400, 512, 0.2, 5)
    assert Trades().resolve(task).network == "wide-resnet-28-10"
    run = replace(training(tmp_path), task=task)
    with pytest.raises(UsageError, match="pass -T generated=FOLDER"):
        Trades().train(run, recipe)
