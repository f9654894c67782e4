"""Tables as text to keep, paste and print: CSV, JSON, LaTeX (booktabs) and Markdown.

A text is put together from pieces, one a cell, so that a page can leave out rows and columns without escaping anything
itself: `pieces` gives what `csv_text` and the others join.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from bench.analysis.boards.table import Cell, Figure, Heading, Rank, Table
from bench.analysis.notation import duration, memory, passes, percent

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With one of these a text begins that a spreadsheet may take for a formula."""
PARTS = ("", " low", " high", " n")
"""The columns that a figure takes in CSV."""
LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"},
    **{
        "\N{ZERO WIDTH SPACE}": "{}",
        "|": r"\textbar{}",
        '"': "''",
        "\u00a0": "~",
        "–": "--",
        "—": "---",
        "·": r"\textperiodcentered{}",
    },
    **{"ℓ": r"$\ell$", "∞": r"$_\infty$", "≤": r"$\leq$", "≥": r"$\geq$"},
    **{chr(0x2080 + digit): f"$_{digit}$" for digit in range(10)},
}
MARKDOWN = {
    **{sign: f"\\{sign}" for sign in "\\`*_{}[]#|~!$"},
    **{"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " ", "\u2028": " ", "\u2029": " "},
}
NONE = "–"


def csv_text(table: Table) -> str:
    """The table for a spreadsheet (RFC 4180): shares in [0, 1], a figure as four columns, formulas defused."""
    lines = [[_csv_heading(heading) for heading in table.headings]]
    lines += [[_csv_cell(cell, head) for cell, head in zip(row, table.headings, strict=True)] for row in table.rows]
    return "".join(",".join(line) + "\r\n" for line in lines)


def json_text(table: Table) -> str:
    """The table as data: a caption, the columns, and a row an object."""
    columns = [{"key": head.key, "title": head.title, "detail": head.detail} for head in table.headings]
    rows = [{head.key: _plain(cell) for cell, head in zip(row, table.headings, strict=True)} for row in table.rows]
    return json.dumps({"caption": table.caption, "columns": columns, "rows": rows}, indent=2, ensure_ascii=False) + "\n"


def latex_text(table: Table, keys: Sequence[str] | None = None) -> str:
    """The table for a paper that loads booktabs; of all columns or of those named, in percent.

    It compiles with pdfLaTeX: signs that its fonts may lack are written as their code.
    """
    shown = _shown(table, keys)
    before, after_letters, after_head, between, end = latex_frame(table.caption)
    letters = "".join(_letter(table.headings[place]) for place in shown)
    head = " & ".join(_latex(_heading(table.headings[place])) for place in shown)
    body = between.join(" & ".join(_latex(_show(row, place, table)) for place in shown) for row in table.rows)
    return f"{before}{letters}{after_letters}{head}{after_head}{body}{end}"


def markdown_text(table: Table, keys: Sequence[str] | None = None) -> str:
    """The table as GitHub's Markdown writes it, its caption first; of all columns or of those named, in percent."""
    shown = _shown(table, keys)
    lines = [
        [_markdown(_heading(table.headings[place])) for place in shown],
        ["---" if _letter(table.headings[place]) == "l" else "---:" for place in shown],
        *([_markdown(_show(row, place, table)) for place in shown] for row in table.rows),
    ]
    return f"{_markdown(table.caption)}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex_frame(caption: str) -> tuple[str, str, str, str, str]:
    """What LaTeX needs around a table: before the columns' letters, after them, after the heads, between rows, last."""
    return (
        "% \\usepackage{booktabs} in the preamble\n\\begin{table}\n\\centering\n\\small\n"
        f"\\caption{{{_latex(caption[:1].upper() + caption[1:])}}}\n\\begin{{tabular}}{{",
        "}\n\\toprule\n",
        " \\\\\n\\midrule\n",
        " \\\\\n",
        " \\\\\n\\bottomrule\n\\end{tabular}\n\\end{table}\n",
    )


def pieces(table: Table) -> dict[str, Any]:
    """All that the four texts are joined from, as JSON data: headings and cells, escaped in each language."""
    heads = table.headings
    rows = [list(zip(row, heads, strict=True)) for row in table.rows]
    shown = [[_show(row, place, table) for place in range(len(heads))] for row in table.rows]
    return {
        "name": table.name,
        "caption": table.caption,
        "columns": [
            {
                "key": head.key,
                "title": head.title,
                "detail": head.detail,
                "kind": head.kind,
                "aside": head.aside,
                "letter": _letter(head),
                "csv": _csv_heading(head),
                "latex": _latex(_heading(head)),
                "markdown": _markdown(_heading(head)),
            }
            for head in heads
        ],
        "frames": {"latex": latex_frame(table.caption), "markdown": _markdown(table.caption)},
        "json": [[_plain(cell) for cell in row] for row in table.rows],
        "csv": [[_csv_cell(cell, head) for cell, head in row] for row in rows],
        "latex": [[_latex(text) for text in row] for row in shown],
        "markdown": [[_markdown(text) for text in row] for row in shown],
    }


def _shown(table: Table, keys: Sequence[str] | None) -> list[int]:
    """The places of the columns that a text for people has."""
    return [place for place, head in enumerate(table.headings) if not head.aside and (keys is None or head.key in keys)]


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Rank):
        return cell.place
    if isinstance(cell, float):
        return _rounded(cell)
    if not isinstance(cell, Figure):
        return cell
    share = cell.share
    low, high = share.interval.low, share.interval.high
    found: dict[str, Any] = {"rate": _rounded(share.rate), "low": _rounded(low), "high": _rounded(high), "n": share.n}
    if cell.state:
        found["state"] = cell.state
    if cell.plan:
        found["plan"] = cell.plan[:12]
    if cell.spread:
        found["seeds"] = cell.spread.document()
    return found


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")


def _csv_heading(head: Heading) -> str:
    return ",".join(_csv(head.key + part) for part in (PARTS if head.kind == "figure" else PARTS[:1]))


def _csv_cell(cell: Cell, head: Heading) -> str:
    if head.kind != "figure":
        return _csv(cell) if isinstance(cell, str) else "" if cell is None else str(_plain(cell))
    if not isinstance(cell, Figure):
        return "," * (len(PARTS) - 1)
    if cell.state == "invalid":
        return "invalid" + "," * (len(PARTS) - 1)
    plain = _plain(cell)
    return ",".join(str(plain[part]) for part in ("rate", "low", "high", "n"))


def defused(text: str) -> str:
    """A text that no spreadsheet computes with."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _csv(text: str) -> str:
    """A text as a field that no spreadsheet computes with; by hand, for a page joins fields and `csv` writes rows."""
    safe = defused(text)
    return '"' + safe.replace('"', '""') + '"' if any(sign in safe for sign in ',"\r\n') else safe


def _show(row: Sequence[Cell], place: int, table: Table) -> str:
    """A cell as a reader sees it."""
    cell, head = row[place], table.headings[place]
    if cell is None or cell == "":
        return NONE
    if isinstance(cell, Figure):
        return _show_figure(cell)
    if isinstance(cell, Rank):
        return str(cell)
    if head.key == "seconds":
        return duration(float(cell))
    if head.key == "memory":
        return memory(int(cell))
    if isinstance(cell, str):
        setting = row[place + 1] if head.key == "defense" else ""
        return f"{cell} ({setting})" if setting else cell
    return passes(cell) if isinstance(cell, float) else str(cell)


def _show_figure(cell: Figure) -> str:
    if cell.state == "invalid":
        return "invalid"
    interval = cell.share.interval
    text = f"{percent(cell.share.rate)} [{percent(interval.low)}, {percent(interval.high)}]"
    return f"{text} on {cell.share.n} of {cell.samples}" if cell.state else text


def _letter(head: Heading) -> str:
    return "l" if head.kind == "text" else "r"


def _heading(head: Heading) -> str:
    """A heading on one line; what is the same in every table stands in the caption."""
    told = head.key not in ("rank", "worst", "clean", "assurance")
    return f"{head.title} ({head.detail})" if head.detail and told else head.title


def _latex(text: str) -> str:
    # a bracket or star at the start would be an argument of the line before, and two hyphens one dash
    apart = "{}" if text.startswith(("[", "*")) else ""
    signs = (LATEX.get(sign) or _printable(sign) for sign in text.replace("--", "-\N{ZERO WIDTH SPACE}-"))
    # formulas side by side are one
    return apart + re.sub(r"(?<!\\)\$\$", "", "".join(signs))


def _printable(sign: str) -> str:
    """A sign that pdfLaTeX prints without further packages, else its code."""
    if sign.isspace():
        return " "
    latin = sign.isascii() or (ord(sign) < 0x100 and sign.isalpha() and sign not in "ªºµÐÞðþ")
    return sign if latin and sign.isprintable() else f"(U+{ord(sign):04X})"


def _markdown(text: str) -> str:
    return "".join(MARKDOWN.get(sign, sign) for sign in text)
