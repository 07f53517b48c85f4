"""A person's hand on a running trader: HTTP on a Unix socket, a KILL file, a signal. Only the operator loop acts.

Whoever may open the run's folder may steer it: the socket is 0600, and every edit is recorded with the user and the
client that asked. Nothing here is in the way of a price: requests are small, and are answered between two of them.
"""

from dualloop.control.kill import KILL_FILE, kill_switch
from dualloop.control.server import SOCKET, serve

__all__ = ["KILL_FILE", "SOCKET", "kill_switch", "serve"]
