"""What the pages show is there: verbs, options, plugins, protocols, names of Python, files."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import bench
from bench.cli.app import build
from bench.plugins.registry import attacks, defenses
from bench.protocols import builtin_protocols
from bench.protocols.studies import builtin_studies
from tests.docs.pages import DOCS, EXAMPLES, ROOT, RUN, SHOWN, commands, text_of

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMED = {"--defense": defenses, "--attack": attacks}


def name_of(page: Path) -> str:
    """A page as a test's name."""
    return str(page.relative_to(ROOT))


def parse(words: list[str]) -> None:
    """Read a command as `bench` does, and run nothing; raises for a verb or an option that it does not know."""
    group: Any = typer.main.get_command(build())
    with group.make_context("bench", list(words), resilient_parsing=True) as context:
        command = group.get_command(context, words[0])
        assert command is not None, f"No such verb: {words[0]}"
        command.make_context(words[0], words[1:], parent=context)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_one_that_bench_takes(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8"), RUN, SHOWN):
        parse(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_plugin_protocol_and_study_that_a_command_names_is_there(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8"), RUN, SHOWN):
        for option, value in itertools.pairwise(words):
            found = NAMED.get(option)
            if found and value not in ("all", "none") and ".py:" not in value:
                found.find(value)
            elif option in ("sweep", "--protocol") and not value.endswith(".toml"):
                assert value in builtin_protocols(), words
            elif option == "reproduce" and not value.endswith(".toml"):
                assert value in builtin_studies(), words


@pytest.mark.parametrize(
    "words", [["evaluat"], ["sweep", "transfer-1024", "--defence", "all"], ["report", "--published"]]
)
def test_a_command_that_is_none_would_be_found(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|requires an argument"):
        parse(words)


def test_the_reference_has_every_name_that_bench_offers() -> None:
    shown = re.findall(r"^\.\. auto(?:function|class|data|exception):: ([\w.]+)$", text_of("api"), re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert set(shown) == set(bench.__all__)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert "://" in target or (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def test_every_example_of_ones_own_stands_whole_on_a_page() -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "writing").glob("*.md")}
    included = [target for text in pages.values() for target in re.findall(r"{literalinclude} (\S+)", text)]
    found = {(DOCS / "writing" / target).resolve() for target in included}
    assert found == {*EXAMPLES.glob("my_*"), EXAMPLES / "study.toml"}
    assert set(pages) == {"defense", "attack", "dataset", "protocol", "study"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    folders = ("bench", "defenses", "attacks", "benchmarks", "examples", "docs", "tests")
    modules = [module.as_posix() for folder in folders for module in (ROOT / folder).rglob("*.py")]
    named = set(re.findall(r"(?<![\w./-])((?:[\w-]+/)+[\w-]+\.py)\b", page.read_text(encoding="utf-8")))
    assert not {name for name in named if not any(module.endswith(f"/{name}") for module in modules)}
