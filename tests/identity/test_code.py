from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.plugins.code import code_version
from bench.plugins.imports import imported
from defenses.resnet import ResNet

PLUGIN = "class Net:\n    pass\n"
NAME = "plugged_in"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` whose modules are forgotten afterwards."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def version(module: str = NAME) -> str:
    return code_version(importlib.import_module(module).Net)


def write(folder: Path, **sources: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


def install(folder: Path, name: str, record: str, origin: object = None) -> None:
    """What pip leaves of a distribution."""
    info = folder / f"{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "RECORD").write_text(f"{record},,\n{info.name}/METADATA,,\n")
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))


def test_our_own_code_has_no_version_but_its_revision() -> None:
    assert code_version(ResNet) == ""


@pytest.mark.parametrize(
    ("source", "helper"),
    [
        (f"import helper\n{PLUGIN}", "helper"),
        (f"from helper import thing\n{PLUGIN}", "helper"),
        (f"import middle\n{PLUGIN}", "helper"),
        (f"{PLUGIN}\n    def load(self):\n        import helper\n", "helper"),
        (f"import importlib\n{PLUGIN}\n    def load(self):\n        importlib.import_module('helper')\n", "helper"),
        (f"from package import inner\n{PLUGIN}", "package/inner"),
        (f"import package.inner\n{PLUGIN}", "package/__init__"),
        (f"from package import outer\n{PLUGIN}", "package/inner"),
    ],
)
def test_the_version_follows_every_source_that_is_imported(place: Path, source: str, helper: str) -> None:
    write(place, helper="thing = 1\n", middle="import helper\n", **{NAME: source})
    write(place / "package", __init__="", inner="", outer="from .inner import *\nfrom . import inner\n")
    first = version()
    assert first == version()
    assert len(first) == 13
    (place / f"{helper}.py").write_text("thing = 2  # edited\n")
    assert version() != first


def test_a_source_that_nobody_imports_changes_nothing(place: Path) -> None:
    write(place, stranger="", **{NAME: PLUGIN})
    first = version()
    write(place, stranger="a = 1\n", another="")
    assert version() == first


def test_a_plugin_of_a_package_brings_its_siblings(place: Path) -> None:
    write(place / "package", __init__="", helper="", plugin=f"from . import helper\n{PLUGIN}")
    first = version("package.plugin")
    (place / "package" / "helper.py").write_text("a = 1\n")
    second = version("package.plugin")
    (place / "package" / "__init__.py").write_text("a = 1\n")
    assert len({first, second, version("package.plugin")}) == 3


def test_equal_sources_have_one_version_wherever_they_lie(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = []
    for name in ("one", "two"):
        folder = place / name
        write(folder, mine=f"import beside_it\n{PLUGIN}", beside_it="a = 1\n")
        versions.append(code_version(ResNet, script=folder / "mine.py"))
    assert versions[0] == versions[1]
    (place / "two" / "beside_it.py").write_text("a = 2\n")
    assert code_version(ResNet, script=place / "two" / "mine.py") != versions[0]


def test_a_released_distribution_is_named_and_its_code_is_not_read(place: Path) -> None:
    site = place / "site-packages"
    write(site, **{NAME: f"import helper\n{PLUGIN}"}, helper="")
    install(site, "nice-nets", f"{NAME}.py")
    assert version() == "+nice-nets==1.5"
    (site / f"{NAME}.py").write_text(PLUGIN + "# edited\n")
    assert version() == "+nice-nets==1.5"


def test_what_a_plugin_imports_of_a_release_is_not_read(place: Path) -> None:
    site = place / "site-packages"
    write(site, released="a = 1\n")
    install(site, "nice-nets", "released.py")
    write(place, **{NAME: f"import released, numpy, json\n{PLUGIN}"})
    first = version()
    write(site, released="a = 2\n")
    assert version() == first


@pytest.mark.parametrize(
    "origin", [{"url": "file:///x", "dir_info": {"editable": True}}, {"url": "file:///x", "dir_info": {}}]
)
def test_what_was_installed_from_a_folder_is_no_release(place: Path, origin: object) -> None:
    site = place / "site-packages"
    write(site, **{NAME: PLUGIN})
    install(site, "nice-nets", f"{NAME}.py", origin)
    first = version()
    (site / f"{NAME}.py").write_text(PLUGIN + "# edited\n")
    assert len(first) == 13
    assert version() != first


def test_a_checkout_that_is_installed_in_place_is_no_release(place: Path) -> None:
    install(place / "site-packages", "nice-nets", "__editable__.nice-nets.pth")
    info = place / "nice_nets.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: nice-nets\nVersion: 1.5\n")
    (info / "top_level.txt").write_text(f"{NAME}\n")
    write(place, **{NAME: PLUGIN})
    assert len(version()) == 13


def test_a_class_of_a_library_that_a_plugins_module_makes_brings_both(place: Path) -> None:
    site = place / "site-packages"
    write(site, released=PLUGIN)
    install(site, "nice-nets", "released.py")
    write(place, **{NAME: "from released import Net\n"})
    plugin = importlib.import_module(NAME).Net
    found = code_version(plugin, [NAME])
    assert found.endswith("+nice-nets==1.5")
    assert len(found) == 13 + len("+nice-nets==1.5")


def test_a_namespace_that_distributions_share_is_told_apart(place: Path) -> None:
    site = place / "site-packages"
    for part in ("one", "two"):
        (site / "space" / part).mkdir(parents=True)
        (site / "space" / part / "__init__.py").write_text(PLUGIN)
        install(site, f"space-{part}", f"space/{part}/__init__.py")
    assert version("space.two") == "+space-two==1.5"


def test_imports_are_read_relative_to_their_package() -> None:
    source = b"from .a import b\nfrom .. import c\nfrom ..d import e\nimport f.g\n__import__('h')\nfrom i import *\n"
    assert set(imported(source, "x.y")) == {
        *("x.y.a", "x.y.a.b", "x", "x.c", "x.d", "x.d.e", "f.g", "h", "i"),
    }
    assert imported(b"def (:\n", "") == ()
