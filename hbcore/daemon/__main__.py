"""`python -m hbcore.daemon`: says that it lives before it imports anything, then runs.

Owns the order of the first 50 ms: pulse vouches one second for a dead daemon, and the imports take a good part of it.
"""

from __future__ import annotations

import socket
import sys


def main() -> int:
    fd = int(sys.argv[sys.argv.index("--fd") + 1])
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    sock.send(b"\x00alive")  # host.pipe.LIFE_SIGN
    from hbcore.host import realtime

    realtime.ordinary()  # pulse's place is not for us, still less for the services we start
    from hbcore.daemon.manager import run

    return run(sock, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
