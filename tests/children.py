"""Programs that tests start and stop."""

import signal


def hears_ctrl_c() -> None:
    """To be run in the child: one of a shell's background job would ignore SIGINT, and these tests may be in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
