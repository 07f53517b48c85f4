"""What is read of this machine: the room on its disk, its folder of journals, and the channels of notices."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dualloop.journal import JournalError
from dualloop.modes.disks import check_local
from dualloop.notify import Notifier

_TEST = "dualloop doctor: this channel works"


def free(folder: Path) -> int:
    """Bytes at the folder, or at what is there of the way to it. Raises `OSError`."""
    return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free


def unwritable(folder: Path) -> str:
    """Why no journal can be kept there; empty when one can."""
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        check_local(folder)
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except JournalError as error:
        return str(error)
    except OSError as error:
        return f"nothing can be written to {folder} ({error.strerror})"
    return ""


def channels(urls: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """A test message through each: why there is none at all, and by channel why it failed. Takes some seconds."""
    if not urls:
        return "no notify.urls are set", []
    with Notifier(urls) as notifier:
        return notifier.ready(), [(each.channel, each.why) for each in notifier.test(_TEST)]
