from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.datasets.digits import Digits
from bench.domain.plan import Spec
from bench.executors import worker
from bench.loading import classifiers, memory
from bench.loading.classifiers import KEPT, Shelf
from bench.plugins.registry import defenses

MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 1000 kB with 600 free, and no limits."""
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/jobs/mine\n")
    return tmp_path


def group(folder: Path, names: tuple[str, str, str], most: str, used: int, back: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{most}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {back}\n")


def test_free_memory_is_what_the_machine_can_still_give(root: Path) -> None:
    assert memory.free_share("cpu") == pytest.approx(0.6)
    (root / "proc/meminfo").unlink()
    assert memory.free_share("cpu") == 1
    assert memory.free_share("meta") == 1


def test_a_limit_of_this_process_or_of_a_group_above_it_counts_without_what_files_take(root: Path) -> None:
    names = ("memory.max", "memory.current", "inactive_file")
    group(root / "sys/fs/cgroup/jobs/mine", names, "max", 900 * MIB, 0)
    group(root / "sys/fs/cgroup/jobs", names, str(1000 * MIB), 900 * MIB, 200 * MIB)
    group(root / "sys/fs/cgroup/others", names, str(1000 * MIB), 999 * MIB, 0)
    assert memory.free_share("cpu") == pytest.approx(0.3)


def test_the_first_version_of_control_groups_is_read_too(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("4:memory:/job\n0::/\n")
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    group(root / "sys/fs/cgroup/memory/job", names, str(1000 * MIB), 900 * MIB, 100 * MIB)
    assert memory.free_share("cpu") == pytest.approx(0.2)


MEASURED = """
import resource, torch
from bench.loading.memory import let_go
torch.set_num_threads(1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        layers = [torch.ones(2**20) for _ in range(8)]
        del layers
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def held():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
faults()
found, full = faults(), held()
let_go("cpu")
print(found, full - held())
"""


def measured(**settings: str) -> tuple[int, int]:
    """Pages that the system had to give for ten times eight tensors of 4 MiB, and kB given back after them."""
    out = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, env=settings)
    faults, given_back = map(int, out.stdout.split())
    return faults, given_back


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs Linux with glibc, whose allocator is told")
def test_a_worker_uses_its_freed_memory_again_and_gives_it_back_when_it_is_done() -> None:
    with worker._as_processes_are_to_be():
        told, given_back = measured(**os.environ)
    plain, _ = measured(**os.environ, GLIBC_TUNABLES="glibc.malloc.mmap_threshold=131072")
    assert plain > 10 * 8 * 1000  # 1024 pages a tensor
    assert told < plain / 20
    assert given_back > 4096  # at least one tensor


def test_what_somebody_has_told_the_allocator_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    with worker._as_processes_are_to_be():
        assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1"
    monkeypatch.delenv("GLIBC_TUNABLES")
    with worker._as_processes_are_to_be():
        assert "trim_threshold" in os.environ["GLIBC_TUNABLES"]
    assert "GLIBC_TUNABLES" not in os.environ


def specs(count: int) -> list[Spec]:
    """The same classifier under so many names."""
    task = Digits().load("test", None).task
    defense = defenses.make("resnet", {})
    found = defenses.spec("resnet", defense, task)
    return [replace(found, params={**found.params, "number": number}) for number in range(count)]


@pytest.mark.parametrize(("free", "kept"), [(0.9, KEPT), (0.1, 1)])
def test_classifiers_are_kept_while_there_is_memory_for_them(
    free: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    monkeypatch.setattr(classifiers, "free_share", lambda device: free)
    monkeypatch.setattr(classifiers, "load_defense", lambda spec, task, device: loaded.append(spec.params["number"]))
    task, shelf, wanted = Digits().load("test", None).task, Shelf("cpu"), specs(KEPT + 2)
    for spec in wanted:
        shelf.classifier(spec, task)
    for spec in reversed(wanted):
        shelf.classifier(spec, task)
    again = loaded[len(wanted) :]
    assert again == [spec.params["number"] for spec in reversed(wanted[:-kept])]


def test_what_does_not_fit_beside_others_is_run_again_alone_before_it_is_cut_smaller() -> None:
    task, shelf, (first, second) = Digits().load("test", None).task, Shelf("cpu"), specs(2)
    loaded: list[object] = []

    class Large:
        def shrink(self) -> str | None:
            raise AssertionError("there was room once it was alone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "free_share", lambda device: 1.0)
        patch.setattr(classifiers, "load_defense", lambda *_: loaded.append(Large()) or loaded[-1])
        shelf.classifier(first, task)
        runs = 0

        def run(classifier: object) -> int:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise MemoryError
            return runs

        assert shelf.fitted(second, task, run) == (2, ())
        shelf.classifier(first, task)
    assert len(loaded) == 3  # the first was let go and loaded again, the second was not
