"""Tasks, tiny Stable Diffusions and plain loops that the tests of the diffusion defenses share."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench import Task
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion import pixels
from defenses.parts.diffusion.denoiser import Denoiser
from defenses.parts.diffusion.diffusion_classification import DiffusionClassification

COLOURS = Task("colours", ("red", "green", "blue", "grey"), (3, 8, 8))
PROMPT = "a photo of {class}."
GREYS = Task("greys", ("dark", "light", "mixed"), (1, 8, 8))


def stable_diffusion(folder: Path, prediction: str = "epsilon") -> Path:
    """A Stable Diffusion of a few thousand parameters, saved in diffusers' layout."""
    return Path(shutil.copytree(_saved(prediction).name, folder, dirs_exist_ok=True))


@cache
def _saved(prediction: str) -> TemporaryDirectory[str]:
    """The one that all others of this process are copies of."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel

    from defenses.parts.weights.hub_models import quiet

    kept = TemporaryDirectory()
    folder = Path(kept.name)
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(0)
        AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=4,
            scaling_factor=0.18215,
        ).save_pretrained(folder / "vae")
        UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=4,
            norm_num_groups=4,
        ).save_pretrained(folder / "unet")
        letters = _tokenizer(folder / "tokenizer")
        CLIPTextModel(
            CLIPTextConfig(
                vocab_size=letters,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=77,
            )
        ).save_pretrained(folder / "text_encoder")
        DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction
        ).save_pretrained(folder / "scheduler")
    return kept


def _tokenizer(folder: Path) -> int:
    """CLIP's own tokenizer with letters for a vocabulary; gives its size."""
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz."
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"})
    )
    assert len(CLIPTokenizer.from_pretrained(folder, local_files_only=True)) == len(words)
    return len(words)


def plain_errors(folder: Path, images: Tensor, noise: Tensor, steps: list[int], loss: str, prompt: str) -> Tensor:
    """Errors (N, K, T) by a loop over images, classes and timesteps, with the libraries' own models and scheduler."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    from defenses.parts.weights.hub_models import quiet

    with quiet():
        autoencoder = AutoencoderKL.from_pretrained(folder / "vae").requires_grad_(False)
        network = UNet2DConditionModel.from_pretrained(folder / "unet").requires_grad_(False)
        encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").requires_grad_(False)
        scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    errors = []
    for image in images:
        enlarged = by_pillow(image[None], 16)
        latent = autoencoder.encode(2 * enlarged - 1).latent_dist.mean * 0.18215
        for name in COLOURS.classes:
            tokens = tokenizer(
                prompt.replace("{class}", name), padding="max_length", max_length=77, return_tensors="pt"
            )
            embedding = encoder(tokens.input_ids)[0]
            for step, drawn in zip(steps, noise, strict=True):
                time = torch.tensor([step])
                noisy = scheduler.add_noise(latent, drawn[None], time)
                predicted = network(noisy, time, encoder_hidden_states=embedding).sample
                if scheduler.config.prediction_type == "v_prediction":
                    share = scheduler.alphas_cumprod[step]
                    predicted = share.sqrt() * predicted + (1 - share).sqrt() * noisy
                difference = predicted - drawn[None]
                errors.append(difference.abs().mean() if loss == "l1" else difference.square().mean())
    return torch.stack(errors).view(len(images), len(COLOURS.classes), len(steps))


def by_pillow(images: Tensor, side: int) -> Tensor:
    """Images (N, C, H, H) enlarged by what Pillow makes of the unit vectors, cut off where they leave [0, 1]."""
    units = Image.fromarray(np.eye(images.shape[2], dtype=np.float32))
    weights = torch.from_numpy(np.array(units.resize((images.shape[2], side), Image.Resampling.BICUBIC)))
    return (weights @ (images @ weights.T).clamp(0, 1)).clamp(0, 1)


def rng(seed: int = 1) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def images(count: int, shape: tuple[int, ...] = (3, 8, 8)) -> Tensor:
    """Random images (N, C, H, W)."""
    return torch.rand(count, *shape, generator=rng(5))


def class_folders(root: Path, count: int) -> None:
    """Bright and dark photographs of 20 x 20 pixels to train and to test on, so many a class."""
    random = np.random.RandomState(0)
    for split in ("train", "test"):
        for place, name in enumerate(("bright", "dark")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                shown = random.randint(128 * (1 - place), 256 - 128 * place, (20, 20, 3)).astype(np.uint8)
                Image.fromarray(shown).save(root / split / name / f"{number}.png")


class Formula(Denoiser):
    """A denoiser of pixels without a network to speak of, to which an image is its one code."""

    pixels = True

    def encode(self, images: Tensor) -> Tensor:
        return 2 * images - 1

    def sample(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return self.encode(images)


def unstaged(folder: Path, loss: str = "l1", rows: int | None = None) -> DiffusionClassifier:
    """A classifier by Stable Diffusion that looks at timesteps 125, 375, 625 and 875 for every class."""
    return DiffusionClassifier(
        weights=str(folder),
        timesteps=4,
        search="full",
        negligible=0,
        prompt=PROMPT,
        loss=loss,  # type: ignore[arg-type]
        rows=rows,
    )


def pixel_classifier(settings: DiffusionClassifier, dtype: torch.dtype = torch.float32) -> DiffusionClassification:
    """A classifier of greys by an untrained network whose every weight is set."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = pixels.build(GREYS).to(dtype)
    denoiser = pixels.PixelDenoiser(network.eval().requires_grad_(False), pixels.SCHEDULE, Path("untrained"))
    return settings.classifier(denoiser, GREYS, "cpu")
