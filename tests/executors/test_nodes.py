"""Nodes of a Ray cluster that come and go under a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import Store
from bench.evaluation.evaluate import evaluate
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.executors import cluster as ours
from tests import needs
from tests.evaluation.observers import Memory, Saboteur
from tests.executors.alone import alone

pytestmark = [pytest.mark.slow, needs.ray, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head and two nodes on this machine, a core each."""
    for name, value in ours.QUIET.items():
        monkeypatch.setenv(name, os.environ.get(name, value))
    ours._show_token()
    from ray.cluster_utils import Cluster

    with alone():
        made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        yield made
        with suppress(Exception):  # Ray complains of the nodes that it finds dead
            made.shutdown()


NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}


def test_nodes_that_are_killed_and_others_that_come_change_no_outcome(
    cluster: Any, request_of_halves: Request, store: Store, tmp_path: Path
) -> None:
    first, second = (cluster.add_node(**NODE) for _ in range(2))
    protocol = replace(request_of_halves.protocol, samples=90, shard_size=3)
    plan, local = make_plan(replace(request_of_halves, protocol=protocol)), Store(tmp_path / "local.db")
    evaluate(plan, local, Memory(), lambda: "cpu", workers=2)
    deeds = {
        2: first.kill_raylet,  # the daemon alone, with kill -9
        6: lambda: cluster.remove_node(second, allow_graceful=False),  # all of a node's processes
        8: lambda: cluster.add_node(**NODE),
        12: lambda: cluster.add_node(**NODE),
    }
    observer = Saboteur(deeds=deeds)
    found = evaluate(plan, store, observer, lambda: "cpu", executor=f"ray={cluster.address}")
    assert (observer.deeds, found.failures, found.computed) == ({}, [], 30)
    assert sorted(observer.stored) == [shard.index for shard in plan.shards()]
    assert store.outcomes(plan) == local.outcomes(plan)
    assert [s.perturbed_sha256 for s in store.shards(plan)] == [s.perturbed_sha256 for s in local.shards(plan)]
    assert (store.conflicts(), store.claims.held(), store.claims.workers()) == ((), (), ())
