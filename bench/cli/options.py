"""Options that several verbs share: environment variables, groups in the help, and what a shell offers for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completing

WHAT, BUDGET, HOW, WHERE, OUTPUT = "What", "Budget", "How", "Where", "Output"
"""The groups of options in a verb's help."""
PROTOCOLS = "the protocol's"
KEY = "KEY=VALUE"
LARGEST_SEED = 2**32 - 1

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
    list[str] | None,
    typer.Option(
        "--dataset-setting",
        "-S",
        metavar=KEY,
        help="A setting of the data set.",
        rich_help_panel=WHAT,
        autocompletion=completing.dataset_settings,
    ),
]
DefenseSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--defense-setting",
        "-D",
        metavar=KEY,
        help="A setting of the defense; `bench list defenses NAME` shows them.",
        rich_help_panel=WHAT,
        autocompletion=completing.defense_settings,
    ),
]
AttackSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--attack-setting",
        "-A",
        metavar=KEY,
        help="A setting of the attack; `bench list attacks NAME` shows them.",
        rich_help_panel=WHAT,
        autocompletion=completing.attack_settings,
    ),
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
    list[str] | None,
    typer.Option(
        "--source-setting",
        metavar=KEY,
        help="A setting of the source.",
        rich_help_panel=WHAT,
        autocompletion=completing.source_settings,
    ),
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
    list[str] | None, typer.Option("--tag", metavar="TAG", help="A word to find plans by; may be given several times.")
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A sentence to keep beside the plan.")]
OnlyTagged = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only plans with this tag; of several with all."),
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
