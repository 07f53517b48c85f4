"""Where a journal of real money may lie: on a disk of this machine, whose locks keep a second start out (P10)."""

from pathlib import Path

from dualloop.journal import JournalError

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.rclone"}
"""File systems whose locks another machine may not see."""
_MOUNTS = Path("/proc/mounts")


def check_local(folder: Path) -> None:
    """Raises `JournalError` on a network's disk. Without a list of mounts nothing is known, and nothing refused."""
    try:
        kind = filesystem_of(folder.resolve(), _MOUNTS.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return
    if kind in _NETWORK:
        raise JournalError(f"{folder} is on a network's disk ({kind}), where locks cannot be trusted; name a local one")


def filesystem_of(path: Path, mounts: str) -> str:
    """The kind of file system that a path is on, by the kernel's list of mounts; empty when that has none for it."""
    found = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in map(str.split, mounts.splitlines())}
    return next((found[each] for each in (path, *path.parents) if each in found), "")
