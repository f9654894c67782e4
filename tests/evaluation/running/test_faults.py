"""What befalls a run: full disks, folders that are taken away, killed processes, another run at the same moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bench import Plan, Store, StoreError
from bench.evaluation.evaluate import evaluate_all
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.agenda import Trip
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.run import Evaluation, Observer, Site
from bench.evaluation.running.untouched import Untouched
from bench.store.others.foreign import read_shards
from tests.evaluation.observers import Memory, Saboteur
from tests.evaluation.running.test_queue import three

__all__ = ["three"]  # a fixture


def run(plans: list[Plan], store: Store, observer: Observer) -> list[Evaluation]:
    with Crew(lambda: "cpu", 1) as crew, Archive(None) as archive:
        return [evaluation for _, evaluation in evaluate_all(Site(crew, archive, store, observer), plans)]


def _fill(path: Path) -> None:
    """Let a file take all that is left of a disk."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.close(descriptor)


def same(plans: list[Plan], found: Store, expected: Store) -> None:
    for plan in plans:
        assert found.outcomes(plan) == expected.outcomes(plan)
        hashes = [[shard.perturbed_sha256 for shard in store.shards(plan)] for store in (found, expected)]
        assert hashes[0] == hashes[1]
    assert (found.conflicts(), found.claims.held(), found.claims.workers()) == ((), (), ())


def test_images_that_are_taken_away_under_a_run_are_crafted_again_where_they_are_needed(
    three: list[Plan], tmp_path: Path
) -> None:
    calm, store = Store(tmp_path / "calm.db"), Store(tmp_path / "results.db")
    run(three, calm, Memory())
    run([three[2]], store, Memory())
    observer = Saboteur(deeds={1: lambda: shutil.rmtree(store.artifacts.folder)})
    ended = run(three[:2], store, observer)
    assert observer.deeds == {}
    assert [evaluation.failures for evaluation in ended] == [[], []]
    same(three, store, calm)


def test_a_data_set_s_process_that_is_killed_is_replaced(request_of_halves: Request) -> None:
    plan = make_plan(request_of_halves)
    with Archive(None) as archive:
        first, _ = archive.arrays(plan, plan.indices)
        ((reader),) = archive._sets.values()
        os.kill(reader._worker._process.pid, signal.SIGKILL)
        again, _ = archive.arrays(plan, plan.indices)
    assert np.array_equal(first, again)


def test_a_shard_that_another_run_stores_between_two_looks_is_known_whole_or_not_at_all(
    request_of_halves: Request, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, other = make_plan(request_of_halves), Store(tmp_path / "other.db")
    run([plan], other, Memory())
    clean = plan.untouched()
    wholes = read_shards(other, clean)
    store.fill(clean, wholes[:2])
    looks = []

    def racing(look: Callable[[Plan], object]) -> Callable[[Plan], object]:
        def looked(of: Plan) -> object:
            found = look(of)
            looks.append(found)
            if len(looks) == 1:
                store.fill(clean, wholes[2:])
            return found

        return looked

    for name in ("shards", "predictions"):
        monkeypatch.setattr(store, name, racing(getattr(store, name)))
    untouched = Untouched(store)
    known = [untouched.known(Trip(plan, shard, ())) for shard in plan.shards()]
    assert len(looks) == 2
    assert [found is not None for found in known] == [True, True, False]
    for shard, found in zip(plan.shards(), known, strict=True):
        assert found is None or set(shard.indices) <= set(found[0])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that is almost full: a few blocks more than an empty store takes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if (
        sys.platform != "linux"
        or os.getuid() != 0
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("needs root, who alone makes a disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_the_same_run_goes_on_when_there_is_room(
    three: list[Plan], small_disk: Path, tmp_path: Path
) -> None:
    calm = Store(tmp_path / "calm.db")
    run(three, calm, Memory())
    for artifacts in (None, tmp_path / "elsewhere"):  # images and results beside each other, and results alone
        store = Store(small_disk / "results.db", artifacts=artifacts)
        filling = small_disk / "filling"
        _fill(filling)
        with pytest.raises(StoreError) as raised:
            run(three, store, Memory())
        assert "\n" not in str(raised.value)
        assert "same command again" in str(raised.value)
        filling.unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
        assert not [failure for evaluation in run(three, store, Memory()) for failure in evaluation.failures]
        same(three, store, calm)
        store.close()
        for path in small_disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        subprocess.run(["mount", "-o", "remount,size=300k", str(small_disk)], check=True)
