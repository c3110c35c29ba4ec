"""`python -m hbcore.daemon`: says that it lives before it imports anything, then runs.

Owns the order of the first 50 ms: pulse vouches one second for a dead daemon, and the imports take a good part of it.
"""

from __future__ import annotations

import signal
import socket
import sys

NOT_MINE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # pulse's: they often reach a whole process group


def main() -> int:
    for number in NOT_MINE:
        signal.signal(number, lambda *_: None)  # not SIG_IGN: the services we start would inherit that
    fd = int(sys.argv[sys.argv.index("--fd") + 1])
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    sock.send(b"\x00alive")  # host.pipe.LIFE_SIGN
    from hbcore.host import realtime

    realtime.ordinary()  # pulse's place is not for us, still less for the services we start
    from hbcore.daemon.start import run

    return run(sock, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
