"""Whether a file lies on a network file system, where SQLite's write-ahead log does not work."""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path("/proc/self/mounts")
NETWORK = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "auristorfs", "coda", "9p"),
        *("lustre", "gpfs", "beegfs", "fhgfs", "ceph", "glusterfs", "panfs", "wekafs", "pvfs2", "orangefs", "davfs"),
        *("quobyte", "moosefs", "lizardfs", "juicefs", "sshfs", "s3fs", "gcsfuse", "rclone", "vboxsf", "prl_fs"),
    }
)
"""Types of file systems that several hosts may have mounted; one behind FUSE is `fuse.` and its name."""
FUSE = frozenset({"ceph-fuse", "mfs", "s3ql", "goofys", "mount-s3", "blobfuse", "blobfuse2", "davfs2", "seaweedfs"})
"""Names under which some of them, and others, run behind FUSE alone."""


def network_type(path: Path, table: str | None = None) -> str | None:
    """The type of the network file system that a path lies on; None on a local one, and where nobody can tell.

    `table` is a mount table in the form of /proc/mounts, the system's own without one.
    """
    if table is None:
        try:
            table = TABLE.read_text(errors="surrogateescape")
        except OSError:
            return None
    place, found = path.resolve(), (-1, "")
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        depth = len(point.parts)
        if place.is_relative_to(point) and depth >= found[0]:  # of two at one place, the later one covers the other
            found = depth, fields[2]
    kind = found[1].lower()
    behind = kind.removeprefix("fuse.")
    return found[1] if behind in NETWORK or (kind != behind and behind in FUSE) else None
