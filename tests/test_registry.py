from __future__ import annotations

from pathlib import Path

import pytest

from bench import PluginError, UsageError
from bench.registry import attacks, datasets, defenses
from bench.testing import kind_of
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


class Planes:
    """Hyperplanes by number.

    More of them.
    """

    @staticmethod
    def members() -> list[str]:
        return ["one", "three"]

    @staticmethod
    def member(name: str) -> type[Hyperplane]:
        return Hyperplane


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


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution whose defenses are broken, take a name that is taken, or are a family."""
    folder = tmp_path / "other-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    lines = [
        "[bench.defenses]",
        "shattered = nowhere_at_all:Net",
        "resnet = tests.plugins:Hyperplane",
        "planes = tests.test_registry:Planes",
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
def test_a_broken_plugin_is_listed_with_its_reason_and_fails_only_when_asked_for() -> None:
    listed = {listing.name: listing for listing in defenses.listings()}
    assert "nowhere_at_all" in str(listed["shattered"].broken)
    assert listed["vit"].broken is None
    with pytest.raises(PluginError, match="nowhere_at_all"):
        defenses.find("shattered")


@pytest.mark.usefixtures("installed")
def test_a_name_that_two_packages_claim_is_refused_with_both() -> None:
    with pytest.raises(PluginError, match=r"registered twice.*defenses.resnet:ResNet.*tests.plugins:Hyperplane"):
        defenses.find("resnet")


@pytest.mark.usefixtures("installed")
def test_a_member_of_a_family_is_found_made_and_written_as_any_plugin() -> None:
    plugin = defenses.make("planes:three", {"scale": "2"})
    spec = defenses.spec("planes:three", plugin)
    assert (spec.name, dict(spec.params)) == ("planes:three", {"scale": 2.0})
    assert defenses.make(spec.name, spec.params) == plugin
    assert kind_of("planes:three") == "defense"


@pytest.mark.usefixtures("installed")
def test_a_family_is_listed_in_one_line() -> None:
    listed = {listing.name: listing for listing in defenses.listings()}
    assert listed["planes:NAME"].family
    assert listed["planes:NAME"].summary == "Hyperplanes by number."
    assert not listed["vit"].family


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("planes", "planes is a family; name a member as in planes:NAME. It has one, three."),
        ("planes:", "It has one, three."),
        ("planes:thre", "planes has no member 'thre'. Did you mean 'three'?"),
        ("vit:one", "vit is one defense and has no members; leave out ':one'."),
        ("plane", "Did you mean 'planes'?"),
    ],
)
def test_a_family_or_member_that_is_named_wrongly_is_told(reference: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        defenses.find(reference)
    assert hint in str(caught.value)
