"""Options that several verbs share, and the groups of the help in which options stand.

Declarations are alike, here and in the verbs, for typer reads one a parameter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import completing

if TYPE_CHECKING:
    from bench.api.work import Work

PROTOCOLS = "the protocol's"
LARGEST_SEED = 2**32 - 1
DEFAULT_DATABASE = "results.db"
DEFAULT_DATASET = "digits"
DEFAULT_PROTOCOL = "transfer-1024"


def _option(group: str, flags: str, told: str, env: bool = False, **rest: Any) -> Any:
    """An option in a group of the help, where it is `told` what it does; `rest` is what typer takes beside.

    With `env` a variable gives it as well: BENCH_EPSILON of --epsilon.
    """
    names = flags.split()
    variable = f"BENCH_{names[0].removeprefix('--').replace('-', '_').upper()}" if env else None
    return typer.Option(*names, help=told, envvar=variable, rich_help_panel=group, **rest)


def argument(told: str, offered: completing.Words | None = None, **rest: Any) -> Any:
    """An argument, what it is told to be, and what a shell offers for it."""
    return typer.Argument(help=told, autocompletion=offered, **rest)


def _setting(flags: str, of: str, offered: completing.Words, kind: str = "") -> Any:
    shown = f"; `bench list {kind} NAME` shows them" if kind else ""
    return what(flags, f"A setting of the {of}{shown}.", metavar="KEY=VALUE", autocompletion=offered)


what, budget, how = partial(_option, "What"), partial(_option, "Budget"), partial(_option, "How")
where, output = partial(_option, "Where"), partial(_option, "Output")
defense = partial(what, autocompletion=completing.defenses)
attack = partial(what, autocompletion=completing.judged_attacks)
protocol = partial(what, autocompletion=completing.protocols)
"""What names a plugin or a protocol."""
protocols_unless = partial(budget, env=True, show_default=PROTOCOLS)
"""A part of the budget that is the protocol's unless it is given."""

Dataset = Annotated[
    str, what("--dataset -d", "Data set; see `bench list datasets`.", env=True, autocompletion=completing.datasets)
]
DatasetSettings = Annotated[list[str] | None, _setting("--dataset-setting -S", "data set", completing.dataset_settings)]
DefenseSettings = Annotated[
    list[str] | None, _setting("--defense-setting -D", "defense", completing.defense_settings, "defenses")
]
AttackSettings = Annotated[
    list[str] | None, _setting("--attack-setting -A", "attack", completing.attack_settings, "attacks")
]
Source = Annotated[
    str | None,
    what(
        "--source",
        "The defense that the attack sees; 'self' is white box.",
        env=True,
        show_default=PROTOCOLS,
        autocompletion=completing.sources,
    ),
]
SourceSettings = Annotated[list[str] | None, _setting("--source-setting", "source", completing.source_settings)]
OnlyTagged = Annotated[list[str] | None, what("--tag", "Only plans with this tag; of several with all.", metavar="TAG")]
Samples = Annotated[int | None, protocols_unless("--samples", "How many samples.")]
Seeds = Annotated[int, budget("--seeds", "How many seeds, counted from --seed: mean and worst.", env=True)]
FixedNoise = Annotated[
    bool | None,
    budget(
        "--fixed-noise",
        "Let attack and judge share a random defense's noise: what its randomness alone protects falls.",
    ),
]
Passes = Annotated[
    int | None,
    budget(
        "--passes",
        "Stop the attack after so many passes a sample, whatever it is.",
        env=True,
        min=1,
        show_default="as many as it takes",
    ),
]
Device = Annotated[str, how("--device", "auto, cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.", env=True)]
Workers = Annotated[
    int | None,
    how(
        "--workers", "Processes, a core each; changes no result.", env=True, min=1, show_default="one a GPU, or a core"
    ),
]
Executor = Annotated[
    str,
    how(
        "--executor",
        "Who runs shards: processes, here (one job at a time), ray, or ray=HOST:PORT.",
        env=True,
        autocompletion=completing.executors,
    ),
]
ShardTimeout = Annotated[
    float | None,
    how("--shard-timeout", "Give a shard up after so many seconds of work.", env=True, min=1, show_default="never"),
]
Replay = Annotated[int, how("--replay", "Images a shard that are judged again in a fresh process.", env=True, min=1)]
Images = Annotated[
    bool, how("--images", "Craft missing images of finished shards again, and check them by their hash.")
]
OnlyPriced = Annotated[
    bool,
    how("--dry-run", "Say what is left to do and what it would take, after timing a few small batches; store nothing."),
]
DataDir = Annotated[
    Path | None,
    where("--data-dir", "Where the data set's files are.", env=True, show_default="their usual place"),
]
Database = Annotated[str, where("--db", "The store: a SQLite file, or a PostgreSQL URL.", env=True)]
Artifacts = Annotated[
    str | None,
    where(
        "--artifacts",
        "Where crafted images lie: a folder, or a URL such as s3://bucket/folder.",
        env=True,
        metavar="PLACE",
        show_default="beside the database",
    ),
]
Tags = Annotated[
    list[str] | None, output("--tag", "A word to find plans by; may be given several times.", metavar="TAG")
]
Note = Annotated[
    str | None,
    output("--note", "A sentence to keep beside the plan.", metavar="TEXT", show_default="no note"),
]
Json = Annotated[
    bool, output("--json", "Print one JSON document on stdout instead of tables and panels, errors included.")
]
Quiet = Annotated[bool, output("--quiet -q", "Show no progress and give no advice.")]
Plan = Annotated[str, argument("A plan's digest, or its beginning; `bench list plans` shows them.", completing.plans)]


@dataclass(frozen=True)
class Running:
    """With what a verb measures; none of it changes an outcome. Fields are called as those of `Work`."""

    device: Device = "auto"
    workers: Workers = None
    executor: Executor = "processes"
    shard_timeout: ShardTimeout = None
    replay: Replay = 8
    data_dir: DataDir = None
    db: Database = DEFAULT_DATABASE
    artifacts: Artifacts = None

    def work(self, **more: Any) -> Work:
        """The same for calls from Python, with what else these are told."""
        from bench.api.work import Work

        return Work(**vars(self), **more)


@dataclass(frozen=True)
class Told:
    """How a verb tells what it does and finds."""

    quiet: Quiet = False
    as_json: Json = False

    @property
    def silent(self) -> bool:
        """Whether no progress is shown."""
        return self.quiet or self.as_json
