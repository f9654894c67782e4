"""Text of others, as it is shown: whole, and with nothing in it that a terminal or a browser would obey."""

from __future__ import annotations

import re
import shlex
import unicodedata

LINES = ("\n", "\t")
DIRECTING = ("RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI")
"""What turns the direction of writing, so that one reads what is not there (Boucher and Anderson 2021, 2111.00169)."""


def visible(text: str) -> str:
    """The same text with control characters and those that turn the direction of writing shown by their numbers."""
    if text.isprintable():
        return text
    return "".join(letter if _is_plain(letter) else ascii(letter)[1:-1] for letter in text)


def _is_plain(letter: str) -> bool:
    controls = unicodedata.category(letter) == "Cc" or unicodedata.bidirectional(letter) in DIRECTING
    return letter in LINES or not controls


def without_passwords(text: str) -> str:
    """The same text with the password of every URL in it as '***'."""
    if "://" not in text:
        return text
    hidden = re.sub(r"(://[^:@/?\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"([?&][^=&\s]*password[^=&\s]*)=[^&\s'\"]*", r"\1=***", hidden)


def command(*words: str) -> str:
    """A command that a message hints at, quoted as a shell needs it: `bench list plans --db 'my file.db'`."""
    return f"`{shlex.join(('bench', *words))}`"
