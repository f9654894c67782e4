"""`bench.evaluate` and `bench.sweep`: the figures of a defense, in memory or by name, under attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from bench.api.checked import of_type, whole
from bench.api.references import attack_of, dataset_of, defense_of
from bench.api.result import Result, Results
from bench.api.work import DATABASE, Work
from bench.domain.dataset import Sampling
from bench.domain.errors import UsageError
from bench.domain.threat import parse_epsilon
from bench.evaluation.requests.request import Request
from bench.plugins.settings import setting_text
from bench.protocols import find_protocol

PROTOCOL = "transfer-1024"
Settings = Mapping[str, Any]


def evaluate(
    defense: object,
    attack: object = "aa-linf",
    dataset: object = "digits",
    *,
    name: str | None = None,
    classes: Sequence[str] | None = None,
    protocol: str = PROTOCOL,
    source: str | None = None,
    epsilon: str | float | Fraction | None = None,
    samples: int | None = None,
    sampling: Sampling | None = None,
    sample_seed: int | None = None,
    seed: int | None = None,
    draws: int | None = None,
    shard_size: int | None = None,
    passes: int | None = None,
    fixed_noise: bool | None = None,
    defense_settings: Settings | None = None,
    attack_settings: Settings | None = None,
    dataset_settings: Settings | None = None,
    source_settings: Settings | None = None,
    data_dir: str | Path | None = None,
    db: str | Path = DATABASE,
    **work: Any,
) -> Result:
    """Measure one defense under one attack; a repeated call computes only what is missing.

    `defense` is a name, a torch module for images in [0, 1] (`bench.Network(module, mean, std)` normalises them first),
    a `bench.Classifier` or a `bench.Defense`; `attack` a name or a `bench.Attack`; `dataset` a name, a `bench.Dataset`,
    (images, labels), or a torch or Hugging Face data set, with `classes`' names. A module is the defense of its class,
    its settings and its weights, called `name`. Everything else is what `bench evaluate` has under the same word;
    `work` are device, workers, executor, shard_timeout, replay, artifacts, quiet, tags and note.

    Raises `UsageError` for what cannot be, `BenchError` where no shard has a result.
    """
    where = Work(db=db, data_dir=None if data_dir is None else Path(data_dir), **work)
    request = _request(defense, attack, dataset, name, classes, protocol, where)
    request = replace(
        request,
        source=source,
        epsilon=_exact(epsilon),
        samples=whole("samples", samples),
        sampling=_sampling(sampling),
        sample_seed=whole("sample_seed", sample_seed),
        seed=whole("seed", seed),
        draws=whole("draws", draws),
        shard_size=whole("shard_size", shard_size),
        passes=whole("passes", passes),
        fixed_noise=of_type("fixed_noise", fixed_noise, bool),
        defense_settings={**request.defense_settings, **(defense_settings or {})},
        attack_settings={**request.attack_settings, **(attack_settings or {})},
        dataset_settings={**request.dataset_settings, **(dataset_settings or {})},
        source_settings=source_settings or {},
    )
    (plan,) = where.plans([request])
    store = where.store()
    (evaluation,) = where.run([plan], store)
    return Result(evaluation, store, (_called(request.defense), _called(request.attack)))


def sweep(
    defenses: Sequence[object] | object,
    attacks: Sequence[object] | None = None,
    dataset: object = "digits",
    *,
    classes: Sequence[str] | None = None,
    protocol: str = PROTOCOL,
    source: str | None = None,
    epsilon: str | float | Fraction | None = None,
    samples: int | None = None,
    data_dir: str | Path | None = None,
    db: str | Path = DATABASE,
    **work: Any,
) -> Results:
    """Measure every defense under every attack (None: the protocol's), in one queue; `defenses` and the rest are what
    `evaluate` takes. What cannot be planned or fails is among the `problems`, and the others go on."""
    where = Work(db=db, data_dir=None if data_dir is None else Path(data_dir), **work)
    chosen = list(defenses) if isinstance(defenses, list | tuple) else [defenses]
    met = [each.name for each in find_protocol(protocol).attacks] if attacks is None else list(attacks)
    asked = [_request(defense, attack, dataset, None, classes, protocol, where) for attack in met for defense in chosen]
    rows = _names([(each.defense, each.defense_settings) for each in asked])
    columns = _names([(each.attack, each.attack_settings) for each in asked])
    budget, count = _exact(epsilon), whole("samples", samples)
    cells = [
        (row, column, replace(each, source=source, epsilon=budget, samples=count))
        for row, column, each in zip(rows, columns, asked, strict=True)
    ]
    store = where.store()
    found: dict[tuple[str, str], Result] = {}
    problems: list[str] = []
    for cell, progress in where.cells(cells, store):
        named = f"{cell.defense} under {cell.attack}"
        progress.cell_ended(named, cell.failed)
        problems += [f"{named}: {sentence}" for sentence in cell.troubles]
        if cell.evaluation is not None and store.shards(cell.evaluation.plan):
            found[cell.defense, cell.attack] = Result(cell.evaluation, store, (cell.defense, cell.attack))
    return Results([found[row, column] for row, column, _ in cells if (row, column) in found], problems)


def _sampling(wanted: Any) -> Sampling | None:
    if wanted not in (None, *get_args(Sampling)):
        raise UsageError(f"sampling must be {' or '.join(map(repr, get_args(Sampling)))}; got {wanted!r}.")
    found: Sampling | None = wanted
    return found


def _request(
    defense: object,
    attack: object,
    dataset: object,
    name: str | None,
    classes: Sequence[str] | None,
    protocol: str,
    work: Work,
) -> Request:
    folder = _memory(work.db)
    (subject, its), (against, theirs) = defense_of(defense, name, folder), attack_of(attack, folder)
    images, settings = dataset_of(dataset, None, classes, folder)
    return Request(
        defense=subject,
        attack=against,
        protocol=find_protocol(protocol),
        defense_settings=its,
        attack_settings=theirs,
        dataset=images,
        dataset_settings=settings,
        data_dir=work.data_dir,
    )


def _memory(db: str | Path) -> Path:
    """Where objects are kept: beside a file's store, in the working folder for a server's."""
    beside = "://" not in str(db) and Path(db).name
    place = Path(db).with_suffix(".memory") if beside else Path("results.memory")
    return place.expanduser()


def _exact(epsilon: str | float | Fraction | None) -> Fraction | None:
    """A budget as it is written: 0.05 is 1/20."""
    if epsilon is None or isinstance(epsilon, Fraction):
        return epsilon
    if isinstance(epsilon, bool):
        raise UsageError(f"A budget is a number or a text such as '8/255'; got {epsilon}.")
    return parse_epsilon(str(epsilon))


def _names(asked: Sequence[tuple[str, Settings]]) -> list[str]:
    """Of each reference with its settings how people say it, told apart where two would be called the same."""
    names: dict[str, str] = {}
    for reference, settings in asked:
        words = " ".join([_called(reference), *(f"{key}={setting_text(value)}" for key, value in settings.items())])
        known = f"{reference} {settings}"
        if known not in names:
            taken = sum(name.partition(" (")[0] == words for name in names.values())
            names[known] = f"{words} ({taken + 1})" if taken else words
    return [names[f"{reference} {settings}"] for reference, settings in asked]


def _called(reference: str) -> str:
    """A reference as people say it: of what was in memory its name."""
    path, _, attribute = reference.rpartition(":")
    return attribute if path.endswith(".py") else reference
