"""Options that several verbs share, each with its environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[
    str, typer.Option("--dataset", "-d", envvar="BENCH_DATASET", help="Data set; see `bench list datasets`.")
]
DatasetSettings = Annotated[
    list[str] | None, typer.Option("--dataset-setting", "-S", metavar="KEY=VALUE", help="A setting of the data set.")
]
DefenseSettings = Annotated[
    list[str] | None, typer.Option("--defense-setting", "-D", metavar="KEY=VALUE", help="A setting of the defense.")
]
AttackSettings = Annotated[
    list[str] | None, typer.Option("--attack-setting", "-A", metavar="KEY=VALUE", help="A setting of the attack.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", envvar="BENCH_DATA_DIR", help="Where the data set's files are, if not in their usual place."
    ),
]
Source = Annotated[
    str | None,
    typer.Option("--source", envvar="BENCH_SOURCE", help="The defense that the attack sees; 'self' is white box."),
]
SourceSettings = Annotated[
    list[str] | None, typer.Option("--source-setting", metavar="KEY=VALUE", help="A setting of the source.")
]
Samples = Annotated[int | None, typer.Option("--samples", envvar="BENCH_SAMPLES", help="How many samples.")]
Seeds = Annotated[
    int, typer.Option("--seeds", envvar="BENCH_SEEDS", help="How many seeds, counted from --seed: mean and worst.")
]
FixedNoise = Annotated[
    bool | None,
    typer.Option(
        "--fixed-noise",
        help="Let attack and judge share a random defense's noise: what its randomness alone protects falls.",
    ),
]
Passes = Annotated[
    int | None,
    typer.Option(
        "--passes", envvar="BENCH_PASSES", min=1, help="Stop the attack after so many passes a sample, whatever it is."
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", envvar="BENCH_WORKERS", min=1, help="Processes; changes no result.")
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        envvar="BENCH_EXECUTOR",
        help="Who runs shards: processes, here (one job at a time), ray, or ray=HOST:PORT.",
    ),
]
ShardTimeout = Annotated[
    float | None,
    typer.Option(
        "--shard-timeout", envvar="BENCH_SHARD_TIMEOUT", min=1, help="Give a shard up after so many seconds of work."
    ),
]
Replay = Annotated[
    int,
    typer.Option(
        "--replay", envvar="BENCH_REPLAY", min=1, help="Images a shard that are judged again in a fresh process."
    ),
]
Database = Annotated[
    str, typer.Option("--db", envvar="BENCH_DB", help="The store: a SQLite file, or a PostgreSQL URL.")
]
Artifacts = Annotated[
    str | None,
    typer.Option(
        "--artifacts",
        envvar="BENCH_ARTIFACTS",
        metavar="PLACE",
        help="Where crafted images lie, if not beside the database: a folder, or a URL such as s3://bucket/folder.",
    ),
]
Images = Annotated[
    bool,
    typer.Option("--images", help="Craft missing images of finished shards again, and check them by their hash."),
]
OnlyPriced = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what is left to do and what it would take, after timing a few small batches; store nothing.",
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
        "--device", envvar="BENCH_DEVICE", help="auto, cpu, cuda, cuda:1, ...; auto takes a GPU if there is one."
    ),
]
ProtocolName = Annotated[
    str,
    typer.Option("--protocol", "-p", envvar="BENCH_PROTOCOL", help="A protocol's name, or a .toml file of your own."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of tables and panels.")]

DEFAULT_EXECUTOR = "processes"
DEFAULT_DATABASE = "results.db"
DEFAULT_DATASET = "digits"
DEFAULT_PROTOCOL = "transfer-1024"
DEFAULT_REPLAY = 8
