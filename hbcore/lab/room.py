"""The machine room: namespaces around the whole lab, which the kernel clears away when the lab's process ends.

Owns the outermost user, network, mount, UTS, IPC and PID namespaces and the tmpfs on /run that holds the nodes' disks.
Invariant: nothing of the lab exists outside the room, so nothing is left when it ends, by kill -9 too: every process
started here lives in a PID namespace whose first process, the warden, dies with this one.
Must not know nodes. From outside, the room's files are under `/proc/PID/root` with this process' PID.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hbcore.lab import kernel
from hbcore.lab.trouble import LabError

PLACE = Path("/run")  # the room's own tmpfs; every Linux has this directory
SIZE = "512m"  # disks, logs and captures of all nodes; memory is used only as it fills


@dataclass(frozen=True, slots=True)
class Room:
    """`pid`: the process that entered it; `warden`: the first process of its PID namespace."""

    pid: int
    warden: int

    @property
    def outside(self) -> str:
        """What to put before a path in the room to reach it from outside."""
        return f"/proc/{self.pid}/root"

    def close(self) -> None:
        """Returns when every process of the room is dead. The last thing to do: it reaps every child there is, for the
        warden's end waits until the last process of its namespace is reaped."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.warden, signal.SIGKILL)
            while os.waitpid(-1, 0)[0] != self.warden:
                pass


def enter() -> Room:
    """Puts this process into a room of its own: root, or anyone where user namespaces are allowed. Single-threaded.

    Raises LabError where the kernel refuses.
    """
    uid, gid = os.geteuid(), os.getegid()
    wanted = kernel.NEWNET | kernel.NEWNS | kernel.NEWUTS | kernel.NEWIPC | kernel.NEWPID
    try:
        kernel.unshare(wanted if uid == 0 else wanted | kernel.NEWUSER)
        if uid != 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        raise LabError("lab-no-namespaces", why=error) from error
    warden = _start_warden()
    kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("lab", str(PLACE), "tmpfs", data=f"mode=755,size={SIZE}")
    return Room(os.getpid(), warden)


def _start_warden() -> int:
    """First process of the PID namespace: when it ends the kernel kills all others. It waits for our end of a pipe,
    and for the signal of our death, whichever comes first; and reaps orphans by ignoring SIGCHLD."""
    watched, _held_until_we_die = os.pipe()
    pid = os.fork()
    if pid:
        os.close(watched)
        return pid
    try:
        os.close(_held_until_we_die)
        os.setsid()
        kernel.die_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.read(watched, 1)
    finally:
        os._exit(0)
