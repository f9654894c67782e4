"""Several runs on one store: each shard is taken under a lease, and what another run is at is waited for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.domain.errors import StoreError
from bench.domain.plan import Plan
from bench.store.store import Store

LEASE = 60.0
"""Seconds for which a shard is held; so long others wait for a run that was killed on another machine."""
BEATS = 4
"""How often in that time a run says that it lives."""
END = 5.0
"""Seconds for which a last word is waited for."""
LOOK = 2.0
"""Seconds between two looks at what other runs do."""
MOST, BRISK = 64, 1.0
"""How many shards are taken at once at most, and how soon these must be used up for more of them: what takes longer
than a blink is taken one by one, so that every run finds some."""


def own_name() -> str:
    """A name for this run: the host, the process, and its home, so that runs beside it can tell whether it lives."""
    return f"{socket.gethostname()}-{os.getpid()}-{_home()}{secrets.token_hex(2)}"


def is_dead(name: str) -> bool:
    """Whether a run surely lives no more: its process was on this machine, and is gone."""
    home = _home()
    found = re.fullmatch(rf".*-(\d{{1,9}})-{home}[0-9a-f]{{4}}", name) if home else None
    if found is None:
        return False
    try:
        os.kill(int(found[1]), 0)  # which only asks
    except ProcessLookupError:
        return True
    except OSError:  # it is somebody else's
        return False
    return False


def _home() -> str:
    """What tells this boot of this machine, and this space of process numbers, from all others; "" if nothing does."""
    try:
        boot, space = Path("/proc/sys/kernel/random/boot_id").read_text(), str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:6]


@dataclass
class Share:
    """What one run holds of a store; a context manager that gives back what is left.

    A lease saves work and guards nothing: a shard that two runs finish all the same is stored once.
    """

    store: Store
    seconds: float = LEASE
    name: str = field(default_factory=own_name)
    doing: str = ""
    done: int = 0
    _mine: dict[tuple[str, int], Plan] = field(default_factory=dict)
    _begun: set[tuple[str, int]] = field(default_factory=set)
    _others: set[tuple[str, int]] = field(default_factory=set)
    _batch: int = 1
    _taken: float = 0.0
    _used: float = 0.0
    _looked: float = 0.0
    _beat: threading.Thread | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        if self._beat is not None:
            self._beat.join(END)  # or a last word of its would bring this run back after it is forgotten
            self._quietly(lambda: self.store.claims.forget(self.name))

    def take(self, plan: Plan, shard: int, next_ones: Callable[[], Sequence[int]], again: bool = False) -> bool:
        """Whether the shard is this run's now; with it some of the plan's `next_ones` are taken where shards are short.

        One that is stored is nobody's, unless it is to be run `again`.
        """
        key = plan.digest, shard
        with self._lock:
            self._used = time.monotonic()
            if key in self._mine:
                self._begun.add(key)
                return True
            if key in self._others and not again:
                return False
            self._begin()
            brisk = time.monotonic() - self._taken < BRISK
            self._batch = min(2 * self._batch, MOST) if brisk else max(1, self._batch // 2)
            wanted = list(dict.fromkeys([shard, *(next_ones()[: self._batch - 1] if self._batch > 1 else ())]))
            held = self.store.claims.take(plan, wanted, self.name, self.seconds, finished=again)
            self._taken = time.monotonic()
            self._mine.update({(plan.digest, number): plan for number in held})
            if shard in held:
                self._begun.add(key)
            return shard in held

    def give_back(self, plan: Plan, shard: int, is_stored: bool) -> None:
        """A shard has ended; whoever stores one has given up its lease by that."""
        with self._lock:
            was_mine = self._mine.pop((plan.digest, shard), None) is not None
            self._begun.discard((plan.digest, shard))
        if was_mine:
            self.done += is_stored
            if not is_stored:
                self.store.claims.release(self.name, plan, shard)

    def look(self, at_once: bool = False) -> Collection[tuple[str, int]] | None:
        """Which shards other runs hold, by plan and number; None where it was looked not long ago.

        What a run held that died on this machine is free at once."""
        if not at_once and time.monotonic() - self._looked < LOOK:
            return None
        claims = [claim for claim in self.store.claims.held() if claim.worker != self.name]
        dead = {name for name in {claim.worker for claim in claims} if is_dead(name)}
        for name in dead:
            self._quietly(lambda name=name: self.store.claims.forget(name))  # type: ignore[misc]
        self._others = {(claim.plan, claim.shard) for claim in claims if claim.worker not in dead}
        self._looked = time.monotonic()
        return self._others

    def _begin(self) -> None:
        """Say that this run is there, from its first shard on: who has nothing to do says nothing."""
        if self._beat is None:
            self.look(at_once=True)
            self.store.claims.note(self.name, self.doing, self.done)
            self._beat = threading.Thread(target=self._live, daemon=True)
            self._beat.start()

    def _live(self) -> None:
        while not self._over.wait(self.seconds / BEATS):
            self._quietly(lambda: self.store.claims.renew(self.name, self.seconds))
            self._quietly(lambda: self.store.claims.note(self.name, self.doing, self.done))
            self._quietly(self._spare)

    def _spare(self) -> None:
        """Leave to others what was taken in advance, when shards take longer than was thought."""
        with self._lock:
            if time.monotonic() - self._used > BRISK:
                for key in [key for key in self._mine if key not in self._begun]:
                    self.store.claims.release(self.name, self._mine.pop(key), key[1])

    @staticmethod
    def _quietly(say: Callable[[], None]) -> None:
        """A word that does not arrive costs others a wait or some work twice, and this run nothing."""
        with contextlib.suppress(StoreError):
            say()
