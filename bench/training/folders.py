"""The folders in which trainings and drawings leave their files."""

from __future__ import annotations

from pathlib import Path

from bench.domain.errors import UsageError


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; `UsageError` where there can be none, or nothing can be written into it."""
    if str(folder) == "-":
        raise UsageError("'-' is no folder; name one with --output.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".bench"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written to ({error.strerror}); name another folder with --output."
        ) from None
