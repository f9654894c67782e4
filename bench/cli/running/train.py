"""`bench train`: weights with a card."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.cli import completing, options
from bench.cli.console import escape, print_json, stderr, stdout
from bench.domain.threat import ThreatModel, parse_epsilon

if TYPE_CHECKING:
    from bench.training.training import TrainingReport


def train(
    *,
    defense: Annotated[str, options.argument("The defense to train.", completing.defenses)],
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    data_dir: options.DataDir = None,
    defense_settings: options.DefenseSettings = None,
    settings: Annotated[
        list[str] | None,
        options.budget(
            "--training-setting -T", "A hyperparameter; given several times, each is trained.", metavar="KEY=VALUE"
        ),
    ] = None,
    seed: Annotated[
        int, options.budget("--seed", "Seed of the training.", env=True, min=0, max=options.LARGEST_SEED)
    ] = 0,
    attack: Annotated[
        str,
        options.what(
            "--attack", "Makes the adversarial training images, where needed.", autocompletion=completing.attacks
        ),
    ] = "aa-linf",
    attack_settings: options.AttackSettings = None,
    source: Annotated[str, options.defense("--source", "The defense on which they are crafted.")] = "resnet",
    source_settings: options.SourceSettings = None,
    epsilon: Annotated[str, options.budget("--epsilon", "Their budget in pixel units.", env=True)] = "0.05",
    evaluate: Annotated[
        int, options.budget("--evaluate", "Test images to classify at the end; 0 for none.", min=0)
    ] = 1024,
    output: Annotated[
        Path | None,
        options.output("--output -o", "Folder for weights, card and checkpoints.", show_default="runs/DATASET/DEFENSE"),
    ] = None,
    device: options.Device = "auto",
    told: options.Told,
) -> None:
    """Train a defense; the same command goes on where an interrupted one stopped."""
    from bench.loading.environment import resolve_device
    from bench.plugins.registry import attacks
    from bench.plugins.settings import combinations, parse_axes, parse_pairs
    from bench.progress import training_progress
    from bench.training.crafting import Perturbing
    from bench.training.training import TrainingRequest
    from bench.training.training import train as run

    axes = parse_axes(settings or ())
    varied = [key for key, values in axes.items() if len(values) > 1]
    folder = output or Path("runs") / dataset / defense
    adversarial = Perturbing(
        threat=ThreatModel(attacks.find(attack).norm, parse_epsilon(epsilon)),
        attack=attack,
        source=source,
        attack_settings=parse_pairs(attack_settings or ()),
        source_settings=parse_pairs(source_settings or ()),
    )
    reports = []
    for chosen in combinations(axes):
        words = [f"{key}={chosen[key]}" for key in varied]
        place = folder.joinpath(*(word.replace("/", "_") for word in words))
        request = TrainingRequest(
            defense=defense,
            adversarial=adversarial,
            folder=place,
            command=_command(sys.argv[1:], words, varied, place),
            settings=chosen,
            seed=seed,
            device=resolve_device(device),
            evaluate=evaluate,
            defense_settings=parse_pairs(defense_settings or ()),
            dataset=dataset,
            dataset_settings=parse_pairs(dataset_settings or ()),
            data_dir=data_dir,
        )
        with training_progress(stderr, f"[bold]{' '.join([defense, *words])}[/] on {dataset}", told.silent) as watch:
            reports.append(report := run(request, watch))
        if not told.as_json:
            _show(report, ["--defense", defense, *_settings(defense_settings or ())], dataset)
    if told.as_json:
        documents = [_document(report) for report in reports]
        print_json(documents if varied else documents[0])
    elif varied:
        choices = " ".join(f"-D weights={shlex.quote(str(report.weights))}" for report in reports)
        stdout.print(f"Compare them: bench sweep white-box-1024 --defense {defense} {choices}", soft_wrap=True)


def _settings(pairs: Iterable[str]) -> list[str]:
    return [word for pair in pairs for word in ("-D", pair)]


def _show(report: TrainingReport, chosen: list[str], dataset: str) -> None:
    """What came of it, and the command that evaluates it; `chosen` are the words that choose the defense."""
    defense = escape(chosen[1])
    figures = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
    if report.accuracy is None:
        stdout.print(f"[bold]{defense}[/] is trained; its accuracy was not measured ({figures}).")
    else:
        stdout.print(
            f"[bold]{defense}[/] reaches [bold]{report.accuracy:.2%}[/] on {report.evaluated} test images ({figures})."
        )
    stdout.print(f"Weights {report.weights}, card {report.card}.", soft_wrap=True)
    words = ["bench", "evaluate", *chosen, *_settings([f"weights={report.weights}"])]
    words += [] if dataset == options.DEFAULT_DATASET else ["--dataset", dataset]
    command = shlex.join([*words, "--attack", "aa-linf"])
    stdout.print(f"Use them: {escape(command)}", soft_wrap=True, highlight=False)


def _document(report: TrainingReport) -> dict[str, object]:
    paths = {"weights": str(report.weights), "card": str(report.card)}
    return {**paths, "accuracy": report.accuracy, **report.metrics}


def _command(words: list[str], chosen: list[str], varied: list[str], folder: Path) -> str:
    """The command line of one of several runs: its own choice of what varies, and its own folder."""
    if not varied:
        return shlex.join(["bench", *words])
    kept: list[str] = []
    left = iter(words)
    for word in left:
        if word in ("-o", "--output"):
            next(left, None)
        elif word in ("-T", "--training-setting"):
            setting = next(left, "")
            if setting.partition("=")[0].strip() not in varied:
                kept += [word, setting]
        elif not word.startswith("--output="):
            kept.append(word)
    choices = [word for setting in chosen for word in ("-T", setting)]
    return shlex.join(["bench", *kept, *choices, "--output", str(folder)])
