"""`bench generate`: images of every class from a generative defense, with a picture and what a judge makes of them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from bench.cli import completing, options
from bench.cli.console import print_json, stderr, stdout


def generate(
    *,
    defense: Annotated[str, options.argument("The defense whose model draws.", completing.defenses)],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    data_dir: options.DataDir = None,
    defense_settings: options.DefenseSettings = None,
    images: Annotated[int, options.budget("--images -n", "How many, spread evenly over the classes.")] = 1000,
    steps: Annotated[int, options.budget("--steps", "Steps of the sampler.")] = 18,
    seed: Annotated[
        int, options.budget("--seed", "Seed of the drawing.", env=True, min=0, max=options.LARGEST_SEED)
    ] = 0,
    pixels: Annotated[
        str, options.output("--pixels", "float32, or uint8 in an .npz as such data are published: a quarter the size.")
    ] = "float32",
    judge: Annotated[
        str,
        options.what(
            "--judge", "The defense that judges the images; 'none' for nobody.", autocompletion=completing.judges
        ),
    ] = "resnet",
    output: Annotated[
        Path | None,
        options.output(
            "--output -o", "Folder for images, picture and card.", show_default="runs/DATASET/DEFENSE-images"
        ),
    ] = None,
    device: options.Device = "auto",
    told: options.Told,
) -> None:
    """Draw images of every class; equal commands draw equal images."""
    from bench.loading.environment import resolve_device
    from bench.plugins.settings import parse_pairs
    from bench.progress import training_progress
    from bench.training.generation import GenerationRequest
    from bench.training.generation import generate as run

    request = GenerationRequest(
        defense=defense,
        folder=output or Path("runs") / dataset / f"{defense}-images",
        command=shlex.join(["bench", *sys.argv[1:]]),
        images=images,
        steps=steps,
        seed=seed,
        pixels=pixels,
        judge=None if judge == "none" else judge,
        device=resolve_device(device),
        defense_settings=parse_pairs(defense_settings or ()),
        dataset=dataset,
        dataset_settings=parse_pairs(dataset_settings or ()),
        data_dir=data_dir,
    )
    with training_progress(stderr, f"[bold]{defense}[/] draws {dataset}", quiet=told.silent) as watch:
        report = run(request, watch)
    if told.as_json:
        paths = {name: str(getattr(report, name)) for name in ("images", "picture", "card")}
        print_json({**paths, **report.figures})
        return
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.figures.items())
    stdout.print(f"[bold]{defense}[/] drew [bold]{images}[/] images in {steps} steps ({figures or 'not judged'}).")
    stdout.print(f"Images {report.images}, picture {report.picture}, card {report.card}.", soft_wrap=True)
