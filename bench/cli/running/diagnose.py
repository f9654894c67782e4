"""`bench diagnose`: is a defense's evaluation sound?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import FAILED, UNMET, completing, options
from bench.cli.console import escape, failed, print_json, stderr, stdout, table
from bench.domain.errors import BenchError, UsageError
from bench.domain.threat import parse_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.results.doctor import Check
    from bench.analysis.results.entries import Judged
    from bench.evaluation.requests.request import Request
    from bench.store.store import Store

COLOURS = {"pass": "green", "warn": "yellow", "fail": "red bold"}


def diagnose(
    *,
    defense: Annotated[str, options.argument("A defense; see `bench list defenses`.", completing.defenses)],
    defense_settings: options.DefenseSettings = None,
    norm: Annotated[str, options.budget("--norm", "linf or l2.", autocompletion=completing.norms)] = "linf",
    epsilon: Annotated[
        str | None,
        options.budget("--epsilon", "Budget in pixel units.", env=True, show_default="the data set's customary one"),
    ] = None,
    samples: Annotated[
        int | None, options.budget("--samples", "How many samples.", env=True, show_default="128")
    ] = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    told: options.Told,
) -> None:
    """Examine a defense: attacks of known strength, larger budgets, gradients, rounding, the binarization test.

    Every check passes, warns or fails, with one sentence; exit 3 if any fails. The runs are stored, and the defense's
    card on the page shows the checks.
    """
    from bench.analysis.results.doctor import examine
    from bench.evaluation.requests.request import Request
    from bench.evaluation.sweep import Axes
    from bench.plugins.settings import parse_pairs
    from bench.protocols import find_protocol
    from bench.protocols.examination import PROTOCOL, SAMPLES
    from bench.store.store import Store

    if norm not in ("linf", "l2"):
        raise UsageError(f"--norm must be linf or l2; got {norm!r}.")
    request = Request(
        defense=defense,
        attack="",
        protocol=find_protocol(PROTOCOL),
        defense_settings=parse_pairs(defense_settings or ()),
        dataset=dataset,
        dataset_settings=parse_pairs(dataset_settings or ()),
        data_dir=data_dir,
        epsilon=None if epsilon is None else parse_epsilon(epsilon),
        samples=SAMPLES if samples is None else samples,
    )
    Axes([defense], ()).expect(dataset, None)
    store = Store(db, artifacts=artifacts)
    found, problems = _examined(request, norm, store, device, workers, told.silent)
    if problems and not found:
        raise BenchError(problems[0])
    checks = examine(found)
    if told.as_json:
        print_json({"defense": defense, "checks": [check.document() for check in checks], "problems": problems})
    else:
        _show(defense, checks, problems)
    if problems:
        raise typer.Exit(FAILED)
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(UNMET)


def _examined(
    request: Request, norm: str, store: Store, device: str, workers: int | None, quiet: bool
) -> tuple[dict[str, Judged], list[str]]:
    """The results of the runs by name, and what went wrong; a random defense is given runs of its own after the
    others."""
    from bench.analysis.results.entries import read_entry
    from bench.evaluation.requests.examination import exams
    from bench.evaluation.sweep import sweep
    from bench.progress import EvaluationProgress
    from bench.protocols.examination import EXAMS

    found: dict[str, Judged] = {}
    problems: dict[str, str] = {}  # by sentence: what every run says is said once
    with EvaluationProgress(stderr, quiet=quiet) as progress:
        for random in (False, True):
            wanted = {name: each for name, each in exams(request, norm, random).items() if name not in found}
            if random and not any(pair[0].evidence and pair[0].evidence.random for pair in found.values()):
                break
            progress.cells(len(wanted))
            cells = [(request.defense, name, each) for name, each in wanted.items()]
            for cell in sweep(cells, store, progress, device, data_dir=request.data_dir, workers=workers):
                plan = cell.evaluation and cell.evaluation.plan
                if plan and store.shards(plan):
                    found[cell.attack] = read_entry(store, plan)
                    accuracy = found[cell.attack][0].robust_accuracy
                    progress.cell_done(f"{accuracy:7.2%} under [bold]{escape(cell.attack)}[/]")
                for sentence in cell.troubles:
                    if EXAMS[cell.attack].source and cell.attack not in found and not problems:
                        # no stranger knows these images: one check less, and no fault of the defense's
                        progress.cell_done(f"[dim]left out {escape(cell.attack)}: {escape(sentence)}[/]")
                    else:
                        problems.setdefault(sentence, cell.attack)
            if problems:
                break
    return found, [f"{exam}: {sentence}" for sentence, exam in problems.items()]


def _show(defense: str, checks: Sequence[Check], problems: Sequence[str]) -> None:
    rows = (
        (f"[{COLOURS[each.verdict]}]{each.verdict}[/]", escape(each.name), escape(each.sentence)) for each in checks
    )
    stdout.print(table(f"diagnosis of {escape(defense)}", ("", "check", "what was seen"), rows))
    for problem in problems:
        failed(problem)
