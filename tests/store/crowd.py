"""Several processes that do something to one store at the same moment."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from bench.store.database.upgrade import upgrade
from bench.store.store import Store
from tests import warm
from tests.store.test_store import plan_of, result_of

SECONDS = 120
CONTEXT = multiprocessing.get_context("forkserver")


def crowd(work: Callable[..., Any], each: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What `work` returned for each of these arguments, in a process of its own, all starting at once."""
    warm.serve()
    barrier = CONTEXT.Barrier(len(each))
    ends, processes = [], []
    for arguments in each:
        here, there = CONTEXT.Pipe(duplex=False)
        processes.append(CONTEXT.Process(target=_one, args=(barrier, there, work, arguments)))
        processes[-1].start()
        there.close()
        ends.append(here)
    found = [here.recv() if here.poll(SECONDS) else (None, "nothing came back") for here in ends]
    for process in processes:
        process.join(SECONDS)
    faults = [fault for _, fault in found if fault]
    assert not faults, faults[0]
    return [value for value, _ in found]


def _one(barrier: Barrier, there: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    barrier.wait(SECONDS)
    try:
        there.send((work(*arguments), None))
    except BaseException:
        there.send((None, traceback.format_exc()))
        raise


def open_it(location: str) -> int:
    """How many plans a store holds, opened for work."""
    return len(Store(location).plans())


def upgrade_it(location: str) -> str:
    """The schema that a store had when it was this process's turn."""
    return upgrade(location).before


def add_all(location: str, seed: int, label: int = 3) -> int:
    """Adds ten shards of a plan; how many of them came out otherwise before."""
    plan, store = plan_of(40, seed), Store(location)
    return sum(store.add(plan, result_of(plan, shard.index, label)) is not None for shard in plan.shards())


def fill_all(location: str, seeds: Sequence[int], label: int) -> int:
    """Offers three shards of each plan in one transaction, as a merge does; how many were copied."""
    plans, copied = [plan_of(12, seed) for seed in seeds], 0
    with_shards = [(plan, [result_of(plan, number, label) for number in (0, 1, 2)]) for plan in plans]
    from bench.store.rows.records import ShardRecord

    store = Store(location)
    for plan, results in with_shards:
        copied += store.fill(plan, [(ShardRecord.of_result(each), each.outcomes) for each in results]).copied
    return copied


def work_off(location: str, worker: str, seconds: float, most: int, pause: float = 0.0) -> list[int]:
    """Takes shards of a plan and finishes them until all are there; which ones this worker has computed."""
    plan, store, mine = plan_of(160), Store(location), []
    while pending := [shard.index for shard in store.pending(plan)]:
        taken = store.claims.take(plan, pending, worker, seconds, most=most)
        for number in sorted(taken):
            time.sleep(pause)
            store.add(plan, result_of(plan, number))
            mine.append(number)
        if not taken:
            time.sleep(0.05)
    return mine


def take_and_die(location: str, worker: str, seconds: float) -> None:
    """Takes three shards, and is gone."""
    Store(location).claims.take(plan_of(160), [0, 1, 2], worker, seconds)
    os.kill(os.getpid(), 9)
