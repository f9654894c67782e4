"""Options that several verbs share: environment variables, groups in the help, and what a shell offers for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli import completing

WHAT, BUDGET, HOW, WHERE, OUTPUT = "What", "Budget", "How", "Where", "Output"
"""The groups of options in a verb's help."""
PROTOCOLS = "the protocol's"
LARGEST_SEED = 2**32 - 1


def _setting(*flags: str, what: str, offered: completing.Words, kind: str = "") -> Any:
    shown = f"; `bench list {kind} NAME` shows them" if kind else ""
    told = f"A setting of the {what}{shown}."
    return typer.Option(*flags, metavar="KEY=VALUE", help=told, rich_help_panel=WHAT, autocompletion=offered)


Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        "-d",
        envvar="BENCH_DATASET",
        help="Data set; see `bench list datasets`.",
        rich_help_panel=WHAT,
        autocompletion=completing.datasets,
    ),
]
DatasetSettings = Annotated[
    list[str] | None, _setting("--dataset-setting", "-S", what="data set", offered=completing.dataset_settings)
]
DefenseSettings = Annotated[
    list[str] | None,
    _setting("--defense-setting", "-D", what="defense", kind="defenses", offered=completing.defense_settings),
]
AttackSettings = Annotated[
    list[str] | None,
    _setting("--attack-setting", "-A", what="attack", kind="attacks", offered=completing.attack_settings),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="BENCH_DATA_DIR",
        help="Where the data set's files are.",
        show_default="their usual place",
        rich_help_panel=WHERE,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        envvar="BENCH_SOURCE",
        help="The defense that the attack sees; 'self' is white box.",
        show_default=PROTOCOLS,
        rich_help_panel=WHAT,
        autocompletion=completing.sources,
    ),
]
SourceSettings = Annotated[
    list[str] | None, _setting("--source-setting", what="source", offered=completing.source_settings)
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples", envvar="BENCH_SAMPLES", help="How many samples.", show_default=PROTOCOLS, rich_help_panel=BUDGET
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        envvar="BENCH_SEEDS",
        help="How many seeds, counted from --seed: mean and worst.",
        rich_help_panel=BUDGET,
    ),
]
FixedNoise = Annotated[
    bool | None,
    typer.Option(
        "--fixed-noise",
        help="Let attack and judge share a random defense's noise: what its randomness alone protects falls.",
        rich_help_panel=BUDGET,
    ),
]
Passes = Annotated[
    int | None,
    typer.Option(
        "--passes",
        envvar="BENCH_PASSES",
        min=1,
        help="Stop the attack after so many passes a sample, whatever it is.",
        show_default="as many as it takes",
        rich_help_panel=BUDGET,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        envvar="BENCH_WORKERS",
        min=1,
        help="Processes; changes no result.",
        show_default="one a GPU, or a core",
        rich_help_panel=HOW,
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        envvar="BENCH_EXECUTOR",
        help="Who runs shards: processes, here (one job at a time), ray, or ray=HOST:PORT.",
        rich_help_panel=HOW,
        autocompletion=completing.executors,
    ),
]
ShardTimeout = Annotated[
    float | None,
    typer.Option(
        "--shard-timeout",
        envvar="BENCH_SHARD_TIMEOUT",
        min=1,
        help="Give a shard up after so many seconds of work.",
        show_default="never",
        rich_help_panel=HOW,
    ),
]
Replay = Annotated[
    int,
    typer.Option(
        "--replay",
        envvar="BENCH_REPLAY",
        min=1,
        help="Images a shard that are judged again in a fresh process.",
        rich_help_panel=HOW,
    ),
]
Database = Annotated[
    str,
    typer.Option(
        "--db", envvar="BENCH_DB", help="The store: a SQLite file, or a PostgreSQL URL.", rich_help_panel=WHERE
    ),
]
Artifacts = Annotated[
    str | None,
    typer.Option(
        "--artifacts",
        envvar="BENCH_ARTIFACTS",
        metavar="PLACE",
        help="Where crafted images lie: a folder, or a URL such as s3://bucket/folder.",
        show_default="beside the database",
        rich_help_panel=WHERE,
    ),
]
Images = Annotated[
    bool,
    typer.Option(
        "--images",
        help="Craft missing images of finished shards again, and check them by their hash.",
        rich_help_panel=HOW,
    ),
]
OnlyPriced = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what is left to do and what it would take, after timing a few small batches; store nothing.",
        rich_help_panel=HOW,
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag", metavar="TAG", help="A word to find plans by; may be given several times.", rich_help_panel=OUTPUT
    ),
]
Note = Annotated[
    str | None,
    typer.Option(
        "--note",
        metavar="TEXT",
        help="A sentence to keep beside the plan.",
        show_default="no note",
        rich_help_panel=OUTPUT,
    ),
]
OnlyTagged = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only plans with this tag; of several with all.", rich_help_panel=WHAT),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        envvar="BENCH_DEVICE",
        help="auto, cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.",
        rich_help_panel=HOW,
    ),
]
ProtocolName = Annotated[
    str,
    typer.Option(
        "--protocol",
        "-p",
        envvar="BENCH_PROTOCOL",
        help="A protocol's name, or a .toml file of your own.",
        rich_help_panel=WHAT,
        autocompletion=completing.protocols,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on stdout instead of tables and panels, errors included.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress and give no advice.", rich_help_panel=OUTPUT)
]

DEFAULT_EXECUTOR = "processes"
DEFAULT_DATABASE = "results.db"
DEFAULT_DATASET = "digits"
DEFAULT_PROTOCOL = "transfer-1024"
DEFAULT_REPLAY = 8
