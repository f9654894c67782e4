"""Tables of figures in a notebook's output, which has no stylesheet: cells are HTML already, and carry their style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
CELL = "padding:.25em .9em .25em 0;text-align:left"


def table(rows: Iterable[Iterable[str]], heads: Sequence[str] = ()) -> str:
    """Rows of cells, below `heads` where there are any."""
    head = f"<thead>{_row(heads, 'th')}</thead>" if heads else ""
    return f'<table style="{TABLE}">{head}<tbody>{"".join(_row(cells, "td") for cells in rows)}</tbody></table>'


def _row(cells: Iterable[str], tag: str) -> str:
    inner = "".join(f'<{tag} style="{CELL}">{cell}</{tag}>' for cell in cells)
    return f"<tr>{inner}</tr>"
