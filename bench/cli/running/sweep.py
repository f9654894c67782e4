"""`bench sweep`: a protocol's attacks x defenses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import FAILED, advice, completing, options
from bench.cli.console import failed, print_json, stdout
from bench.cli.shown import crafted, panels, swept
from bench.cli.shown.dry_run import DryRun
from bench.domain.errors import UsageError
from bench.domain.threat import parse_epsilon

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.evaluation.sweep import Cell


def sweep(
    *,
    protocol: Annotated[str, options.argument("A protocol's name, or a .toml file of your own.", completing.protocols)],
    defense: Annotated[
        list[str],
        options.what(
            "--defense",
            "A defense; may be given several times. 'all' takes every one.",
            autocompletion=completing.swept_defenses,
        ),
    ],
    attack: Annotated[
        list[str] | None,
        options.attack(
            "--attack",
            "Only these of the protocol's attacks, or others beside them.",
            show_default="all of the protocol's",
        ),
    ] = None,
    defense_settings: options.DefenseSettings = None,
    attack_settings: options.AttackSettings = None,
    epsilon: Annotated[
        list[str] | None,
        options.budget(
            "--epsilon",
            "Budget in pixel units; may be given several times.",
            env=True,
            show_default="the protocol's, or the data set's customary one",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        options.protocols_unless("--seed", "Seed of the attack and the noise; may be given several times."),
    ] = None,
    seeds: options.Seeds = 1,
    sample_seed: Annotated[
        list[int] | None,
        options.protocols_unless("--sample-seed", "Seed of the choice of samples; may be given several times."),
    ] = None,
    source: options.Source = None,
    source_settings: options.SourceSettings = None,
    fixed_noise: options.FixedNoise = None,
    passes: options.Passes = None,
    samples: options.Samples = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    running: options.Running,
    images: options.Images = False,
    tags: options.Tags = None,
    note: options.Note = None,
    only_priced: options.OnlyPriced = False,
    told: options.Told,
) -> None:
    """Fill a leaderboard: every defense under every attack of a protocol; a repeated command fills the gaps.

    Settings (-D, -A, -S), --epsilon, --seed and --sample-seed may be given several times: every combination is
    evaluated. 'all' as the value of a setting with a fixed choice of values means each of them.
    """
    from bench.analysis.results.begun import read_begun
    from bench.evaluation.requests.planning import seeded_requests
    from bench.evaluation.requests.request import Request
    from bench.evaluation.sweep import Axes, choose_defenses
    from bench.plugins.settings import parse_axes, parse_pairs
    from bench.protocols import find_protocol

    found = find_protocol(protocol)
    request = Request(
        defense="",
        attack="",
        protocol=found,
        dataset=dataset,
        data_dir=running.data_dir,
        source=source,
        source_settings=parse_pairs(source_settings or ()),
        samples=samples,
        fixed_noise=fixed_noise,
        passes=passes,
    )
    first = list(dict.fromkeys(seed or ()))
    if len(first) > 1 and seeds > 1:
        raise UsageError("Give either several --seed or --seeds, which counts from one --seed.")
    if seeds != 1:
        first = [each.seed or 0 for each in seeded_requests(replace(request, seed=first[0] if first else None), seeds)]
    axes = Axes(
        defenses=choose_defenses(defense),
        attacks=tuple(dict.fromkeys(attack or [entry.name for entry in found.attacks])),
        defense_settings=parse_axes(defense_settings or ()),
        attack_settings=parse_axes(attack_settings or ()),
        dataset_settings=parse_axes(dataset_settings or ()),
        epsilons=tuple(dict.fromkeys(map(parse_epsilon, epsilon or ()))) or (None,),
        seeds=first or (None,),
        sample_seeds=tuple(dict.fromkeys(sample_seed or ())) or (None,),
    )
    axes.expect(dataset, source)
    axes = axes.spelled_out(dataset)
    cells = axes.cells(request)
    if only_priced:
        DryRun(running, told).of_cells(cells)
        return
    work = running.work(quiet=told.silent, tags=tags or (), note=note)
    store = work.store()
    done: list[tuple[Cell, Result | None]] = []
    for cell, progress in work.cells(cells, store):
        done.append((cell, None if cell.evaluation is None else read_begun(store, cell.evaluation.plan)))
        progress.cell_done(swept.line(*done[-1]))
    places = {(row, column): place for place, (row, column, _) in enumerate(cells)}
    done.sort(key=lambda pair: places[pair[0].defense, pair[0].attack])
    plans = [cell.evaluation.plan for cell, _ in done if cell.evaluation is not None]
    remade = crafted.craft_again(plans, store, running, told.silent) if images else []
    if not told.quiet:
        results = [result for _, result in done if result is not None]
        advice.tell([*advice.idle_workers(running.workers, plans), *advice.idle_noise(results, None, fixed_noise)])
    if told.as_json:
        print_json([_document(cell, result) for cell, result in done])
    else:
        stdout.print(swept.table(done, axes.rows(), axes.columns()))
        swept.show_corruptions([result for _, result in done if result is not None])
        _show_problems(done)
    if crafted.failed(remade) or any(cell.failed or (result is not None and result.invalid) for cell, result in done):
        raise typer.Exit(FAILED)


def _show_problems(done: list[tuple[Cell, Result | None]]) -> None:
    for cell, _ in done:
        if cell.problem is not None:
            failed(f"{cell.defense} under {cell.attack}: {cell.problem}")
        elif cell.evaluation is not None:
            panels.show_troubles(cell.evaluation)


def _document(cell: Cell, result: Result | None) -> dict[str, object]:
    if result is not None and cell.evaluation is not None:
        return {**panels.evaluation_document(result, cell.evaluation), "row": cell.defense, "column": cell.attack}
    return {"defense": cell.defense, "attack": cell.attack, "problem": "; ".join(cell.troubles)}
