"""The two consoles: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

stdout = Console(emoji=False)
stderr = Console(stderr=True, emoji=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout, never wrapped or coloured."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def counted(number: int, what: str) -> str:
    """A number of things: '1 plan', '2 plans'."""
    return f"{number} {what}{'' if number == 1 else 's'}"
