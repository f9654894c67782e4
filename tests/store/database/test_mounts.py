from __future__ import annotations

from pathlib import Path

import pytest

from bench.domain.errors import StoreError
from bench.store.database import mounts
from bench.store.database.mounts import network_type
from bench.store.database.upgrade import upgrade
from bench.store.store import Store
from tests.store.honest import restore
from tests.store.test_store import plan_of, result_of

TABLE = r"""
proc /proc proc rw 0 0
/dev/sda1 / ext4 rw,relatime 0 0
server:/export/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local\040disk xfs rw 0 0
//server/share /mnt/share cifs rw 0 0
me@host: /mnt/far fuse.sshfs rw 0 0
ntfs /mnt/stick fuse.ntfs-3g rw 0 0
scratch@tcp:/scratch /scratch lustre rw 0 0
old:/export /twice nfs rw 0 0
/dev/sdc1 /twice ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/results.db", "nfs4"),
        ("/home/local disk/results.db", None),
        ("/homestead/results.db", None),
        ("/mnt/share/results.db", "cifs"),
        ("/mnt/far/a/b/results.db", "fuse.sshfs"),
        ("/mnt/stick/results.db", None),
        ("/scratch/results.db", "lustre"),
        ("/twice/results.db", None),
        ("/results.db", None),
    ],
)
def test_a_path_lies_on_what_is_mounted_nearest_above_it(path: str, kind: str | None) -> None:
    assert network_type(Path(path), TABLE) == kind


def test_a_link_lies_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    table = f"/dev/sda1 / ext4 rw 0 0\nserver:/ {tmp_path.resolve() / 'far'} nfs rw 0 0"
    assert network_type(tmp_path / "near" / "results.db", table) == "nfs"
    assert network_type(tmp_path / "results.db", table) is None


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the mount table says is another host's."""
    folder = tmp_path / "far"
    folder.mkdir()
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/export {folder.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    return folder


def test_a_file_on_a_network_file_system_is_not_written_and_the_sentence_says_what_to_do(far: Path) -> None:
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*PostgreSQL.*bench merge"):
        Store(far / "results.db")
    assert not list(far.iterdir())
    path = restore("schema_0003", far)
    with pytest.raises(StoreError, match="network file system"):
        upgrade(path)


def test_a_file_on_a_network_file_system_is_read_all_the_same(far: Path, tmp_path: Path) -> None:
    plan, near = plan_of(), Store(tmp_path / "results.db")
    near.add(plan, result_of(plan, 0))
    near.close()
    (tmp_path / "results.db").rename(far / "results.db")
    store = Store(far / "results.db", create=False)
    assert len(store.outcomes(plan)) == 4
    assert [path.name for path in far.iterdir()] == ["results.db"]
    with pytest.raises(StoreError, match="network file system"):
        store.add(plan, result_of(plan, 1))
