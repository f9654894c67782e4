"""What a shell may offer for a word that has only begun: names, digests and settings, at once and without a complaint.

Nothing here loads a network or asks a server. A script is never run for a key press: its settings are not offered.
"""

from __future__ import annotations

import contextlib
import io
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

SLOW = frozenset({"torch", "torchvision", "timm", "diffusers", "transformers", "peft", "pyautoattack"})
"""What takes seconds to import; a plugin that needs it to be named offers no settings."""
Words = Callable[[Any, str], list[str]]


@contextlib.contextmanager
def as_bash_splits() -> Iterator[None]:
    """A scope in which the parser is given `search=race` in one word, of which bash makes three, and bash the part of
    it that it replaces."""
    if os.environ.get("_BENCH_COMPLETE") != "complete_bash":
        yield
        return
    words, current = os.environ.get("COMP_WORDS", "").split("\n"), int(os.environ.get("COMP_CWORD") or 0)
    joined: list[str] = []
    for place, word in enumerate(words[: current + 1]):
        if joined and (word == "=" or words[place - 1] == "="):
            joined[-1] += word
        else:
            joined.append(word)
    os.environ.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(len(joined) - 1))
    key, equals, _ = joined[-1].partition("=")
    offered = io.StringIO()
    try:
        with contextlib.redirect_stdout(offered):
            yield
    finally:
        for line in offered.getvalue().splitlines():
            print(line.removeprefix(f"{key}=") if equals else line)


def _offered(words: Words) -> Words:
    """The words that begin as given; none where anything goes wrong, and nothing is printed meanwhile."""

    def found(ctx: Any, incomplete: str) -> list[str]:
        if incomplete.startswith((".", "/", "~")):
            return []  # a path is the shell's to complete
        nowhere = io.StringIO()
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), _light():
                return [word for word in words(ctx, incomplete) if word.startswith(incomplete)]
        except Exception:
            return []

    return found


def _names(kind: str, *others: str) -> Words:
    def words(ctx: Any, incomplete: str) -> list[str]:
        from bench.plugins.finding import entries

        return [*others, *sorted(entry.name for entry in entries(f"bench.{kind}"))]

    return _offered(words)


def _settings(kind: str, role: str) -> Words:
    """`KEY=` of every setting of the plugin that the command line names as `role`, and KEY=VALUE where there is a
    choice of values."""

    def words(ctx: Any, incomplete: str) -> list[str]:
        from bench.plugins import registry
        from bench.plugins.finding import is_script
        from bench.plugins.settings import choices, describe

        found: list[str] = []
        for reference in _given(ctx, role):
            if is_script(reference):
                continue
            plugin = getattr(registry, kind).find(reference)
            key, equals, _ = incomplete.partition("=")
            if equals:
                found += [f"{key}={value}" for value in choices(plugin, key)]
            else:
                found += [f"{name}=" for name in describe(plugin)]
        return list(dict.fromkeys(found))

    return _offered(words)


@_offered
def scales(ctx: Any, incomplete: str) -> list[str]:
    """The scales of the study that the command line names."""
    from bench.protocols.studies import builtin_studies, heading

    return ["full", *heading(builtin_studies()[_given(ctx, "study")[0]]).scales]


@_offered
def plans(ctx: Any, incomplete: str) -> list[str]:
    """The plans' digests of the store that the command line names."""
    from bench.store.database.beginnings import digests

    return digests(ctx.params.get("db") or "results.db", incomplete)


@_offered
def listed(ctx: Any, incomplete: str) -> list[str]:
    """The names of what `bench list` was asked for."""
    kind = str(ctx.params.get("what"))
    return _names(kind)(ctx, incomplete) if kind in ("defenses", "attacks", "datasets") else []


def _known(where: str) -> Words:
    """What a sequence, or a function that gives one, holds elsewhere; it is imported when a shell asks."""

    def words(ctx: Any, incomplete: str) -> list[str]:
        found = pkgutil.resolve_name(where)
        return list(found() if callable(found) else found)

    return _offered(words)


def _of(*names: str) -> Words:
    return _offered(lambda ctx, incomplete: list(names))


def _given(ctx: Any, role: str) -> Sequence[str]:
    """What the words so far give for a parameter; an argument is not parsed yet where an option waits for its value."""
    given = ctx.params.get(role) or ctx.args[:1]
    return [given] if isinstance(given, str) else given


def _several(*each: Words) -> Words:
    return lambda ctx, incomplete: [word for words in each for word in words(ctx, incomplete)]


@contextlib.contextmanager
def _light() -> Iterator[None]:
    """A scope in which nothing slow can be imported."""
    sys.meta_path.insert(0, _Refusing())
    try:
        yield
    finally:
        del sys.meta_path[0]


class _Refusing:
    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Raise `ImportError` for what is slow, and leave all else to others."""
        if name.partition(".")[0] in SLOW:
            raise ImportError(f"{name} is not imported for a shell that waits")


defenses, attacks, datasets = _names("defenses"), _names("attacks"), _names("datasets")
swept_defenses, judges, sources = (_names("defenses", other) for other in ("all", "none", "self"))
judged_attacks = _names("attacks", "none")
protocols, studies = _known("bench.protocols:builtin_protocols"), _known("bench.protocols.studies:builtin_studies")
executors = _known("bench.executors.choice:NAMES")
samplings, norms = _of("random", "first"), _of("linf", "l2")
plugins = _several(defenses, attacks, datasets)
compared = _several(defenses, plans)
defense_settings, attack_settings = _settings("defenses", "defense"), _settings("attacks", "attack")
dataset_settings, source_settings = _settings("datasets", "dataset"), _settings("defenses", "source")
