"""`bench sweep`: a protocol's attacks x defenses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import advice, completing, options
from bench.cli.console import escape, print_json, stderr, stdout
from bench.cli.shown import crafted, panels, swept
from bench.cli.shown.dry_run import DryRun
from bench.domain.errors import UsageError
from bench.domain.threat import parse_epsilon

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.evaluation.sweep import Cell
    from bench.store.store import Store

FAILED = 1


def sweep(
    protocol: Annotated[
        str, typer.Argument(help="A protocol's name, or a .toml file of your own.", autocompletion=completing.protocols)
    ],
    defense: Annotated[
        list[str],
        typer.Option(
            "--defense",
            help="A defense; may be given several times. 'all' takes every one.",
            rich_help_panel=options.WHAT,
            autocompletion=completing.swept_defenses,
        ),
    ],
    attack: Annotated[
        list[str] | None,
        typer.Option(
            "--attack",
            help="Only these of the protocol's attacks, or others beside them.",
            show_default="all of the protocol's",
            rich_help_panel=options.WHAT,
            autocompletion=completing.judged_attacks,
        ),
    ] = None,
    defense_settings: options.DefenseSettings = None,
    attack_settings: options.AttackSettings = None,
    epsilon: Annotated[
        list[str] | None,
        typer.Option(
            "--epsilon",
            envvar="BENCH_EPSILON",
            help="Budget in pixel units; may be given several times.",
            show_default="the protocol's, or the data set's customary one",
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed",
            envvar="BENCH_SEED",
            help="Seed of the attack and the noise; may be given several times.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    seeds: options.Seeds = 1,
    sample_seed: Annotated[
        list[int] | None,
        typer.Option(
            "--sample-seed",
            envvar="BENCH_SAMPLE_SEED",
            help="Seed of the choice of samples; may be given several times.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    source: options.Source = None,
    source_settings: options.SourceSettings = None,
    fixed_noise: options.FixedNoise = None,
    passes: options.Passes = None,
    samples: options.Samples = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    executor: options.Executor = options.DEFAULT_EXECUTOR,
    shard_timeout: options.ShardTimeout = None,
    replay: options.Replay = options.DEFAULT_REPLAY,
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    images: options.Images = False,
    tags: options.Tags = None,
    note: options.Note = None,
    only_priced: options.OnlyPriced = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Fill a leaderboard: every defense under every attack of a protocol; a repeated command fills the gaps.

    Settings (-D, -A, -S), --epsilon, --seed and --sample-seed may be given several times: every combination is
    evaluated. 'all' as the value of a setting with a fixed choice of values means each of them.
    """
    from bench.api.work import Work
    from bench.evaluation.requests.planning import Request, seeded_requests
    from bench.evaluation.sweep import Axes, choose_defenses
    from bench.protocols import find_protocol
    from bench.settings import parse_axes, parse_pairs

    found = find_protocol(protocol)
    request = Request(
        defense="",
        attack="",
        protocol=found,
        dataset=dataset,
        data_dir=data_dir,
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
        DryRun(db, artifacts, device, data_dir, workers, executor, replay, as_json, quiet).of_cells(cells)
        return
    where = (db, artifacts, device, data_dir, workers, executor, shard_timeout, replay)
    work = Work(*where, quiet=quiet or as_json, tags=tags or (), note=note)
    store = work.store()
    done: list[tuple[Cell, Result | None]] = []
    for cell, progress in work.cells(cells, store):
        done.append((cell, _result(cell, store)))
        progress.cell_done(swept.line(*done[-1]))
    places = {(row, column): place for place, (row, column, _) in enumerate(cells)}
    done.sort(key=lambda pair: places[pair[0].defense, pair[0].attack])
    plans = [cell.evaluation.plan for cell, _ in done if cell.evaluation is not None]
    remade = crafted.craft_again(plans, store, device, data_dir, workers, executor, quiet or as_json) if images else []
    if not quiet:
        results = [result for _, result in done if result is not None]
        advice.tell([*advice.idle_workers(workers, plans), *advice.idle_noise(results, None, fixed_noise)])
    if as_json:
        print_json([_document(cell, result) for cell, result in done])
    else:
        stdout.print(swept.table(done, axes.rows(), axes.columns()))
        swept.show_corruptions([result for _, result in done if result is not None])
        _show_problems(done)
    if crafted.failed(remade) or any(cell.failed or (result is not None and result.invalid) for cell, result in done):
        raise typer.Exit(FAILED)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(sweep)


def _result(cell: Cell, store: Store) -> Result | None:
    from bench.analysis.results.summary import read

    if cell.evaluation is None:
        return None
    plan = cell.evaluation.plan
    return read(store, plan) if store.shards(plan) else None


def _show_problems(done: list[tuple[Cell, Result | None]]) -> None:
    for cell, _ in done:
        if cell.problem is not None:
            where = f"{escape(cell.defense)} under {escape(cell.attack)}"
            stderr.print(f"[red bold]Failed[/] {where}: {escape(cell.problem)}", highlight=False, soft_wrap=True)
        elif cell.evaluation is not None:
            panels.show_failures(cell.evaluation.failures)
            crafted.show_conflicts(cell.evaluation.conflicts)


def _document(cell: Cell, result: Result | None) -> dict[str, object]:
    if result is not None and cell.evaluation is not None:
        return {**panels.evaluation_document(result, cell.evaluation), "row": cell.defense, "column": cell.attack}
    failures = [] if cell.evaluation is None else [failure.sentence for failure in cell.evaluation.failures]
    return {"defense": cell.defense, "attack": cell.attack, "problem": cell.problem or "; ".join(failures)}
