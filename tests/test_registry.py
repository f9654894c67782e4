from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import PluginError, Spec, UsageError
from bench.datasets.digits import TASK
from bench.plugins.registry import Part, attacks, datasets, defenses
from bench.testing import kind_of
from defenses.parts.weights.places import PACKAGED
from tests import needs
from tests.plugins import Behind, Hyperplane

RESNET = PACKAGED / "digits" / "resnet.safetensors"

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


def test_a_file_that_was_edited_is_loaded_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # which would be of the same size and second
    reference = f"{file}:Mine"
    before = defenses.find(reference)
    assert defenses.find(reference) is before
    file.write_text(PLUGIN.replace("width: int = 3", "width: int = 4"))
    assert defenses.spec(reference, defenses.make(reference, {})).params == {"width": 4}


def test_a_file_is_known_by_its_name_and_found_at_its_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = file.parent / "elsewhere"
    folder.mkdir()
    shutil.copy(file, folder)
    specs = []
    for reference in (f"{file}:Mine", f"{folder}/mine.py:Mine", "elsewhere/mine.py:Mine"):
        monkeypatch.chdir(file.parent)
        spec = defenses.spec(reference, defenses.make(reference, {}))
        monkeypatch.chdir("/")
        specs.append(spec)
        assert defenses.spec(spec.reference, defenses.make(spec.reference, spec.settings)) == spec
    assert specs[0] == specs[1] == specs[2]
    assert specs[0].name == "mine.py:Mine"
    assert specs[2].place == {"name": f"{folder}/mine.py:Mine"}


def test_the_version_of_a_plugin_in_a_file_follows_what_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lies_beside.py").write_text("width = 3\n")
    (tmp_path / "mine.py").write_text("import lies_beside\n" + PLUGIN)
    reference = f"{tmp_path}/mine.py:Mine"
    before = defenses.spec(reference, defenses.make(reference, {})).version
    (tmp_path / "lies_beside.py").write_text("width = 4\n")
    assert defenses.spec(reference, defenses.make(reference, {})).version != before
    del sys.modules["lies_beside"]


def test_our_own_plugins_have_their_revision_for_a_version_and_others_their_code() -> None:
    assert defenses.spec("resnet", defenses.make("resnet", {})).version == "1"
    found = defenses.spec("tests.plugins:Hyperplane", Hyperplane()).version
    assert found.startswith("1+")
    assert len(found) == 14


def test_a_librarys_attack_is_named_with_the_librarys_version() -> None:
    library = pytest.importorskip("torchattacks", reason=needs.reason("torchattacks"))
    reference = "torchattacks:PGD"
    assert attacks.spec(reference, attacks.make(reference, {})).version == f"1+torchattacks-{library.__version__}"


def given(weights: object) -> list[Spec]:
    """The packaged network as it is, and as a part, its weights told in one way."""
    settings = {} if weights is None else {"weights": str(weights)}
    part = Behind(Part("resnet", settings))
    return [
        defenses.spec("resnet", defenses.make("resnet", settings), TASK),
        defenses.spec("tests.plugins:Behind", part, TASK),
        defenses.spec("tests.plugins:Behind", Behind(Part("tests.plugins:Behind", {"inner": part.inner})), TASK),
    ]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a copy of the packaged weights and a link to them."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(RESNET, "copy.safetensors")
    Path("link.safetensors").symlink_to(RESNET)
    Path("folder").mkdir()
    shutil.copy(RESNET, "folder/model.safetensors")
    return tmp_path


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_one_weights_file_makes_one_spec_however_it_is_named(elsewhere: Path, depth: int) -> None:
    ways = [None, RESNET, "copy.safetensors", elsewhere / "copy.safetensors", "link.safetensors", "folder"]
    specs = [given(way)[depth] for way in ways]
    assert all(spec == specs[0] for spec in specs)
    assert len({json.dumps(spec.document()) for spec in specs}) == 1
    assert str(elsewhere) not in json.dumps(specs[-1].document())


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_spec_out_of_a_store_builds_the_plugin_from_its_places_wherever_it_runs(
    elsewhere: Path, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = given("copy.safetensors")[depth]
    stored = Spec(**json.loads(json.dumps(spec.document())), place=json.loads(json.dumps(spec.place)))
    monkeypatch.chdir("/")
    plugin = defenses.make(stored.reference, stored.settings)
    assert defenses.spec(stored.reference, plugin, TASK) == stored
    assert str(elsewhere / "copy.safetensors") in json.dumps(stored.settings)


def test_other_weights_make_another_spec_of_every_depth(elsewhere: Path) -> None:
    before = given("copy.safetensors")
    content = bytearray(Path("copy.safetensors").read_bytes())
    content[-1] ^= 1
    Path("copy.safetensors").write_bytes(content)
    assert all(old != new for old, new in zip(before, given("copy.safetensors"), strict=True))


def test_a_part_is_content_and_its_files_stand_under_its_name(elsewhere: Path) -> None:
    alone, behind, _ = given("copy.safetensors")
    assert behind.params == {"inner": {"name": "resnet", "params": {}, "version": "1"}}
    assert behind.weights == {f"inner/{role}": digest for role, digest in alone.weights.items()}
    inner = {"name": "resnet", "params": {"weights": str(elsewhere / "copy.safetensors")}, "version": "1"}
    assert behind.place == {"params": {"inner": inner}}


IMAGES = '''
from dataclasses import dataclass
from pathlib import Path
from bench import Dataset

@dataclass(frozen=True)
class Images(Dataset):
    """Images."""
    root: Path
    kind: str = "fog"
    def load(self, split, folder):
        raise NotImplementedError
'''


def test_the_folder_of_a_data_set_is_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images.py").write_text(IMAGES)
    reference = "./images.py:Images"
    specs = [datasets.spec(reference, datasets.make(reference, {"root": root})) for root in ("x", str(tmp_path / "x"))]
    assert specs[0] == specs[1]
    assert specs[0].params == {"kind": "fog"}
    assert specs[0].settings == {"kind": "fog", "root": str(tmp_path / "x")}


NONSENSE = """
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from bench import Defense

@dataclass(frozen=True)
class Mine(Defense):
    fault: str = ""
    data: Any = None
    def __post_init__(self):
        if self.fault == "init":
            raise KeyError("width")
        if self.fault == "exits":
            raise SystemExit(3)
    def load(self, task, device):
        raise NotImplementedError
    def resolve(self, task):
        if self.fault == "resolve":
            raise ZeroDivisionError("by zero")
        return None if self.fault == "nothing" else self
    def on(self, task, device):
        if self.fault == "on":
            raise SystemExit(3)
        return 7 if self.fault == "seven" else self
    def files(self, task):
        if self.fault == "files":
            raise RuntimeError("disk on fire")
        return {"list": ["a"], "number": {"network": 3}, "role": {3: Path("x")}}.get(self.fault, {})

@dataclass(frozen=True)
class Old(Mine):
    revision = 3
"""


@pytest.mark.parametrize(
    ("name", "fault", "hint"),
    [
        ("Mine", "init", r"Mine failed with KeyError: 'width'"),
        ("Mine", "exits", r"Mine failed with SystemExit: 3"),
        ("Mine", "resolve", r"mine.py:Mine failed with ZeroDivisionError: by zero"),
        ("Mine", "nothing", r"mine.py:Mine: resolve\(\) gave NoneType; it must give a Mine"),
        ("Mine", "on", r"mine.py:Mine failed with SystemExit: 3"),
        ("Mine", "seven", r"mine.py:Mine: on\(\) gave int"),
        ("Mine", "files", r"mine.py:Mine failed with RuntimeError: disk on fire"),
        ("Mine", "list", r"mine.py:Mine: files\(\) gave list"),
        ("Mine", "number", r"mine.py:Mine: files\(\) gave 3 as 'network'"),
        ("Mine", "role", r"mine.py:Mine: files\(\) gave .* as 3"),
        ("Old", "", r"mine.py:Old: its revision is of type int"),
    ],
)
def test_a_plugin_that_fails_while_it_is_planned_is_named(tmp_path: Path, name: str, fault: str, hint: str) -> None:
    (tmp_path / "mine.py").write_text(NONSENSE)
    reference = f"{tmp_path}/mine.py:{name}"
    with pytest.raises(PluginError, match=hint) as caught:
        defenses.spec(reference, defenses.make(reference, {"fault": fault}), TASK, lambda: "cpu")
    assert str(caught.value.culprit).endswith(f"mine.py:{name}")


def test_a_setting_that_no_plan_can_hold_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NONSENSE)
    reference = f"{tmp_path}/mine.py:Mine"
    plugin = defenses.make(reference, {"data": {"a": (1, 2), 3: None}})
    assert defenses.spec(reference, plugin, TASK).params["data"] == {"a": [1, 2], "3": None}
    with pytest.raises(PluginError, match="its setting data is no plain data"):
        defenses.spec(reference, replace(plugin, data={1, 2}), TASK)  # type: ignore[type-var]


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


@pytest.mark.parametrize(("text", "error"), [("raise SystemExit(3)\n", "SystemExit"), ("def (:\n", "SyntaxError")])
def test_a_file_that_ends_the_program_or_is_none_is_a_broken_plugin(text: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(PluginError, match=error):
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
