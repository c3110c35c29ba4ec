"""One pulse goes on in the place of another: for a new version, or for files that were changed.

SIGUSR2 asks for it; SIGUSR1 where systemd restarts the unit. Owns the start of the heir, and the way to it. Invariant:
until the inheritance is sent nothing has changed, and an heir that ends before is forgotten; after it the former pulse
neither beats nor renews. The heir reads everything from disk before it says that it is ready, so the gap between the
two is some ms. Must not know beats.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from pathlib import Path

from hbcore.engine.config import ClusterConfig, GroupDef
from hbcore.host import pipe, sole
from hbcore.host.notify import Notifier

TELL_S = 0.5
HEIR = "HBCORE_HEIR"  # a descriptor: the socket to the pulse that is to be succeeded


class Succession:
    """The former pulse's side. `ready`: the heir only waits for the daemon's end; `groups`: what its files have;
    `agreed`: the daemon found all there that runs, and ends.
    """

    def __init__(self, arguments: list[str], *, managed: bool) -> None:
        """Starts the heir. `managed`: as Inheritance's. Raises OSError."""
        ours, theirs = pipe.pair()
        os.set_inheritable(theirs.fileno(), True)
        argv = [sys.executable, "-m", "hbcore.cli.hbcored", *arguments]
        environment = {**os.environ, HEIR: str(theirs.fileno())}
        try:
            self.pid = os.posix_spawn(sys.executable, argv, environment, setsigmask=[], setsigdef=[signal.SIGPIPE])
        finally:
            theirs.close()
        self.pipe = pipe.Pipe(ours)
        self.ready = self.agreed = False
        self.groups: tuple[GroupDef, ...] = ()
        self.managed = managed

    def heard(self, cluster: bytes, node: str) -> str:
        """Reads what the heir said. Code of why it cannot succeed, "" while it may."""
        try:
            messages = self.pipe.drain()
        except ValueError:  # its groups have what ours have not
            return "heir-version"
        for message in messages:
            match message:
                case pipe.Heir(version, theirs, name, groups):
                    if version != pipe.VERSION:
                        return "heir-version"
                    if (theirs, name) != (cluster, node):
                        return "heir-cluster"
                    self.ready, self.groups = True, groups
                case _:
                    return "heir-failed"
        return "heir-failed" if self.pipe.closed else ""

    def hand_over(self, inheritance: pipe.Inheritance) -> bool:
        """Whether it has it; then this process only ends. It waits until the heir has told the service manager."""
        self.pipe.send(inheritance)
        if self.pipe.closed or self.pipe.lost:
            return False
        select.select([self.pipe.fileno()], [], [], TELL_S)
        return True


def inherit(config: ClusterConfig, node: str, runtime: Path) -> pipe.Inheritance | None:
    """The heir's side: says that it is ready, and waits. None where the former pulse goes on, or is gone.

    Raises ValueError for what no version of ours sends.
    """
    with socket.socket(fileno=int(os.environ.pop(HEIR))) as sock:
        sock.set_inheritable(False)
        former = pipe.Pipe(sock)
        former.send(pipe.Heir(pipe.VERSION, config.cluster_id, node, config.groups))
        sock.setblocking(True)
        packet = sock.recv(pipe.MAX_PACKET)
        message = pipe.decode(packet) if packet else None
        if not isinstance(message, pipe.Inheritance):
            return None
        sole.succeed(runtime)
        if not message.managed:
            Notifier().adopt(os.getpid())
        return message
