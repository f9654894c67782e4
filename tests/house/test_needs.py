"""What tests are skipped for is what CI installs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import needs

ROOT = Path(__file__).parents[2]
PLACES = [(".ci/run", ".ci/system"), ("tox.ini", ".ci/system")]
"""What CI runs, and what tox does."""


@pytest.mark.parametrize("places", PLACES)
def test_all_that_a_skip_asks_for_is_installed_in_the_release_that_it_names(places: tuple[str, ...]) -> None:
    text = " ".join((ROOT / place).read_text(encoding="utf-8") for place in places)
    asked = {word for line in needs.INSTALL.values() for part in line.split("&&") for word in words(part)}
    assert {word for word in asked if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)} == set()


def words(command: str) -> list[str]:
    """The packages and extras that a command installs."""
    return [word.removeprefix("'.[").removesuffix("]'") for word in command.split()[2:] if not word.startswith("-")]


def test_a_reason_names_what_is_needed_and_the_command() -> None:
    assert needs.reason("PostgreSQL", "psycopg") == (
        "needs PostgreSQL and psycopg: apt-get install postgresql && pip install -e '.[postgres]'"
    )
