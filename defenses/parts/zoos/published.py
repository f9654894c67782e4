"""RobustBench's published figures, from the tables in the description that its package carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, metadata

from bench import PluginError, Published

INSTALL = "pip install 'defense-bench[robustbench]'"
_DATA = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet": "imagenet"}
_BOARD = re.compile(r"#### (Linf|L2|.*corruptions)(?:, eps=([\d./]+))?", re.IGNORECASE)
_PAPER = re.compile(r"\[(.+)\]\(.*\)")


def figures() -> Sequence[Published]:
    """Every row of every leaderboard of the installed package, in its order.

    RobustBench (Croce et al. 2021, 2010.09670), MIT licence. Raises `PluginError` where the package is not installed.
    """
    try:
        description = metadata("robustbench")
    except PackageNotFoundError as error:
        raise PluginError(f"RobustBench's models are not known, for it is not installed; {INSTALL}.") from error
    return rows(str(description.get_payload()), f"RobustBench {description['Version']}")  # type: ignore[attr-defined]


def rows(text: str, source: str) -> list[Published]:
    """The rows of a description in Markdown: a heading a data set, one a leaderboard, a table below it."""
    found: list[Published] = []
    data, board = None, None
    for line in text.splitlines():
        if line.startswith("### "):
            data = _DATA.get(line[4:].strip())
        elif line.startswith("#### "):
            board = _BOARD.match(line)
        elif data and board and "<sub>**" in line:
            norm = board[1].lower() if board[1].lower() in ("linf", "l2") else "corruptions"
            epsilon = Fraction(board[2]) if board[2] else None
            found.append(_row(line, data, norm, epsilon, source))
    return found


def _row(line: str, data: str, norm: str, epsilon: Fraction | None, source: str) -> Published:
    """One line: rank, name, paper, clean and robust accuracy in percent, architecture, venue."""
    cells = [re.sub(r"<[^>]+>|\*", "", cell).strip() for cell in line.strip().strip("|").split("|")]
    _, name, paper, clean, robust, _, venue = cells
    title = _PAPER.match(paper)
    return Published(
        name, data, norm, epsilon, _share(clean), _share(robust), title[1] if title else paper, venue, source
    )


def _share(percent: str) -> float:
    return round(float(percent.rstrip("%")) / 100, 6)
