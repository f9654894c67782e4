"""A link to a server that can be made silent: what is sent is lost, and nobody is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = f"bench{os.getpid()}"
HERE, THERE, PORT = "10.233.77.1", "10.233.77.2", 5432
FORWARD = """
import socket, sys, threading

def pour(source, sink):
    try:
        while content := source.recv(65536):
            sink.sendall(content)
    except OSError:
        pass
    sink.close()

door = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("open", flush=True)
while True:
    near, _ = door.accept()
    far = socket.socket(socket.AF_UNIX)
    far.connect(sys.argv[3])
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pour, args=pair, daemon=True).start()
"""


class Link:
    """The way to a host that has the server behind it."""

    host, port = THERE, PORT

    def silence(self) -> None:
        """From now on nothing comes through, in either direction."""
        _ip("-n", NAME, "route", "add", "blackhole", f"{HERE}/32")

    def speak(self) -> None:
        """Everything comes through again."""
        _ip("-n", NAME, "route", "del", "blackhole", f"{HERE}/32")


def can_be_made() -> bool:
    """Whether this process may make network namespaces."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", NAME], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "del", NAME)
    return made


@contextmanager
def link_to(socket: Path) -> Iterator[Link]:
    """A host in a network of its own, at which a server answers that listens on a socket here."""
    _ip("netns", "add", NAME)
    try:
        _ip("link", "add", f"{NAME}a", "type", "veth", "peer", "name", f"{NAME}b", "netns", NAME)
        _ip("addr", "add", f"{HERE}/30", "dev", f"{NAME}a")
        _ip("-n", NAME, "addr", "add", f"{THERE}/30", "dev", f"{NAME}b")
        _ip("link", "set", f"{NAME}a", "up")
        for device in ("lo", f"{NAME}b"):
            _ip("-n", NAME, "link", "set", device, "up")
        command = ["ip", "netns", "exec", NAME, sys.executable, "-c", FORWARD, THERE, str(PORT), str(socket)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as forwarder:
            try:
                assert forwarder.stdout is not None
                assert forwarder.stdout.readline() == b"open\n"
                yield Link()
            finally:
                forwarder.kill()
    finally:
        _ip("netns", "del", NAME)  # its devices go with it


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
