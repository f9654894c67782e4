"""A PostgreSQL server of the tests' own, from the distribution's package where that is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql")
SECONDS = 30


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where it, or its driver, is not installed."""
    try:
        import psycopg  # noqa: F401  # only whether it is there
    except ImportError:
        return None
    found = [Path(path) for path in (shutil.which("postgres"),) if path]
    found += [path for place in PLACES for path in sorted(Path(place).glob("**/bin/postgres"), reverse=True)]
    return next((path.parent for path in found if path.with_name("initdb").exists()), None)


class Server:
    """It listens on a socket in a folder of its own, trusts everybody there, and can be killed and started again."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="bench-pg-", dir="/tmp"))  # a socket's path must be short
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user = next(filter(_exists, ("postgres", "nobody"))) if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        command = [
            programs / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "bench",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(command, check=True, capture_output=True, **self._as())  # type: ignore[call-overload]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", "max_connections=60")
        options = [word for setting in settings for word in ("-c", setting)]
        log = (self.folder / "log").open("ab")
        command = [self.programs / "postgres", "-D", self.folder / "data", *options]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as())  # type: ignore[call-overload]
        log.close()
        give_up = time.monotonic() + SECONDS
        while not self._answers():
            assert time.monotonic() < give_up, (self.folder / "log").read_text()
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by default it breaks off what is being done; SIGQUIT is as hard as a crash."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(SECONDS)

    def close(self) -> None:
        """Stop it for good, and remove everything."""
        self.stop()
        shutil.rmtree(self.folder)

    def database(self) -> str:
        """The URL of a new database, in which nothing is yet."""
        name = f"bench_{next(self._numbers)}"
        self.ask("postgres", f"CREATE DATABASE {name}")
        return f"postgresql:///{name}?host={self.folder}&user=bench"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is using it."""
        self.ask("postgres", f"DROP DATABASE {url.split('/')[3].split('?')[0]} WITH (FORCE)")

    def ask(self, database: str, query: str) -> list[tuple[object, ...]]:
        """What the server answers, asked past bench."""
        import psycopg

        with psycopg.connect(host=str(self.folder), user="bench", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(query)  # type: ignore[arg-type]  # the tests' own words
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        import psycopg

        try:
            self.ask("postgres", "SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _as(self) -> dict[str, object]:
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []} if self._user else {}


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
