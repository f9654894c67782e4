"""`bench evaluate`: run a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import FAILED, UNMET, advice, completing, options
from bench.cli.console import print_json, stderr
from bench.cli.shown import crafted, panels
from bench.cli.shown.dry_run import DryRun
from bench.domain.errors import UsageError
from bench.domain.threat import parse_epsilon

if TYPE_CHECKING:
    from bench.analysis.results.summary import Result
    from bench.evaluation.running.run import Evaluation


def evaluate(
    *,
    defense: Annotated[str, options.defense("--defense", "A name, package.module:Attr, or ./file.py:Attr.")],
    attack: Annotated[
        str, options.attack("--attack", "A name, package.module:Attr, ./file.py:Attr; none for clean images.")
    ],
    defense_settings: options.DefenseSettings = None,
    attack_settings: options.AttackSettings = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    dataset_settings: options.DatasetSettings = None,
    protocol: Annotated[
        str, options.protocol("--protocol -p", "A protocol's name, or a .toml file of your own.", env=True)
    ] = options.DEFAULT_PROTOCOL,
    source: options.Source = None,
    source_settings: options.SourceSettings = None,
    epsilon: Annotated[
        str | None,
        options.budget(
            "--epsilon",
            "Budget in pixel units, exact: 8/255, 0.05.",
            env=True,
            show_default="the protocol's, or the data set's customary one",
        ),
    ] = None,
    samples: options.Samples = None,
    sampling: Annotated[
        str | None,
        options.protocols_unless(
            "--sampling", "How they are chosen: random or first.", autocompletion=completing.samplings
        ),
    ] = None,
    sample_seed: Annotated[
        int | None, options.protocols_unless("--sample-seed", "Seed of the choice of samples.")
    ] = None,
    seed: Annotated[int | None, options.protocols_unless("--seed", "Seed of the attack and the noise.")] = None,
    seeds: options.Seeds = 1,
    draws: Annotated[
        int | None, options.protocols_unless("--draws", "Predictions an image of a random defense.", min=1)
    ] = None,
    fixed_noise: options.FixedNoise = None,
    passes: options.Passes = None,
    shard_size: Annotated[
        int | None, options.protocols_unless("--shard-size", "Samples a shard: the batch.", min=1)
    ] = None,
    running: options.Running,
    images: options.Images = False,
    tags: options.Tags = None,
    note: options.Note = None,
    only_priced: options.OnlyPriced = False,
    fail_under: Annotated[
        float | None,
        options.output(
            "--fail-under", "Exit 3 below this robust accuracy.", env=True, min=0, max=1, show_default="never"
        ),
    ] = None,
    told: options.Told,
) -> None:
    """Measure one defense under one attack; a repeated command computes only what is missing."""
    from bench.analysis.results.begun import read_begun, spread_of
    from bench.evaluation.requests.planning import seeded_requests
    from bench.evaluation.requests.request import Request
    from bench.evaluation.sweep import Axes
    from bench.plugins.settings import parse_pairs
    from bench.protocols import find_protocol

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
        data_dir=running.data_dir,
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
    work = running.work(quiet=told.silent, tags=tags or (), note=note)
    plans = work.plans(seeded_requests(request, seeds))
    if not told.quiet:
        advice.tell(
            [
                *advice.without_effect(plans[0], source=source, epsilon=request.epsilon, passes=passes),
                *advice.idle_workers(running.workers, plans),
                *(["--fail-under changes nothing: a dry run measures nothing."] if only_priced and fail_under else []),
            ]
        )
    if only_priced:
        DryRun(running, told).of_plans(plans, images)
        return
    store = work.store()
    evaluations = work.run(plans, store)
    remade = crafted.craft_again(plans, store, running, told.silent) if images else []
    results = [read_begun(store, evaluation.plan) for evaluation in evaluations]
    found = spread_of(results, store) if seeds > 1 else None
    if told.as_json:
        documents = [
            {**_document(*pair), "images": crafted.document(pair[0].plan, store, remade)}
            for pair in zip(evaluations, results, strict=True)
        ]
        print_json(documents[0] if seeds == 1 else {**(found.document() if found else {}), "runs": documents})
    for evaluation, result in zip(evaluations, results, strict=True):
        panels.show_troubles(evaluation)
        if result is not None and not told.as_json:
            panels.show_result(result, evaluation, store.location)
    if found and not told.as_json:
        panels.show_seeds(found)
    if not told.quiet:
        advice.tell(advice.idle_noise(filter(None, results), draws, fixed_noise))
        machines = [str(facts.get("device")) for result in filter(None, results) for facts in result.environments]
        on_cpu = all(machine.startswith("CPU") for machine in machines)
        advice.tell([] if shard_size or running.workers or not on_cpu else advice.idle_cores(evaluations))
    if not told.as_json:
        crafted.tell_absent(plans, store)
    if crafted.failed(remade):
        raise typer.Exit(FAILED)
    _leave(evaluations, results, fail_under)


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
        raise typer.Exit(UNMET)
