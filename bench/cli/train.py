"""`bench train`: weights with a card."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.console import print_json, stderr, stdout
from bench.domain.threat import ThreatModel, parse_epsilon


def train(
    defense: Annotated[str, typer.Argument(help="The defense to train.")],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    data_dir: options.DataDir = None,
    defense_settings: options.DefenseSettings = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--training-setting", "-T", metavar="KEY=VALUE", help="A hyperparameter of the recipe."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", envvar="BENCH_SEED", help="Seed of the training.")] = 0,
    attack: Annotated[
        str, typer.Option("--attack", help="Makes the adversarial training images, where needed.")
    ] = "aa-linf",
    source: Annotated[str, typer.Option("--source", help="The defense on which they are crafted.")] = "resnet",
    epsilon: Annotated[str, typer.Option("--epsilon", help="Their budget in pixel units.")] = "0.05",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for weights, card and checkpoints [runs/DATASET/DEFENSE]."),
    ] = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Train a defense; the same command goes on where an interrupted one stopped."""
    from bench.evaluation.environment import resolve_device
    from bench.evaluation.training import TrainingRequest
    from bench.evaluation.training import train as run
    from bench.progress import training_progress
    from bench.registry import attacks
    from bench.settings import parse_pairs

    request = TrainingRequest(
        defense=defense,
        threat=ThreatModel(attacks.find(attack).norm, parse_epsilon(epsilon)),
        attack=attack,
        source=source,
        folder=output or Path("runs") / dataset / defense,
        command=shlex.join(["bench", *sys.argv[1:]]),
        settings=parse_pairs(settings or ()),
        defense_settings=parse_pairs(defense_settings or ()),
        dataset=dataset,
        dataset_settings=parse_pairs(dataset_settings or ()),
        data_dir=data_dir,
        seed=seed,
        device=resolve_device(device),
    )
    with training_progress(stderr, f"[bold]{defense}[/] on {dataset}", quiet=as_json) as watch:
        report = run(request, watch)
    if as_json:
        print_json(
            {"weights": str(report.weights), "card": str(report.card), "accuracy": report.accuracy, **report.metrics}
        )
        return
    figures = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
    stdout.print(f"[bold]{defense}[/] reaches [bold]{report.accuracy:.2%}[/] on the test images ({figures}).")
    stdout.print(f"Weights {report.weights}, card {report.card}.", soft_wrap=True)
    stdout.print(
        f"Use them: bench evaluate --defense {defense} -D weights={report.weights} --attack aa-linf", soft_wrap=True
    )


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(train)
