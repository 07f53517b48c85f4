"""The journal of real money lies on a disk of this machine: row P10 of the failure matrix."""

from pathlib import Path

import pytest

from dualloop.modes.disks import check_local, filesystem_of

MOUNTS = "/dev/sda1 / ext4 rw 0 0\nserver:/export /mnt/far nfs4 rw 0 0\n/dev/sdb1 /mnt/far/near ext4 rw 0 0\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", "ext4"),
        ("/mnt/far/run", "nfs4"),
        ("/mnt/far/near/run", "ext4"),
        ("/mnt", "ext4"),
        ("/mnt/fa", "ext4"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(path: str, kind: str) -> None:
    """P10: a journal whose lock another machine would not see is refused."""
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_a_folder_of_this_machine_is_taken(tmp_path: Path) -> None:
    """P10: also one that is not made yet."""
    check_local(tmp_path / "run")
