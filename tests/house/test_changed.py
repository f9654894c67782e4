"""Which tests are those of a changed file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.changed import changed, named_for, outermost


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a harness of two rooms, and tests that mirror it."""
    for name in (
        "bench/store/claims.py",
        "bench/registry.py",
        "attacks/pgd.py",
        "tests/long.py",
        "tests/house/test_long.py",
        "tests/test_registry.py",
        "tests/store/rows.py",
        "tests/store/test_claims.py",
        "tests/attacks/test_pgd.py",
        "tests/report/test_claims.py",
        "tests/docs/test_pages.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    (tmp_path / "tests" / "docs" / "test_pages.py").write_text(
        "import os\nfrom bench.api.far import x\n", encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("bench/store/claims.py", {"tests/store", "tests/store/test_claims.py", "tests/report/test_claims.py"}),
        ("bench/store/schema.sql", {"tests/store"}),
        ("bench/registry.py", {"tests/test_registry.py"}),
        ("bench/gone.py", set()),
        ("bench/api/far.py", {"tests/docs/test_pages.py"}),
        ("bench/api/fa.py", set()),
        ("attacks/pgd.py", {"tests/attacks", "tests/attacks/test_pgd.py"}),
        ("tests/store/test_claims.py", {"tests/store/test_claims.py"}),
        ("tests/store/rows.py", {"tests/store"}),
        ("tests/long.py", {"tests/house/test_long.py"}),
        ("tests/warm.py", {"tests"}),
        ("README.md", {"tests/docs"}),
        ("docs/conf.py", {"tests/docs"}),
        ("LICENSE", set()),
    ],
)
def test_tests_mirror_the_tree(checkout: Path, path: str, tests: set[str]) -> None:
    assert named_for(path, checkout) == tests


def test_what_lies_in_a_chosen_folder_is_not_chosen_twice() -> None:
    assert outermost(["tests/store/test_claims.py", "tests/store", "tests/test_registry.py"]) == [
        "tests/store",
        "tests/test_registry.py",
    ]


def test_changed_is_what_differs_from_a_commit_and_what_is_new(checkout: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=checkout, check=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    assert changed("HEAD", checkout) == []
    (checkout / "attacks" / "pgd.py").write_text("steps = 40\n", encoding="utf-8")
    (checkout / "attacks" / "new.py").write_text("", encoding="utf-8")
    assert changed("HEAD", checkout) == ["attacks/new.py", "attacks/pgd.py"]
