"""DiffPure: descents against closed forms and diffusers, the exact gradient, what it loads and refuses."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from bench import Classifier, Part, Task, Training, UsageError, Victim, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.diffpure import DiffPure
from defenses.parts.diffusion import pixels
from defenses.parts.diffusion.denoiser import schedule_of
from defenses.parts.diffusion.noise_errors import Chunks
from defenses.parts.purification.descent import Diffusion, Sampler, descend, descent
from defenses.parts.purification.diffused import Diffused
from defenses.parts.purification.purified import Purified
from tests.defenses.tiny import GREYS, Formula, images, rng

SAMPLERS: tuple[Sampler, ...] = ("sde", "ode", "ddpm", "ddim")


class Gaussian(Formula):
    """The exact denoiser of images whose every pixel is normal around 0 (in [-1, 1]) with deviation 0.5."""

    def __init__(self) -> None:
        self.schedule = schedule_of(pixels.SCHEDULE, Path("none"))

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        return (1 - signal).sqrt() * noisy / (1 - 0.75 * signal)


def tiny(dtype: torch.dtype = torch.float64) -> pixels.PixelDenoiser:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = pixels.build(GREYS, conditional=False).to(dtype)
    network.eval().requires_grad_(False)
    return pixels.PixelDenoiser(network, pixels.SCHEDULE, Path("untrained"), conditional=False)


def drawn(steps: int, count: int) -> Tensor:
    return torch.randn(steps + 1, count, 1, 8, 8, generator=rng(4))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_descent_of_a_gaussian_ends_in_its_distribution(sampler: Sampler) -> None:
    denoiser = Gaussian()
    way = descent(denoiser.schedule, sampler, 0.8, 800)
    start = torch.randn(64, 1, 8, 8, generator=rng(2)) / 4 + 0.5
    end = descend(denoiser, start, way, drawn(800, 64), Chunks(64, 64, 1))
    assert float(end.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(end.std()) == pytest.approx(0.25, abs=0.01)
    if sampler in ("ode", "ddim"):  # these keep each image's place in the distribution
        noisy = way.signal**0.5 * (2 * start - 1) + (1 - way.signal) ** 0.5 * drawn(800, 64)[0]
        exact = (noisy * 0.5 / (1 - 0.75 * way.signal) ** 0.5 + 1) / 2
        torch.testing.assert_close(end, exact, atol=5e-3, rtol=0)


def test_posterior_and_implicit_steps_equal_those_of_diffusers() -> None:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    denoiser, noise = Gaussian(), drawn(60, 4)
    start = images(4, (1, 8, 8))
    posterior, implicit = DDPMScheduler(clip_sample=False), DDIMScheduler(clip_sample=False)
    implicit.set_timesteps(1000)
    for sampler, scheduler in (("ddpm", posterior), ("ddim", implicit)):
        state = scheduler.add_noise(2 * start - 1, noise[0], torch.tensor([59]))
        for timestep in range(59, -1, -1):
            signal = scheduler.alphas_cumprod[timestep]
            predicted = denoiser.noise(state, torch.zeros(4), torch.zeros(4), signal)
            further = {"generator": torch.Generator().manual_seed(timestep)} if sampler == "ddpm" else {}
            noise[60 - timestep] = torch.randn(state.shape, generator=torch.Generator().manual_seed(timestep))
            state = scheduler.step(predicted, timestep, state, **further).prev_sample
        way = descent(denoiser.schedule, sampler, 0.06, 60)  # type: ignore[arg-type]
        end = descend(denoiser, start, way, noise, Chunks(4, 4, 1))
        torch.testing.assert_close(2 * end - 1, state, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("rows", [2, 5])
def test_the_gradient_equals_autograd_through_the_unrolled_descent(sampler: Sampler, rows: int) -> None:
    denoiser, noise = tiny(), drawn(7, 5).double()
    way = descent(denoiser.schedule, sampler, 0.1, 7)
    weighting = torch.randn(5, 1, 8, 8, generator=rng(9)).double()
    leaf = images(5, (1, 8, 8)).double().requires_grad_(True)
    purified = descend(denoiser, leaf, way, noise, Chunks(rows, rows, 1))
    (gradient,) = torch.autograd.grad((purified.pow(3) * weighting).sum(), leaf)

    plain = leaf.detach().clone().requires_grad_(True)
    state = way.signal**0.5 * (2 * plain - 1) + (1 - way.signal) ** 0.5 * noise[0]
    for step, z in zip(way.steps, noise[1:], strict=True):
        predicted = denoiser.network(state, torch.full((5,), step.timestep)).sample
        state = step.keep * state + step.push * predicted + step.spread * z
    unrolled = (state + 1) / 2
    (expected,) = torch.autograd.grad((unrolled.pow(3) * weighting).sum(), plain)
    torch.testing.assert_close(purified, unrolled, rtol=1e-12, atol=1e-12)
    assert float((gradient - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_recomputed_state_and_prediction_equals_the_forward_one_bitwise(sampler: Sampler) -> None:
    denoiser = tiny(torch.float32)
    seen: list[tuple[Tensor, Tensor]] = []
    denoiser.network.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output[0].detach())))
    way = descent(denoiser.schedule, sampler, 0.1, 12)
    leaf = images(3, (1, 8, 8)).requires_grad_(True)
    purified = descend(denoiser, leaf, way, drawn(12, 3), Chunks(3, 3, 1))
    forward = list(seen)
    torch.autograd.grad(purified.sum(), leaf)
    assert len(seen) == 24
    for (state, predicted), (again, repeated) in zip(forward, reversed(seen[12:]), strict=True):
        assert torch.equal(state, again)
        assert torch.equal(predicted, repeated)


class _Kept:
    """A tensor that a graph keeps."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def test_kept_graphs_save_passes_and_change_no_bit_of_any_gradient() -> None:
    denoiser, noise = tiny(torch.float32), drawn(6, 5)
    way = descent(denoiser.schedule, "sde", 0.1, 6)
    passes = [0]
    denoiser.network.register_forward_hook(lambda *_: passes.append(passes.pop() + 1))
    found = []
    for held in (0, 9, 10, 25, 1000):
        passes[0] = 0
        leaf = images(5, (1, 8, 8)).requires_grad_(True)
        purified = descend(denoiser, leaf, way, noise, Chunks(3, 3, 1, held))
        (first,) = torch.autograd.grad(purified.sum(), leaf, retain_graph=True)
        kept = min(6, held // 5)
        assert passes[0] == 2 * (6 + 6 - kept)
        (second,) = torch.autograd.grad(purified.square().sum(), leaf)  # whose graphs are used up
        found.append((first, second))
    for each in found[1:]:
        assert torch.equal(each[0], found[0][0])
        assert torch.equal(each[1], found[0][1])


@pytest.mark.parametrize("held", [0, 6])
def test_the_memory_of_graphs_does_not_grow_from_ten_to_forty_steps(held: int) -> None:
    denoiser = tiny(torch.float32)
    peaks = []
    for steps in (10, 40):
        live, peak = [0], [0]

        def forget(size: int, live: list[int] = live) -> None:
            live[0] -= size

        def keep(tensor: Tensor, live: list[int] = live, peak: list[int] = peak) -> _Kept:
            kept, size = _Kept(tensor), tensor.nbytes
            live[0] += size
            peak[0] = max(peak[0], live[0])
            weakref.finalize(kept, forget, size)
            return kept

        way = descent(denoiser.schedule, "sde", 0.1, steps)
        leaf = images(2, (1, 8, 8)).requires_grad_(True)
        gc.collect()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept.tensor):
            torch.autograd.grad(descend(denoiser, leaf, way, drawn(steps, 2), Chunks(2, 2, 1, held)).sum(), leaf)
        peaks.append(peak[0])
    assert peaks[0] == peaks[1] > 100_000


@pytest.mark.parametrize("count", [1, 3])
def test_several_draws_in_one_descent_are_those_of_one_by_one(count: int) -> None:
    start = images(count, (1, 8, 8))
    denoiser = tiny(torch.float32)
    way = descent(denoiser.schedule, "sde", 0.1, 4)
    model = Diffused(Diffusion(denoiser, way, Chunks(8, 8, 1, 4 * 4 * count)), Halves())
    assert model.at_once(count) == 5  # of whose five times four graphs an image sixteen are kept
    leaf = start.clone().requires_grad_()
    together = model.together([leaf] * 3, [rng(seed) for seed in range(3)])
    (gradient,) = torch.autograd.grad(torch.cat(together).square().sum(), leaf)
    other = start.clone().requires_grad_()
    alone = [model(other, rng(seed)) for seed in range(3)]
    (expected,) = torch.autograd.grad(torch.cat(alone).square().sum(), other)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-6)


def test_a_random_classifier_behind_a_diffusion_draws_from_each_batchs_own_generator() -> None:
    class Noisy(Halves):
        deterministic = False

        def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
            return super().__call__(images, rng) + torch.randn(2, generator=rng)

    denoiser, start = tiny(torch.float32), images(2, (1, 8, 8))
    model = Diffused(Diffusion(denoiser, descent(denoiser.schedule, "sde", 0.1, 2), Chunks(8, 8, 1)), Noisy())
    assert model.at_once(2) == 1
    together = model.together([start, start], [rng(1), rng(2)])
    torch.testing.assert_close(together, [model(start, rng(1)), model(start, rng(2))], rtol=1e-5, atol=1e-6)


class Halves(Classifier):
    """Tells light images from dark ones."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        mean = images.flatten(1).mean(1)
        return torch.stack([mean, 1 - mean], 1).float()


def purified(steps: int, rows: int = 8) -> Purified:
    denoiser = tiny(torch.float32)
    return Purified(Diffusion(denoiser, descent(denoiser.schedule, "sde", 0.1, steps), Chunks(rows, rows, 1)), Halves())


def test_a_cut_changes_no_noise_and_memory_can_be_saved_to_the_last_image() -> None:
    model, start = purified(4, rows=6), images(6, (1, 8, 8))
    with torch.no_grad():
        whole = model(start, rng())
        assert not torch.equal(whole, model(start, rng(2)))
        said = []
        while (saving := model.shrink()) is not None:
            said.append(saving)
            torch.testing.assert_close(model(start, rng()), whole, atol=1e-5, rtol=1e-5)
    assert said == ["chunks of 3 images", "chunks of 1 images"]


def test_a_surrogate_lends_its_gradient_and_nothing_else() -> None:
    exact, short = purified(9), purified(3)
    model = Purified(exact.purifier, Halves(), substitute=short)
    assert not model.differentiable
    gradients = []
    for attacked in (exact, short, model):
        leaf = images(3, (1, 8, 8)).requires_grad_(True)
        logits = Victim(attacked, rng())(leaf)
        gradients.append(torch.autograd.grad(logits[:, 0].sum(), leaf)[0])
        with torch.no_grad():
            judged = Victim(exact, rng())(leaf)
        assert attacked is short or torch.allclose(logits, judged, atol=1e-6)
    torch.testing.assert_close(gradients[2], gradients[1])
    assert not torch.allclose(gradients[2], gradients[0])


def test_packaged_weights_purify_the_digits_test_set_and_help_against_transfer() -> None:
    batch = Digits().load("test", None).read(range(1024))
    defense = DiffPure()
    model, bare = defense.load(TASK, "cpu"), Part("resnet").load(TASK, "cpu")
    with torch.no_grad():
        correct = (model(batch.images, rng()).argmax(1) == batch.labels).double().mean()
    card = json.loads(defense.files(TASK)["denoiser"].with_suffix(".json").read_text())
    assert float(correct) >= 0.93
    assert float(correct) == pytest.approx(card["accuracy"]["clean"], abs=0.015)
    leaf = batch.images[:256].clone().requires_grad_(True)
    loss = functional.cross_entropy(bare(leaf, rng()), batch.labels[:256])
    moved = (leaf + 0.1 * torch.autograd.grad(loss, leaf)[0].sign()).detach().clamp(0, 1)
    with torch.no_grad():
        hits = [(net(moved, rng()).argmax(1) == batch.labels[:256]).sum() for net in (model, bare)]
    assert hits[0] > hits[1] + 25


def test_a_plan_spells_out_the_descent_and_the_part() -> None:
    assert DiffPure().resolve(TASK) == DiffPure(t_star=0.075, steps=10)
    assert DiffPure(t_star=0.125).resolve(Task("cifar10", TASK.classes, (3, 32, 32))).steps == 125


@pytest.mark.parametrize("settings", [{"t_star": 0.0}, {"t_star": 1.5}, {"steps": 0}, {"steps": 76}, {"surrogate": 0}])
def test_descents_that_the_schedule_does_not_have_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"schedule|steps lead down"):
        DiffPure(**settings).load(TASK, "cpu")


def saved(folder: Path, classes: int | None, old_names: bool = False) -> Path:
    """A folder in the layout of diffusers' DDPM."""
    from diffusers.models.unets.unet_2d import UNet2DModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = UNet2DModel(
            sample_size=8,
            in_channels=1,
            out_channels=1,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            num_class_embeds=classes,
        )
    network.save_pretrained(folder)  # type: ignore[operator]
    DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(folder)
    if old_names:
        file = folder / "diffusion_pytorch_model.safetensors"
        names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        state = load_file(file)
        for new, old in names.items():
            state = {key.replace(f".{new}.", f".{old}."): value for key, value in state.items()}
        assert any("proj_attn" in key for key in state)
        save_file(state, file)
    return folder


def test_a_folder_of_diffusers_loads_under_new_and_old_names_with_its_own_schedule(tmp_path: Path) -> None:
    logits = []
    for name in ("new", "old"):
        defense = DiffPure(weights=str(saved(tmp_path / name, None, old_names=name == "old")))
        assert set(defense.files(TASK)) == {"denoiser", "config", "schedule"}
        model = defense.load(TASK, "cpu")
        assert isinstance(model, Purified)
        assert isinstance(model.purifier, Diffusion)
        assert float(model.purifier.denoiser.schedule[0]) > 0.9999
        logits.append(model(images(2, (1, 8, 8)), rng()))
    assert torch.equal(logits[0], logits[1])


def test_a_class_conditional_denoiser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="num_class_embeds is 10"):
        DiffPure(weights=str(saved(tmp_path / "conditional", 10))).load(TASK, "cpu")


def test_training_gives_an_unconditional_denoiser(tmp_path: Path) -> None:
    from dataclasses import replace

    data, defense = Digits().load("train", None), DiffPure()
    run = Training(TASK, data, "cpu", 0, tmp_path, lambda done, total, note="": None, lambda: data.read([0]))
    trained = defense.train(run, replace(defense.recipe(TASK), steps=2, batch=4))
    model = DiffPure(weights=str(trained.weights), steps=1).load(TASK, "cpu")
    assert model(images(2, (1, 8, 8)), rng()).shape == (2, 10)
