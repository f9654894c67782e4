"""What somebody may have written into the tables of a store by hand, and what a plan may say."""

from __future__ import annotations

from typing import Any

HUGE = 10**9


def _set(path: str, value: str) -> str:
    return f"UPDATE plans SET document = json_set(document, '$.{path}', {value}) WHERE digest = :bad"


def _shards(what: str) -> str:
    return f"UPDATE shards SET {what} WHERE plan = :bad"


def _samples(what: str) -> str:
    return f"UPDATE shard_outcomes SET {what} WHERE shard IN :ids"


def _disputed(found: str, environment: str, numbers: str = "0, 'x.db', 1, 4") -> str:
    columns = "plan, number, origin, samples, compared, sentence, found, environment"
    return f"INSERT INTO conflicts ({columns}) VALUES (:bad, {numbers}, 'so', {found}, {environment})"


EDITS = [
    *(f"UPDATE plans SET document = {text} WHERE digest = :bad" for text in ("'{'", "'null'", "'[]'", "x'ff'", "''")),
    "UPDATE plans SET document = '" + "[" * 100_000 + "' WHERE digest = :bad",
    "UPDATE plans SET document = '" + "[" * 900 + "]" * 900 + "' WHERE digest = :bad",
    *(_set("seed", value) for value in ("7", "null", "1e300")),
    *(f"UPDATE plans SET places = {text} WHERE digest = :bad" for text in ("'{'", "'[1]'", "'{\"defense\": 3}'")),
    'UPDATE plans SET places = \'{"attack": {"params": [1]}}\' WHERE digest = :bad',
    "UPDATE plans SET digest = 'ABC' WHERE digest = :bad",
    "DELETE FROM plans WHERE digest = :bad",
    *(_shards(f"finished = {date}") for date in ("'yesterday'", "x'ff'", "17", "''", "'2024-01-01T00:00:00+02:00'")),
    *(_shards(f"remarks = {text}") for text in ("'{'", "'null'", "'[1]'", "'3'", "'[\"\\ud800\"]'")),
    *(_shards(f"facts = {text}") for text in ("'{'", "'[]'", "'{\"random\": 1}'", "x'fe'")),
    *(
        _shards(f"facts = json_set(facts, '$.{path}', {value})")
        for path, value in (
            ("random", "'no'"),
            ("replayed", "-1"),
            ("replayed", "1e30"),
            ("contracts", "json('[1]')"),
            ("contracts", "json('{\"a\": 1}')"),
            ("odd", "json('[1]')"),
            ("alike", "json('[5, 3]')"),
            ("more", "1"),
            ("crafting", "3"),
            ("crafting", "json('{}')"),
        )
    ),
    *(
        _shards(f"{cost} = {value}")
        for cost in ("forwards", "peak_memory")
        for value in ("-1", "'many'", "1.5", "x'00'")
    ),
    *(_shards(f"seconds = {value}") for value in ("9e999", "-9e999", "-1", "'long'", "x'00'")),
    *(_shards(f"number = {value}") for value in ("number + 9", "-1 - number", "'first ' || number", "number + 0.5")),
    *(
        _shards(f"{words}")
        for words in (
            "perturbed_sha256 = '../../x'",
            "perturbed_sha256 = x'00'",
            "invalid = ''",
            "invalid = x'ff'",
            "origin = x'ff'",
            "claimed = 'maybe'",
        )
    ),
    "UPDATE shards SET environment = 'nowhere' WHERE plan = :bad",
    *(
        _samples(f"{column} = {value}")
        for column in ("sample", "label", "clean", "perturbed", "distance")
        for value in ("x''", "x'00'", "x'5b5d'", "'text'", "7", "x'62ff'")
    ),
    *(
        _samples(f"{column} = {value}")
        for column in ("radius", "minimal", "broken_at", "fell_to")
        for value in ("x'00'", "x'5b2261225d'", "'text'")
    ),
    *(
        _samples(f"clean = {value}")
        for value in (
            "CAST('[[1],[1,2],[1],[1]]' AS BLOB)",
            "x'620101010101010101'",
            "CAST('[[1e400],[1],[1],[1]]' AS BLOB)",
        )
    ),
    *(_samples(f"samples = {value}") for value in ("3", "0", "-1", "1000000000", "'four'")),
    *(_samples(f"distance = {value}") for value in ("x'65007e007e007e007e'", "x'6500bc00bc00bc00bc'")),  # NaN, -1
    *(
        _samples(f"parts = {value}")
        for value in ("NULL, fell_to = x'6207070707'", "'[]'", "'{'", "'[1, 2, 3, 4]'", "'7'")
    ),
    "DELETE FROM shard_outcomes WHERE shard IN :ids",
    _disputed("'yesterday'", "'{}'"),
    _disputed("'2024-01-01'", "'{'"),
    _disputed("'2024-01-01'", "'[]'"),
    _disputed("'2024-01-01'", "'{}'", "'x', 'x.db', 1, 4"),
    _disputed("'2024-01-01'", "'{}'", "0, x'ff', 1, 4"),
]
"""What somebody may write into the tables by hand."""

DOCUMENTS: list[tuple[tuple[str, ...], Any]] = [
    *((("samples",), value) for value in (0, -1, 1.5, True, "8", None, HUGE, 10**400, [], {})),
    *((("size",), value) for value in (0, 7, HUGE, 10**30, "1024", None)),
    *((("shard_size",), value) for value in (0, -4, HUGE**3, 2.0, "4")),
    *((("draws",), value) for value in (0, -1, 1e9, 10_001, "many")),
    *((("seed",), value) for value in (-1, 2**70, "x", 1e300)),
    *((("sample_seed",), value) for value in (-1, 2**40, None)),
    *((("sampling",), value) for value in ("odd", 1, None, ["random"])),
    *((("threat", "norm"), value) for value in ("l7", "", 2, None, "none", ["linf"])),
    *((("threat", "epsilon"), value) for value in ("1e999999999", "1/0", "nan", "-1", "0", "x", None, [1], "9" * 9999)),
    *((("threat",), value) for value in ({}, [], "linf", None)),
    *((("defense", "params"), value) for value in ([1, 2], "width", 3, None)),
    *((("source", "params"), value) for value in ({"part": {"params": [1]}}, [1])),
    *((("attack", "name"), value) for value in (3, None, ["a"], {"a": 1}, "\ud800")),
    *((("dataset", "version"), value) for value in (3, None)),
    *((("attack", "weights"), value) for value in ([1], {"a": 1}, "x")),
    *((("defense",), value) for value in (None, "tmdc", [], {"nom": "x"})),
    *(((name,), value) for name in ("knowledge", "precision", "images") for value in (1, None, [], {"a": 1})),
    *((("harness",), value) for value in ("9", 2, None, ["2"])),
    (("fixed_noise",), "yes"),
    (("passes",), 0),
    (("passes",), "all"),
    (("another",), 1),
]
"""What a plan may say under its right digest."""
