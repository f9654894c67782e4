"""`bench generate`: images of every class from a generative defense, with a picture and what a judge makes of them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completing, options
from bench.cli.console import print_json, stderr, stdout


def generate(
    defense: Annotated[str, typer.Argument(help="The defense whose model draws.", autocompletion=completing.defenses)],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    data_dir: options.DataDir = None,
    defense_settings: options.DefenseSettings = None,
    images: Annotated[
        int,
        typer.Option(
            "--images", "-n", help="How many, spread evenly over the classes.", rich_help_panel=options.BUDGET
        ),
    ] = 1000,
    steps: Annotated[int, typer.Option("--steps", help="Steps of the sampler.", rich_help_panel=options.BUDGET)] = 18,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            envvar="BENCH_SEED",
            help="Seed of the drawing.",
            min=0,
            max=options.LARGEST_SEED,
            rich_help_panel=options.BUDGET,
        ),
    ] = 0,
    pixels: Annotated[
        str,
        typer.Option(
            "--pixels",
            help="float32, or uint8 in an .npz as such data are published: a quarter the size.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = "float32",
    judge: Annotated[
        str,
        typer.Option(
            "--judge",
            help="The defense that judges the images; 'none' for nobody.",
            rich_help_panel=options.WHAT,
            autocompletion=completing.judges,
        ),
    ] = "resnet",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for images, picture and card.",
            show_default="runs/DATASET/DEFENSE-images",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Draw images of every class; equal commands draw equal images."""
    from bench.loading.environment import resolve_device
    from bench.progress import training_progress
    from bench.settings import parse_pairs
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
        defense_settings=parse_pairs(defense_settings or ()),
        dataset=dataset,
        dataset_settings=parse_pairs(dataset_settings or ()),
        data_dir=data_dir,
        device=resolve_device(device),
    )
    with training_progress(stderr, f"[bold]{defense}[/] draws {dataset}", quiet=quiet or as_json) as watch:
        report = run(request, watch)
    if as_json:
        paths = {name: str(getattr(report, name)) for name in ("images", "picture", "card")}
        print_json({**paths, **report.figures})
        return
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.figures.items())
    stdout.print(f"[bold]{defense}[/] drew [bold]{images}[/] images in {steps} steps ({figures or 'not judged'}).")
    stdout.print(f"Images {report.images}, picture {report.picture}, card {report.card}.", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(generate)
