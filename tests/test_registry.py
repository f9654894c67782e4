from __future__ import annotations

from pathlib import Path

import pytest

from bench import PluginError, UsageError
from bench.registry import attacks, datasets, defenses
from tests.plugins import Hyperplane

PLUGIN = '''
from dataclasses import dataclass
from bench import Defense, Network

@dataclass(frozen=True)
class Mine(Defense):
    """Mine."""
    width: int = 3
    def load(self, task, device):
        raise NotImplementedError

class Abstract(Defense):
    """Says nothing of loading."""
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def test_every_registered_plugin_loads_and_explains_itself() -> None:
    for registry in (defenses, attacks, datasets):
        listings = registry.listings()
        assert listings
        for listing in listings:
            assert listing.broken is None
            assert listing.summary


def test_a_plugin_is_found_by_module_and_by_file(file: Path) -> None:
    assert defenses.find("tests.plugins:Hyperplane") is Hyperplane
    assert defenses.make(f"{file}:Mine", {"width": "5"}).width == 5  # type: ignore[attr-defined]


def test_the_version_of_a_plugin_in_a_file_follows_its_text(file: Path) -> None:
    reference = f"{file}:Mine"
    before = defenses.spec(reference, defenses.make(reference, {}))
    file.write_text(PLUGIN + "# changed\n")
    after = defenses.spec(reference, defenses.make(reference, {}))
    assert before.version != after.version
    assert before.params == after.params == {"width": 3}


@pytest.mark.parametrize(
    ("reference", "error", "hint"),
    [
        ("tmcd", UsageError, "Did you mean 'tmdc'"),
        ("./nowhere.py:Mine", UsageError, "no file"),
        ("tests.plugins:Hyperplan", UsageError, "Did you mean 'Hyperplane'"),
        ("tests.nowhere:Mine", PluginError, "cannot be loaded"),
        ("tests.plugins:Still", PluginError, "not a defense"),
    ],
)
def test_what_cannot_be_found_says_why(reference: str, error: type[Exception], hint: str) -> None:
    with pytest.raises(error, match=hint):
        defenses.find(reference)


def test_a_plugin_that_lacks_a_method_is_named_with_it(file: Path) -> None:
    with pytest.raises(PluginError, match="does not define load"):
        defenses.find(f"{file}:Abstract")


def test_a_file_with_a_syntax_error_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def (:\n")
    with pytest.raises(PluginError, match="SyntaxError"):
        defenses.find(f"{path}:Mine")
