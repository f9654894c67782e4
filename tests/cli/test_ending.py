"""How a call ends: one JSON document whatever happens, one sentence, and the right exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import console
from bench.cli.app import build
from bench.cli.ending import ended
from bench.cli.stored import listing
from bench.domain.errors import BenchError, DataError, PluginError, StoreError, UsageError, WeightsError
from bench.domain.text import without_passwords
from tests.cli.command import bench

SECRET = "postgresql://me:s3cret@nowhere.invalid/bench?password=s3cret"


@pytest.mark.parametrize(
    ("words", "kind", "code", "sentence"),
    [
        (("--json",), "usage", 2, "No such option: --json"),
        (("evalute", "--json"), "usage", 2, "Did you mean 'evaluate'?"),
        (("evaluate", "--json"), "usage", 2, "Missing option '--defense'"),
        (("evaluate", "--nothing", "--json"), "usage", 2, "No such option: --nothing"),
        (("list", "--json", "nothing"), "usage", 2, "'nothing' is not one of 'defenses'"),
        (("list", "plans", "--json"), "store", 1, "There is no results database"),
        (("show", "--json", "--db", "", "abc"), "store", 1, "would keep nothing"),
        (("export", "x.csv", "--json"), "usage", 2, "No such option: --json"),
        (("reproduce", "nobody", "--json"), "usage", 2, "No study is called 'nobody'"),
    ],
)
def test_an_error_is_one_json_document_too(words: tuple[str, ...], kind: str, code: int, sentence: str) -> None:
    found, out, err = bench(*words)
    error = json.loads(out)["error"]
    assert (found, error["exit_code"], error["kind"]) == (code, code, kind)
    assert sentence in error["sentence"]
    assert sentence in err


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (KeyboardInterrupt(), "interrupted", 130),
        (KeyError("x"), "crash", 1),
        (BrokenPipeError(32, "a worker's"), "crash", 1),
        (BenchError("Failed."), "failure", 1),
        (UsageError("Wrong."), "usage", 2),
        (DataError("Missing."), "data", 2),
        (WeightsError("Corrupt."), "weights", 2),
        (PluginError("Broken."), "plugin", 1),
        (StoreError("Locked."), "store", 1),
    ],
)
def test_whatever_ends_a_verb_is_told_to_programs(
    error: BaseException, kind: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: bool) -> None:
        print("noise")
        raise error

    monkeypatch.setattr(listing, "_list_protocols", fail)
    found, out, err = bench("list", "protocols", "--json")
    assert (found, json.loads(out)["error"]["kind"], json.loads(out)["error"]["exit_code"]) == (code, kind, code)
    assert "noise" in err
    assert ("Traceback" in err) is (kind == "crash")


def test_what_others_print_goes_to_stderr_by_whatever_way(tmp_path: Path) -> None:
    program = (
        "import os, sys; from bench.cli.stored import listing; from bench.cli.console import print_json\n"
        "def noisy(as_json):\n"
        "    print('printed'); sys.stdout.write('written\\n'); os.write(1, b'by number\\n'); os.system('echo child')\n"
        "    print_json({'nan': float('nan'), 'far': [float('inf'), (1.5, -float('inf'))], 'name': 'na\\xefve'})\n"
        "    print('afterwards')\n"
        "listing._list_protocols = noisy\n"
        "from bench.cli import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, "list", "protocols", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
    )
    assert json.loads(run.stdout) == {"nan": None, "far": [None, [1.5, None]], "name": "naïve"}
    assert run.stderr.split() == ["printed", "written", "by", "number", "child", "afterwards"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_no_encoding_ends_in_an_error(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    console.tolerant()
    console.stdout.print("naïve 名前 – \u2212 \udc80")
    console.print_json({"name": "naïve 名前 \udc80"})
    text = written.getvalue().decode(encoding)
    assert json.loads(text.partition("\n")[2])["name"] == "naïve 名前 \udc80"


@pytest.mark.parametrize("words", ["list protocols", "list protocols --json", "--version", "--help", "show -h"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device is always full here")
def test_a_full_stdout_is_one_sentence(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = io.StringIO()
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "stderr", errors)
        with pytest.raises(SystemExit) as ending:
            build()(words.split())
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    assert ending.value.code == 1
    assert errors.getvalue().startswith("Error Stdout cannot be written (No space left on device)")


@pytest.mark.parametrize("words", ["list attacks", "--help", "evaluate --help", ""])
def test_a_closed_pipe_ends_without_a_word_and_as_shells_say_it(words: str) -> None:
    program = f"{sys.executable} -m bench {words} | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("141\n", "")


def test_ctrl_c_before_there_is_anything_is_one_line() -> None:
    program = (
        "import builtins; usual = builtins.__import__\n"
        "def late(name, *rest):\n"
        "    if name == 'bench.cli.app': raise KeyboardInterrupt\n"
        "    return usual(name, *rest)\n"
        "builtins.__import__ = late\n"
        "from bench.cli import main; main()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (130, "Interrupted before anything was done.\n")


def test_no_password_is_said_not_even_while_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DEBUG", "1")
    for error in (RuntimeError(f"no route to {SECRET}"), StoreError(f"{SECRET} is away.")):

        def fail(found: Exception = error) -> None:
            raise found

        errors = io.StringIO()
        monkeypatch.setattr(sys, "stderr", errors)
        assert ended(fail, ["--json"]) == 1
        assert "Traceback" in errors.getvalue()
        assert "s3cret" not in errors.getvalue()
    code, out, err = bench("list", "plans", "--json", "--db", SECRET.replace("postgresql", "mysql"))
    assert (code, "s3cret" in out + err) == (1, False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://me:a:b@c@host/x, now", "at postgresql://me:***@host/x, now"),
        ("postgresql://host/x?sslpassword=abc&y=1", "postgresql://host/x?sslpassword=***&y=1"),
        ("see https://host:8080/a and me@host", "see https://host:8080/a and me@host"),
        ("me:secret@host is no URL", "me:secret@host is no URL"),
    ],
)
def test_passwords_of_urls_are_hidden_in_any_text(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


@pytest.mark.parametrize("columns", ["0", "00", "-3", "many"])
def test_no_columns_are_as_many_as_there_are(columns: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from bench.cli.console import stdout; print(stdout.width)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": columns},
    )
    assert int(run.stdout) >= 80
