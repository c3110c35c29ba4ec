"""A cell: a set of namespaces held by one sleeping process, and ways to start programs in it.

Owns fork, pidfds and the first process of each cell. Invariant: killing that process kills all in the cell's PID
namespace at once; no zombie stays, for it and the warden ignore SIGCHLD, which makes the kernel reap.
Must not know what a node is.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hbcore.lab import kernel
from hbcore.lab.trouble import LabError

HOST_KINDS = kernel.NEWNET | kernel.NEWUTS
NODE_KINDS = HOST_KINDS | kernel.NEWNS | kernel.NEWIPC | kernel.NEWPID
CODE = Path(__file__).resolve().parents[2]  # the folder that holds the packages
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Cell:
    """`pid` is the first process as seen outside the room; `kinds` the namespaces it has for itself."""

    pid: int
    pidfd: int
    kinds: int

    @property
    def net(self) -> str:
        """The network namespace as `ip ... netns` takes it."""
        return f"/proc/{self.pid}/ns/net"

    def enter(self, kinds: int = 0) -> None:
        kernel.setns(self.pidfd, kinds or self.kinds)

    def run(self, argv: Sequence[str], text: str = "") -> str:
        """Runs a short program of the room in this cell's network only. Raises LabError with what it said."""
        return run(argv, text, before=lambda: self.enter(kernel.NEWNET))

    def start(self, argv: Sequence[str], env: Mapping[str, str], log: str) -> None:
        """Starts a program for good in the cell, output appended to the file `log` there. Raises LabError."""

        def leader() -> None:
            os.setsid()
            self.enter()
            if os.fork():
                os._exit(0)
            out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            _standard(os.open("/dev/null", os.O_RDONLY), out, out)
            os.chdir("/")
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(argv[0], list(argv), dict(env))

        child, told = _fork(leader)
        _finish(child, told, f"start {argv[0]}")

    def processes(self) -> list[int]:
        """Every process of the cell's PID namespace but the first, as seen outside."""
        mine = os.stat(f"/proc/{self.pid}/ns/pid").st_ino
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):  # it ended meanwhile, or is not ours to ask
                if os.stat(f"/proc/{name}/ns/pid").st_ino == mine and int(name) != self.pid:
                    found.append(int(name))
        return found

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def wait_dead(self, timeout_s: float = 5.0) -> bool:
        """Whether the first process, and with it all others, is dead; closes the pidfd then."""
        waiter = select.poll()
        waiter.register(self.pidfd, select.POLLIN)
        if not waiter.poll(timeout_s * 1000):
            return False
        os.close(self.pidfd)
        return True


def run(argv: Sequence[str], text: str = "", before: Callable[[], None] | None = None) -> str:
    """Runs a short program with `text` as input, returns its output. Raises LabError when it fails."""
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            list(argv),
            input=text,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=before,  # the lab has one thread
            timeout=20,
        )
    except FileNotFoundError as error:
        raise LabError("lab-no-program", program=argv[0]) from error
    except subprocess.TimeoutExpired as error:
        raise LabError("lab-command-failed", command=" ".join(argv), said="it did not end in 20 s") from error
    if done.returncode != 0:
        raise LabError("lab-command-failed", command=" ".join(argv), said=done.stdout.strip()[:500])
    return done.stdout


def make(kinds: int, prepare: Callable[[], None]) -> Cell:
    """A new cell; `prepare` runs in its first process before that falls asleep. Raises LabError."""
    mine, theirs = socket.socketpair()

    def first() -> NoReturn:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        prepare()
        null = os.open("/dev/null", os.O_RDWR)
        _standard(null, null, null)
        os.execv("/usr/bin/sleep", ["sleep", "infinity"])

    def leader() -> None:
        kernel.unshare(kinds)
        pid = os.fork()
        if pid == 0:
            first()
        socket.send_fds(theirs, [b"."], [os.pidfd_open(pid)])

    with mine, theirs:
        child, told = _fork(leader)
        theirs.close()
        _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
        _finish(child, told, "new cell")
        (pidfd,) = descriptors
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
    return Cell(int(fields["Pid"]), pidfd, kinds)


def _standard(*three: int) -> None:
    for standard, fd in enumerate(three):
        os.dup2(fd, standard)


def _fork(body: Callable[[], None]) -> tuple[int, int]:
    """A child that runs `body`, and what it tells: nothing when all went well (an exec included), else why not."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    try:
        body()
    except BaseException:
        os.write(write, traceback.format_exc().encode()[-4000:])
        os._exit(1)
    os._exit(0)


def _finish(child: int, told: int, what: str) -> None:
    with open(told, "rb") as pipe:
        said = pipe.read().decode(errors="replace").strip()
    os.waitpid(child, 0)
    if said:
        raise LabError("lab-command-failed", command=what, said=said)
