"""`bench check`: whether a plugin keeps its contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import FAILED, completing, options
from bench.cli.console import escape, print_json, say, stdout

if TYPE_CHECKING:
    from bench.testing import Finding, Kind


def check(
    *,
    plugin: Annotated[
        str, options.argument("A name, package.module:Attr, or ./file.py:Attr, of any kind.", completing.plugins)
    ],
    settings: Annotated[
        list[str] | None, options.what("--setting -D -A -S", "A setting of the plugin.", metavar="KEY=VALUE")
    ] = None,
    dataset: options.Dataset = options.DEFAULT_DATASET,
    data_dir: options.DataDir = None,
    same_splits: Annotated[
        bool, options.how("--same-splits", "The data set's two splits are meant to be the same images.")
    ] = False,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Test a plugin of your own against the contracts of its kind; exit 1 if it breaks any."""
    from bench.loading.environment import resolve_device
    from bench.plugins.settings import parse_pairs
    from bench.testing import check_attack, check_dataset, kind_of

    kind, pairs = kind_of(plugin), parse_pairs(settings or ())
    if kind == "defense":
        findings = _defense(plugin, pairs, dataset, data_dir, resolve_device(device))
    elif kind == "attack":
        findings = check_attack(plugin, pairs)
    else:
        findings = check_dataset(plugin, data_dir, pairs, same_splits)
    _show(plugin, kind, findings, as_json)
    if not all(finding.passed for finding in findings):
        raise typer.Exit(FAILED)


def _defense(
    plugin: str, settings: Mapping[str, str], dataset: str, data_dir: Path | None, device: str
) -> list[Finding]:
    """The findings of a defense on the first test images of a data set."""
    from bench.plugins.registry import datasets
    from bench.testing import SHOWN, check_defense

    images = datasets.make(dataset, {}).load("test", data_dir)
    return check_defense(plugin, images.task, settings, images.read(range(min(SHOWN, len(images)))).images, device)


def _show(plugin: str, kind: Kind, findings: list[Finding], as_json: bool) -> None:
    broken = sum(not finding.passed for finding in findings)
    if as_json:
        print_json({"plugin": plugin, "kind": kind, "passed": not broken, "findings": [*map(asdict, findings)]})
        return
    for finding in findings:
        mark = "[green]kept[/]  " if finding.passed else "[red bold]broken[/]"
        sentence = f": {escape(finding.sentence)}" if finding.sentence else ""
        say(f"{mark} {escape(finding.contract)}{sentence}")
    verdict = "keeps all" if not broken else f"breaks {broken} of"
    stdout.print(f"The {kind} [bold]{escape(plugin)}[/] {verdict} {len(findings)} contracts.", highlight=False)
