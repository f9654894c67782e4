"""`bench evaluate`: run a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import advice, completing, options
from bench.cli.console import print_json, stderr
from bench.cli.shown import crafted, panels
from bench.cli.shown.dry_run import DryRun
from bench.domain.errors import UsageError
from bench.domain.threat import parse_epsilon

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.evaluation.running.run import Evaluation
    from bench.store.store import Store

FAILED, BELOW = 1, 3


def evaluate(
    defense: Annotated[
        str,
        typer.Option(
            "--defense",
            help="A name, package.module:Attr, or ./file.py:Attr.",
            rich_help_panel=options.WHAT,
            autocompletion=completing.defenses,
        ),
    ],
    attack: Annotated[
        str,
        typer.Option(
            "--attack",
            help="A name, package.module:Attr, ./file.py:Attr; none for clean images.",
            rich_help_panel=options.WHAT,
            autocompletion=completing.judged_attacks,
        ),
    ],
    defense_settings: options.DefenseSettings = None,
    attack_settings: options.AttackSettings = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    protocol: options.ProtocolName = options.DEFAULT_PROTOCOL,
    source: options.Source = None,
    source_settings: options.SourceSettings = None,
    epsilon: Annotated[
        str | None,
        typer.Option(
            "--epsilon",
            envvar="BENCH_EPSILON",
            help="Budget in pixel units, exact: 8/255, 0.05.",
            show_default="the protocol's, or the data set's customary one",
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    samples: options.Samples = None,
    sampling: Annotated[
        str | None,
        typer.Option(
            "--sampling",
            envvar="BENCH_SAMPLING",
            help="How they are chosen: random or first.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
            autocompletion=completing.samplings,
        ),
    ] = None,
    sample_seed: Annotated[
        int | None,
        typer.Option(
            "--sample-seed",
            envvar="BENCH_SAMPLE_SEED",
            help="Seed of the choice of samples.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            envvar="BENCH_SEED",
            help="Seed of the attack and the noise.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    seeds: options.Seeds = 1,
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws",
            min=1,
            envvar="BENCH_DRAWS",
            help="Predictions an image of a random defense.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
    fixed_noise: options.FixedNoise = None,
    passes: options.Passes = None,
    shard_size: Annotated[
        int | None,
        typer.Option(
            "--shard-size",
            min=1,
            envvar="BENCH_SHARD_SIZE",
            help="Samples a shard: the batch.",
            show_default=options.PROTOCOLS,
            rich_help_panel=options.BUDGET,
        ),
    ] = None,
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
    fail_under: Annotated[
        float | None,
        typer.Option(
            "--fail-under",
            envvar="BENCH_FAIL_UNDER",
            min=0,
            max=1,
            help="Exit 3 below this robust accuracy.",
            show_default="never",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Measure one defense under one attack; a repeated command computes only what is missing."""
    from bench.api.work import Work
    from bench.evaluation.requests.planning import Request, seeded_requests
    from bench.evaluation.sweep import Axes
    from bench.protocols import find_protocol
    from bench.settings import parse_pairs

    if sampling not in (None, "random", "first"):
        raise UsageError(f"--sampling must be random or first; got {sampling!r}.")
    request = Request(
        defense=defense,
        attack=attack,
        protocol=find_protocol(protocol),
        defense_settings=parse_pairs(defense_settings or ()),
        attack_settings=parse_pairs(attack_settings or ()),
        dataset=dataset,
        dataset_settings=parse_pairs(dataset_settings or ()),
        data_dir=data_dir,
        source=source,
        source_settings=parse_pairs(source_settings or ()),
        epsilon=None if epsilon is None else parse_epsilon(epsilon),
        samples=samples,
        sampling=sampling,  # type: ignore[arg-type]  # checked above
        sample_seed=sample_seed,
        shard_size=shard_size,
        seed=seed,
        draws=draws,
        fixed_noise=fixed_noise,
        passes=passes,
    )
    Axes([defense], [attack], seeds=[seed], sample_seeds=[sample_seed]).expect(dataset, source)
    where = (db, artifacts, device, data_dir, workers, executor, shard_timeout, replay)
    work = Work(*where, quiet=quiet or as_json, tags=tags or (), note=note)
    plans = work.plans(seeded_requests(request, seeds))
    if not quiet:
        advice.tell(
            [
                *advice.without_effect(plans[0], source=source, epsilon=request.epsilon, passes=passes),
                *advice.idle_workers(workers, plans),
                *(["--fail-under changes nothing: a dry run measures nothing."] if only_priced and fail_under else []),
            ]
        )
    if only_priced:
        DryRun(db, artifacts, device, data_dir, workers, executor, replay, as_json, quiet).of_plans(plans, images)
        return
    store = work.store()
    evaluations = work.run(plans, store)
    remade = crafted.craft_again(plans, store, device, data_dir, workers, executor, quiet or as_json) if images else []
    results = [_result(evaluation, store) for evaluation in evaluations]
    found = panels.seeds_document(evaluations, results, store) if seeds > 1 else None
    if as_json:
        documents = [
            {**_document(*pair), "images": crafted.document(pair[0].plan, store, remade)}
            for pair in zip(evaluations, results, strict=True)
        ]
        print_json(documents[0] if seeds == 1 else {**(found or {}), "runs": documents})
    for evaluation, result in zip(evaluations, results, strict=True):
        panels.show_failures(evaluation.failures)
        crafted.show_conflicts(evaluation.conflicts)
        if result is not None and not as_json:
            panels.show_result(result, evaluation, store.location)
    if found and not as_json:
        panels.show_seeds(found)
    if not quiet:
        advice.tell(advice.idle_noise(filter(None, results), draws, fixed_noise))
        machines = [str(facts.get("device")) for result in filter(None, results) for facts in result.environments]
        on_cpu = all(machine.startswith("CPU") for machine in machines)
        advice.tell([] if shard_size or workers or not on_cpu else advice.idle_cores(evaluations))
    if not as_json:
        crafted.tell_absent(plans, store)
    if crafted.failed(remade):
        raise typer.Exit(FAILED)
    _leave(evaluations, results, fail_under)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command()(evaluate)


def _result(evaluation: Evaluation, store: Store) -> Result | None:
    """The figures of what is stored; None where nothing is."""
    from bench.analysis.results.summary import read

    return read(store, evaluation.plan) if store.shards(evaluation.plan) else None


def _document(evaluation: Evaluation, result: Result | None) -> dict[str, Any]:
    if result is None:
        return {"plan": evaluation.plan.digest, **panels.work_document(evaluation)}
    return panels.evaluation_document(result, evaluation)


def _leave(evaluations: list[Evaluation], results: list[Result | None], fail_under: float | None) -> None:
    """Exit as the results deserve: 1 for failed or invalid shards, 3 below the wanted accuracy."""
    if any(evaluation.failures for evaluation in evaluations):
        raise typer.Exit(FAILED)
    found = [result for result in results if result is not None]
    if len(found) < len(results) or any(result.invalid for result in found):
        raise typer.Exit(FAILED)
    lowest = min(result.robust_accuracy for result in found)
    if fail_under is not None and lowest < fail_under:
        stderr.print(f"Robust accuracy {lowest:.2%} is below --fail-under {fail_under:.2%}.")
        raise typer.Exit(BELOW)
