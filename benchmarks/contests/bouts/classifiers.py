"""The diffusion classifier beside its released loop, in pixels and in a tiny Stable Diffusion, under the same noise."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench import Task
from bench.datasets.digits import TASK, Digits
from bench.plugins.registry import defenses
from contests.contest import CLASS, Answer, Bout, Contest, Demand
from contests.sides.loops import BATCH, Elimination, Predict, diffusion_classifier
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification

SEED = 5
ROOT = Path(__file__).parents[3]
PIXELS = Elimination((6, 30), (3, 1))
WHOLE = Elimination((30,), (1,))
LATENTS, ALL_LATENTS = Elimination((50, 500), (5, 1)), Elimination((500,), (1,))
"""The published stages of CIFAR-10, and those of the same kind that fit digits' 30 timesteps."""
STAGED = "50 and 500 timesteps"
RACING = Demand("predicted class", equal=0.99)
"""A race may differ from the whole grid, at its stated risk, and fixed stages from both."""
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COLOURS = Task("colours", NAMES, (3, 16, 16))
"""As large as the tiny Stable Diffusion itself, so that nobody's way of enlarging images has a part in it."""


@dataclass(frozen=True)
class Published:
    """What the released loop works with: the network, the schedule, the encoder, and the grid of timesteps."""

    predict: Predict
    signal: Tensor
    encode: Callable[[Tensor], Tensor]
    grid: tuple[int, ...]
    networks: tuple[Any, ...]
    embeddings: Tensor = field(default_factory=lambda: torch.empty(0))


def predict_in_pixels(network: nn.Module) -> Predict:
    """A pixel network's prediction, by diffusers' own call."""

    def predict(noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
        predicted: Tensor = network(noisy, steps, class_labels=classes).sample
        return predicted

    return predict


def linear_betas() -> Tensor:
    """Ho et al. 2020, 2006.11239: 1000 betas from 1e-4 to 0.02."""
    return torch.linspace(1e-4, 0.02, 1000)


def bout(model: DiffusionClassification, published: Published, how: Elimination, images: Tensor) -> Bout:
    """Our classifier in one call, and the released loop image by image; both draw the same noise."""
    networks = {id(network): network for network in (model.denoiser.network, *published.networks)}
    classes = len(TASK.classes)

    def rng() -> torch.Generator:
        return torch.Generator().manual_seed(SEED)

    def ours() -> Callable[[], Answer]:
        with torch.no_grad():
            logits = model(images, rng())
        return lambda: Answer(logits.argmax(1))

    def peer() -> Callable[[], Answer]:
        with torch.no_grad():
            codes = [published.encode(image[None])[0] for image in images]
        noise = torch.randn(len(published.grid), *codes[0].shape, generator=rng())
        found = [
            diffusion_classifier(published.predict, published.signal, code, noise, published.grid, how, classes)
            for code in codes
        ]
        return lambda: Answer(torch.tensor(found))

    return Bout(ours, peer, tuple(networks.values()))


def _classifier(settings: dict[str, Any], task: Task) -> DiffusionClassification:
    model = defenses.make("diffusion-classifier", settings).load(task, "cpu")
    assert isinstance(model, DiffusionClassification)
    _warm(model, task)
    return model


@torch.no_grad()
def _warm(model: DiffusionClassification, task: Task) -> None:
    """One pass: what the first one sets up is nobody's time."""
    one = torch.zeros(1, dtype=torch.int64)
    model.denoiser.errors(codes := model.denoiser.encode(torch.zeros(1, *task.shape)), codes, one, one, "l1")


def on_digits(settings: dict[str, Any], how: Elimination, samples: int) -> Bout:
    """The packaged denoiser, which both sides share."""
    model = _classifier(settings, TASK)
    network = model.denoiser.network
    signal = (1 - linear_betas()).cumprod(0)
    grid = tuple(range(5, 300, 10))
    published = Published(predict_in_pixels(network), signal, lambda images: 2 * images - 1, grid, (network,))
    return bout(model, published, how, Digits().load("test", None).read(range(samples)).images)


def on_stable_diffusion(settings: dict[str, Any], how: Elimination, learnt: bool, samples: int) -> Bout:
    """A Stable Diffusion of a few thousand weights, random ones or `learnt`, in diffusers' layout; digits enlarged
    twice, in grey."""
    folder = learnt_stable_diffusion() if learnt else stable_diffusion()
    model = _classifier({"weights": str(folder), **settings}, COLOURS)
    return bout(model, _published(folder), how, _enlarged(Digits().load("test", None).read(range(samples)).images))


def _enlarged(digits: Tensor) -> Tensor:
    return functional.interpolate(digits, scale_factor=2).expand(-1, 3, -1, -1).contiguous()


@cache
def learnt_stable_diffusion() -> Path:
    """The same with a network that has seen digits of every class for a few steps, each class under a name."""
    from contests.bouts.learnt import learn, rescale

    folder = Path(shutil.copytree(stable_diffusion(), stable_diffusion().with_name("learnt")))
    data = Digits().load("train", None)
    batch = data.read(range(len(data)))
    images = _enlarged(batch.images)
    with torch.no_grad():
        rescale(folder / "vae", _published(folder).encode(images))
        published = _published(folder)
        codes = published.encode(images)
    network = published.networks[0]
    learn(network, codes, published.embeddings[batch.labels], published.signal, SEED)
    network.save_pretrained(folder / "unet")
    return folder


@cache
def stable_diffusion() -> Path:
    """The folder that the tests of the latent backend work with, made anew."""
    if str(ROOT) not in sys.path:  # a script's path is its own folder alone
        sys.path.append(str(ROOT))
    from tests.defenses.tiny import stable_diffusion as make

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make(folder / "stable-diffusion")


def _published(folder: Path) -> Published:
    """Stable Diffusion by the libraries' own models and scheduler."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    from defenses.parts.weights.hub_models import quiet

    with quiet(), torch.no_grad():
        autoencoder = AutoencoderKL.from_pretrained(folder / "vae").requires_grad_(False)
        network = UNet2DConditionModel.from_pretrained(folder / "unet").requires_grad_(False)
        encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        prompts = [f"a blurry photo of a {name}." for name in NAMES]
        tokens = tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        embeddings = encoder(tokens.input_ids)[0]

    def predict(noisy: Tensor, steps: Tensor, classes: Tensor) -> Tensor:
        predicted: Tensor = network(noisy, steps, encoder_hidden_states=embeddings[classes]).sample
        return predicted

    def encode(images: Tensor) -> Tensor:
        codes: Tensor = autoencoder.encode(2 * images - 1).latent_dist.mean * 0.18215
        return codes

    signal = DDPMScheduler.from_pretrained(folder / "scheduler").alphas_cumprod
    return Published(predict, signal, encode, tuple(range(1, 1000, 2)), (network,), embeddings)


def _contest(name: str, search: str, peer: str, how: Elimination, demand: Demand) -> Contest:
    make = partial(on_digits, {"search": search}, how)
    return Contest(name, f"diffusion-classifier, search={search}", peer, demand, make, 256)


def _on_stable_diffusion(
    name: str, settings: dict[str, Any], peer: str, how: Elimination, demand: Demand, learnt: bool = False
) -> Contest:
    told = ", ".join((*(["learnt"] if learnt else []), *(f"{key}={value}" for key, value in settings.items())))
    make = partial(on_stable_diffusion, settings, how, learnt)
    return Contest(name, f"tiny Stable Diffusion, {told}", f"released loop, {peer}", demand, make, 4)


EVERY = "every class at 500 timesteps"
CONTESTS = (
    _contest("dc-staged", "staged", "released loop, 6 and 30 timesteps", PIXELS, CLASS),
    _contest("dc-full", "full", "released loop, every class at 30 timesteps", WHOLE, CLASS),
    _contest("dc-race", "race", "released loop, 6 and 30 timesteps", PIXELS, RACING),
    _contest("dc-race-full", "race", "released loop, every class at 30 timesteps", WHOLE, RACING),
    _on_stable_diffusion("sd-staged", {"search": "staged"}, STAGED, LATENTS, CLASS),
    _on_stable_diffusion("sd-staged-32", {"search": "staged", "rows": BATCH}, STAGED, LATENTS, CLASS),
    # random weights hardly tell the classes apart, and the stages often rule out the grid's own class
    _on_stable_diffusion("sd-race", {"search": "race"}, EVERY, ALL_LATENTS, RACING),
    _on_stable_diffusion("sd-race-32", {"search": "race", "rows": BATCH}, EVERY, ALL_LATENTS, RACING),
    _on_stable_diffusion("sd-race-learnt", {"search": "race"}, STAGED, LATENTS, RACING, learnt=True),
    _on_stable_diffusion("sd-race-learnt-full", {"search": "race"}, EVERY, ALL_LATENTS, RACING, learnt=True),
)
