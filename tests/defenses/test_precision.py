"""Half precision: small gradients arrive, overflow is noticed, no noise is lost, and verdicts are those of float32."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from bench import Classifier, Defense, ThreatModel, UsageError, Victim
from bench.datasets.digits import TASK, Digits
from bench.plugins.registry import attacks
from defenses.adp import ADP
from defenses.denoised_smoothing import DenoisedSmoothing
from defenses.diffpure import DiffPure
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.parts.narrow import narrowly
from defenses.rdc import RDC
from defenses.resnet import ResNet
from defenses.tmdc import TMDC
from tests.defenses.tiny import COLOURS, images, rng, stable_diffusion, unstaged

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def cosine(first: Tensor, second: Tensor) -> float:
    first, second = first.double().flatten(), second.double().flatten()
    return float(functional.normalize(first, dim=0, eps=0) @ functional.normalize(second, dim=0, eps=0))


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_a_gradient_is_that_of_float32_however_small_its_weight(precision: str, loss: str, tmp_path: Path) -> None:
    settings = unstaged(stable_diffusion(tmp_path / "tiny"), loss)
    exact, half = (replace(settings, precision=name).load(COLOURS, "cpu") for name in ("float32", precision))
    expected = _gradient(exact, 1.0)
    for weight in (1e-2, 1e-4, 1e-5, 1e-6, 1e-8, 1e-20):
        found = _gradient(half, weight)
        assert cosine(found, expected) > 0.99
        assert float(found.norm() / weight / expected.norm()) == pytest.approx(1, abs=0.05)


def _gradient(model: Classifier, weight: float) -> Tensor:
    leaf = images(1).requires_grad_(True)
    (gradient,) = torch.autograd.grad(weight * model(leaf, rng())[0, 1], leaf)
    return gradient


@pytest.mark.parametrize("precision", HALVES)
def test_an_image_that_weighs_little_keeps_its_gradient_beside_one_that_weighs_much(
    precision: str, tmp_path: Path
) -> None:
    settings = unstaged(stable_diffusion(tmp_path / "tiny"))
    exact, half = (replace(settings, precision=name).load(COLOURS, "cpu") for name in ("float32", precision))
    weights = torch.tensor([1.0, 1e-12])
    found = []
    for model in (exact, half):
        leaf = images(2).requires_grad_(True)
        found.append(torch.autograd.grad((weights * model(leaf, rng())[:, 1]).sum(), leaf)[0])
    for number in range(2):
        assert cosine(found[0][number], found[1][number]) > 0.99


@pytest.mark.parametrize(
    "defense",
    [
        DiffPure(steps=3),
        ADP(draws=2, gradient="exact"),
        DenoisedSmoothing(draws=4),
        RDC(levels=3, steps=2),
        DiffusionClassifier(timesteps=4),
    ],
)
def test_every_denoiser_gives_small_gradients_in_half_precision(defense: Any) -> None:
    shown = Digits().load("test", None).read(range(3)).images
    found = {}
    for precision in ("float32", *HALVES):
        model = replace(defense, precision=precision).load(TASK, "cpu")
        attacked = model if model.differentiable else model.stand_in() or model.identity_stand_in()
        assert attacked is not None
        leaf = shown.clone().requires_grad_(True)
        (found[precision],) = torch.autograd.grad(1e-9 * attacked(leaf, rng())[:, 1].sum(), leaf)
    for precision in HALVES:
        assert cosine(found["float32"], found[precision]) > 0.95


def test_a_plan_spells_out_the_precision_of_every_denoiser() -> None:
    for defense in (DiffPure(), ADP(), DenoisedSmoothing(), RDC(), DiffusionClassifier(), TMDC()):
        assert defense.on(TASK, lambda: "cuda:0").precision == "float32"  # type: ignore[attr-defined]
        chosen = replace(defense, precision="float16")  # type: ignore[call-arg]
        assert chosen.on(TASK, lambda: "cuda:0").precision == "float16"  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", HALVES.values())
def test_a_gradient_that_overflows_goes_again_at_a_smaller_scale_and_harms_no_other(dtype: torch.dtype) -> None:
    factors = torch.tensor([[1.0], [8e6]])

    def network(values: Tensor) -> Tensor:
        for _ in range(4):
            values = values * factors.pow(0.25).to(values.dtype)
        return values

    leaf = torch.full((2, 3), 1e-4, requires_grad=True)
    answer = narrowly(network, leaf, dtype)
    (gradient,) = torch.autograd.grad(answer, leaf, torch.full((2, 3), 3e-9))
    torch.testing.assert_close(gradient, (3e-9 * factors).expand(2, 3), rtol=0.05, atol=0)


def test_what_overflows_all_the_same_is_an_error_that_says_what_to_do() -> None:
    huge = torch.full((1, 3), 60000.0, requires_grad=True)
    for given in (huge, huge.detach()):
        with pytest.raises(UsageError, match="numbers overflow in float16; choose precision=bfloat16 or float32"):
            narrowly(lambda values: values * 2, given, torch.float16)

    def steep(values: Tensor) -> Tensor:
        return (values.float() * 1e12 * 1e-12).to(values.dtype) + (values * 0).sqrt()

    leaf = torch.ones((1, 3), requires_grad=True)
    answer = narrowly(steep, leaf, torch.float16)
    with pytest.raises(UsageError, match="gradients overflow in float16"):
        torch.autograd.grad(answer.sum(), leaf)


def test_a_zero_gradient_stays_zero_and_a_graph_may_be_used_twice_and_checkpointed() -> None:
    leaf = images(2).requires_grad_(True)

    def squared(values: Tensor) -> Tensor:
        return narrowly(torch.square, values, torch.float16)

    answer = squared(leaf)
    (nothing,) = torch.autograd.grad(answer, leaf, torch.zeros_like(leaf), retain_graph=True)
    assert not nothing.any()
    (once,) = torch.autograd.grad(answer.sum(), leaf, retain_graph=True)
    (twice,) = torch.autograd.grad(answer.sum(), leaf)
    again: Tensor = checkpoint(squared, leaf, use_reentrant=False)
    (later,) = torch.autograd.grad(again.sum(), leaf)
    assert torch.equal(once, twice)
    assert torch.equal(once, later)
    torch.testing.assert_close(once, 2 * leaf.detach(), rtol=1e-3, atol=1e-6)


class _Kept:
    """A tensor that a graph keeps."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def test_the_graph_of_one_chunk_is_gone_before_that_of_the_next_is_built() -> None:
    model = DiffusionClassifier(search="full", timesteps=6, rows=6, precision="float16").load(TASK, "cpu")
    live, peaks = [0], []

    def forget(size: int) -> None:
        live[0] -= size

    def keep(tensor: Tensor) -> _Kept:
        kept = _Kept(tensor.detach())
        live[0] += tensor.nbytes
        peaks[-1] = max(peaks[-1], live[0])
        weakref.finalize(kept, forget, tensor.nbytes)
        return kept

    shown = Digits().load("test", None).read(range(1)).images
    for chosen in (slice(0, 1), slice(0, 10)):  # the classes whose logits are differentiated: 6 rows each
        leaf = shown.clone().requires_grad_(True)
        logits = model(leaf, rng())[:, chosen].sum()
        gc.collect()
        peaks.append(0)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept.tensor):
            torch.autograd.grad(logits, leaf)
    assert peaks[1] == pytest.approx(peaks[0], rel=0.01)
    assert peaks[0] > 100_000


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_first_timesteps_get_their_noise_in_any_precision(precision: str, prediction: str, tmp_path: Path) -> None:
    settings = replace(unstaged(stable_diffusion(tmp_path / "tiny", prediction)), precision=precision)  # type: ignore[arg-type]
    denoiser = denoiser_for(Path(settings.weights or ""), settings, COLOURS, "cpu")
    codes, steps = denoiser.encode(images(2)), torch.tensor([0, 1])
    assert codes.dtype == torch.float32
    added, _ = denoiser.noised(torch.zeros_like(codes), torch.ones_like(codes), steps)
    expected = (1 - denoiser.schedule[:2]).sqrt().float()
    assert float(expected[1]) == pytest.approx(0.0413, abs=1e-4)
    torch.testing.assert_close(added[:, 0, 0, 0], expected, rtol=1e-6, atol=0)
    noise = torch.randn(codes.shape, generator=rng())
    errors = denoiser.errors(codes, noise, steps, torch.tensor([0, 1]), "l1")
    exact = denoiser_for(Path(settings.weights or ""), replace(settings, precision="float32"), COLOURS, "cpu")
    assert errors.dtype == torch.float32
    torch.testing.assert_close(
        errors, exact.errors(codes, noise, steps, torch.tensor([0, 1]), "l1"), rtol=5e-3, atol=1e-4
    )


def judged(defense: Defense, shown: Tensor) -> Tensor:
    """Predictions for images, asked in parts of 32."""
    model = defense.load(TASK, "cpu")
    with torch.no_grad():
        return torch.cat([model(part, rng()).argmax(1) for part in torch.split(shown, 32)])


def crafted(defense: Defense, count: int, epsilon: str, **settings: Any) -> tuple[Tensor, Tensor]:
    """What PGD makes of the first test digits against a defense, and their labels."""
    batch = Digits().load("test", None).read(range(count))
    victim, threat = Victim(defense.load(TASK, "cpu"), rng()), ThreatModel("linf", Fraction(epsilon))
    return attacks.make("pgd-linf", settings).perturb(victim, batch, threat, rng(3)).images.detach(), batch.labels


def disagreements(count: int) -> dict[tuple[str, str], int]:
    """Of how many images, clean and crafted on another network, half precision says another class than float32."""
    clean = Digits().load("test", None).read(range(count)).images
    shown = torch.cat([clean, crafted(ResNet(), count, "0.1")[0]])
    found = {}
    for name, defense in {"diffusion-classifier": DiffusionClassifier(), "tmdc": TMDC()}.items():
        expected = judged(replace(defense, precision="float32"), shown)
        for precision in HALVES:
            verdicts = judged(replace(defense, precision=precision), shown)  # type: ignore[arg-type]
            found[name, precision] = int((verdicts != expected).sum())
    return found


def broken(defense: Any, count: int, epsilon: str, steps: int, step_size: str) -> dict[str, int]:
    """How many images white-box PGD brings to be misclassified, in each precision."""
    found = {}
    for precision in ("float32", *HALVES):
        attacked = replace(defense, precision=precision)
        moved, labels = crafted(attacked, count, epsilon, steps=steps, step_size=step_size)
        found[precision] = int((judged(attacked, moved) != labels).sum())
    return found


def test_verdicts_are_those_of_float32() -> None:
    assert max(disagreements(24).values()) <= 1


def test_white_box_attacks_find_what_they_find_in_float32() -> None:
    found = broken(DiffusionClassifier(timesteps=6), 8, "0.3", 5, "16/255")
    assert 2 <= found["float32"] <= found["float16"] + 1
    assert found["float32"] <= found["bfloat16"] + 1


@pytest.mark.slow
def test_verdicts_are_those_of_float32_on_most_of_the_test_set() -> None:
    assert max(disagreements(512).values()) <= 0.005 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("defense", [DiffusionClassifier(), TMDC()])
def test_white_box_attacks_find_what_they_find_in_float32_on_64_samples(defense: Any) -> None:
    found = broken(defense, 64, "0.1", 40, "2/255")
    assert found["float32"] <= found["float16"] + 1
