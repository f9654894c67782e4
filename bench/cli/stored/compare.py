"""`bench compare`: defenses side by side on the same samples, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from rich.text import Text

from bench.api.opening import opened, skipped
from bench.cli import completing, options
from bench.cli.console import counted, escape, left_out, print_json, stdout, table
from bench.cli.shown import crafted

if TYPE_CHECKING:
    from bench.analysis.comparisons.comparison import Comparison, Duel
    from bench.analysis.comparisons.contrasts import Contrast, Figure


def compare(
    *,
    references: Annotated[
        list[str],
        options.argument("Defenses, or the beginnings of plans' digests.", completing.compared, metavar="A B [C ...]"),
    ],
    protocols: Annotated[
        list[str] | None,
        options.protocol(
            "--protocol -p",
            "Compare under this protocol only: a name, or a .toml file of your own.",
            show_default="each that covers them",
        ),
    ] = None,
    attacks: Annotated[
        list[str] | None,
        options.attack(
            "--attack -a", "Compare under this attack only; may be repeated.", show_default="all that they share"
        ),
    ] = None,
    output: Annotated[
        Path | None, options.output("--output -o", "Write a page as well.", show_default="no page", metavar="PAGE.html")
    ] = None,
    seed: Annotated[int, options.how("--seed", "The bootstrap's seed.", min=0)] = 0,
    data_dir: options.DataDir = None,
    db: options.Database = options.DEFAULT_DATABASE,
    artifacts: options.Artifacts = None,
    as_json: options.Json = False,
) -> None:
    """Compare defenses on the same samples: what only one of them gets right, and whether that is more than chance."""
    from bench.api.compare import compared_in

    with opened(db, artifacts, left_out) as store:
        found = compared_in(store, references, protocols, attacks or (), output, seed, data_dir)
        crafted.tell_missed(store)
    if as_json:
        print_json({**found.document(), **skipped(store)})
        return
    for comparison in found.comparisons:
        _show(comparison)
    if output is not None:
        stdout.print(f"The page is at {escape(str(output))}; open it in a browser.", soft_wrap=True)


def _show(comparison: Comparison) -> None:
    board, plan = comparison.match.board, comparison.match.example
    protocol = f" under {board.protocol.name}" if board and board.protocol else ""
    for duel in comparison.duels:
        stdout.print(
            f"A [bold]{escape(duel.first.label)}[/] against B [bold]{escape(duel.second.label)}[/] "
            f"on {plan.samples} samples of {escape(plan.dataset.name)}{escape(protocol)}"
        )
        if duel.contrasts:
            stdout.print(_table(duel))
            _show_verdicts(duel)
        else:
            stdout.print("They share no finished and valid result here.")
        for kind, labels in duel.unequal.items():
            stdout.print(
                f"[yellow]Under {escape(', '.join(labels))} {escape(duel.first.label)} is {kind[0]} and "
                f"{escape(duel.second.label)} {kind[1]}: evidence of different strength.[/]"
            )
        for gap in duel.left_out:
            stdout.print(f"[yellow]Left out is {escape(gap)}.[/]")
        stdout.print()
    tests = counted(comparison.tests, "test")
    stdout.print(
        f"[dim]p is McNemar's, exact; below it Holm's over {tests}. Differences in points, with 95 % paired "
        f"bootstrap intervals (seed {comparison.seed}).[/]"
    )


def _table(duel: Duel) -> Table:
    """The numbers in two lines a measure, so that they fit into 80 columns."""
    found = table(None, ("",))
    for heading in ("A", "B", "only A\nonly B", "both\nneither", "A \N{MINUS SIGN} B", "p\nHolm"):
        found.add_column(heading, justify="right", no_wrap=True)
    for contrast in duel.contrasts:
        found.add_row(*_cells(contrast))
    return found


def _cells(contrast: Contrast) -> list[str]:
    from bench.analysis.notation import likelihood, signed

    low, high = contrast.interval.low, contrast.interval.high
    style = "bold green" if contrast.better > 0 else "bold red" if contrast.better < 0 else "dim"
    return [
        escape(contrast.label),
        _figure(contrast.first),
        _figure(contrast.second),
        f"{len(contrast.only_first)}\n{len(contrast.only_second)}",
        f"{contrast.both}\n{contrast.neither}",
        f"[{style}]{signed(contrast.difference)}[/]\n[dim]{signed(low)} to {signed(high)}[/]",
        f"[dim]{likelihood(contrast.p)}[/]\n[{style}]{likelihood(contrast.adjusted)}[/]",
    ]


def _figure(figure: Figure) -> str:
    return f"{100 * figure.rate:.1f}\n[dim]{100 * figure.interval.low:.1f}–{100 * figure.interval.high:.1f}[/]"


def _show_verdicts(duel: Duel) -> None:
    widest = max(len(contrast.label) for contrast in duel.contrasts)
    for contrast in duel.contrasts:
        style = "bold" if contrast.better else "dim"
        stdout.print(Text.assemble((f"{contrast.label:{widest}}  ", "dim"), (duel.verdict(contrast), style)))
