"""Runs the tests of what was changed: `python -m tests.changed [COMMIT] [OPTIONS OF PYTEST]`.

Changed is what differs from a commit (the last one by default), new files included. The tests of `bench/store/x.py` are
those in `tests/store/`, any `test_x.py`, and any that import `bench.store.x`; long ones are run as well.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "examples": ("tests/docs", "tests/house/test_examples.py"),
    "protocols": ("tests/test_protocols.py", "tests/studies"),
    "pyproject.toml": ("tests/house/test_architecture.py",),
}
"""Where the tests of some first folders and files lie besides."""
MARKS = "not gpu and not slow and not network"


def named_for(path: str, root: Path = ROOT) -> set[str]:
    """The test files and folders for a changed file; none where nothing bears its name."""
    parts, stem = Path(path).parts, Path(path).stem
    if parts[0] == "tests":
        own = [] if stem.startswith("test_") else sorted((root / "tests").rglob(f"test_{stem}.py"))
        found = [str(each.relative_to(root)) for each in own]
        found = found or [path if stem.startswith("test_") else str(Path(path).parent)]
    else:
        room = parts[1] if parts[0] == "bench" and len(parts) > 1 else parts[0]
        room = room.removesuffix(".py")
        found = [f"tests/{room}", f"tests/test_{room}.py", *ELSEWHERE.get(room, ())]
        found += ["tests/docs"] if path.endswith(".md") else []
        if path.endswith(".py"):
            found += [str(each.relative_to(root)) for each in (root / "tests").rglob("test_*.py") if _knows(each, path)]
    return {each for each in found if (root / each).exists()}


def _knows(test: Path, path: str) -> bool:
    """Whether a file of tests bears the name of a module or imports it."""
    module = re.escape(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    imported = rf"^\s*(?:import {module}|from {module} import)\b"
    return test.stem == f"test_{Path(path).stem}" or bool(
        re.search(imported, test.read_text(encoding="utf-8"), re.MULTILINE)
    )


def outermost(paths: Iterable[str]) -> list[str]:
    """The paths, sorted, without those that lie in another of them."""
    every = set(paths)
    return sorted(path for path in every if not any(str(folder) in every for folder in Path(path).parents))


def changed(commit: str, root: Path = ROOT) -> list[str]:
    """The files that differ from a commit, and those that git does not know yet."""
    found: list[str] = []
    for words in (["diff", "--name-only", commit], ["ls-files", "--others", "--exclude-standard"]):
        run = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
        found += run.stdout.splitlines()
    return sorted(set(found))


def main(words: list[str]) -> int:
    """Run them, and give pytest's exit code; 0 where there are none."""
    commit, options = (words[0], words[1:]) if words and not words[0].startswith("-") else ("HEAD", words)
    paths = changed(commit)
    chosen = outermost(test for path in paths for test in named_for(path))
    for path in paths:
        if path.endswith(".py") and not named_for(path):
            print(f"no tests bear the name of {path}", file=sys.stderr)
    if not chosen:
        print(f"nothing that has tests differs from {commit}", file=sys.stderr)
        return 0
    print(" ".join(chosen), file=sys.stderr)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-m", MARKS, *options, *chosen], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
