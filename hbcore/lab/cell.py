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
class Process:
    """A process that is not a child of this one: the kernel reaps it, even when this one is no more."""

    pidfd: int

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def wait_dead(self, timeout_s: float = 5.0) -> bool:
        """Whether it is dead by then (and with a first process all others of its cell); closes the pidfd then."""
        waiter = select.poll()
        waiter.register(self.pidfd, select.POLLIN)
        if not waiter.poll(timeout_s * 1000):
            return False
        os.close(self.pidfd)
        return True

    def forget(self) -> None:
        os.close(self.pidfd)


@dataclass(frozen=True, slots=True)
class Cell:
    """`first` is the first process, `pid` its number outside the room; `kinds` the namespaces it has for itself."""

    pid: int
    first: Process
    kinds: int

    @property
    def net(self) -> str:
        """The network namespace as `ip ... netns` takes it."""
        return f"/proc/{self.pid}/ns/net"

    def enter(self, kinds: int = 0) -> None:
        kernel.setns(self.first.pidfd, kinds or self.kinds)

    def run(self, argv: Sequence[str], text: str = "") -> str:
        """Runs a short program of the room in this cell's network only. Raises LabError with what it said."""
        return run(argv, text, before=lambda: self.enter(kernel.NEWNET))

    def start(self, argv: Sequence[str], env: Mapping[str, str], out: str | int) -> Process:
        """Starts a program for good in the cell. `out`: a descriptor, or a file there to append to. Raises LabError."""
        return start(argv, env, out, before=self.enter)

    def processes(self) -> list[int]:
        """Every process of the cell's PID namespace but the first, as seen outside."""
        mine = os.stat(f"/proc/{self.pid}/ns/pid").st_ino
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):  # it ended meanwhile, or is not ours to ask
                if os.stat(f"/proc/{name}/ns/pid").st_ino == mine and int(name) != self.pid:
                    found.append(int(name))
        return found


def run(argv: Sequence[str], text: str = "", before: Callable[[], None] | None = None) -> str:
    """Runs a short program with `text` as input, returns its output. Raises LabError when it fails."""
    try:
        done = subprocess.run(
            list(argv),
            input=text,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
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

    def first() -> NoReturn:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        prepare()
        null = os.open("/dev/null", os.O_RDWR)
        _standard(null, null, null)
        os.execv("/usr/bin/sleep", ["sleep", "infinity"])

    process = _launch("a new cell", lambda: kernel.unshare(kinds), first)
    lines = Path(f"/proc/self/fdinfo/{process.pidfd}").read_text().splitlines()
    return Cell(int(dict(line.split(":", 1) for line in lines)["Pid"]), process, kinds)


def start(
    argv: Sequence[str], env: Mapping[str, str], out: str | int, before: Callable[[], None] = lambda: None
) -> Process:
    """Starts a program for good, in the room or where `before` goes; see Cell.start."""

    def program() -> NoReturn:
        told = os.open(out, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640) if isinstance(out, str) else out
        _standard(os.open("/dev/null", os.O_RDONLY), told, told)
        os.chdir("/")
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(argv[0], list(argv), dict(env))

    return _launch(argv[0], before, program)


def _standard(*three: int) -> None:
    for standard, fd in enumerate(three):
        os.dup2(fd, standard)


def _launch(what: str, before: Callable[[], None], body: Callable[[], NoReturn]) -> Process:
    """A child does `before`, forks, hands us the pidfd and ends; `body` runs in the grandchild, whose parent is then
    the warden. Returns once `body` has become another program. Raises LabError where it did not."""
    told, tell = os.pipe()  # closed by exec; until then, why it failed
    mine, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            before()
            pid = os.fork()
            if pid == 0:
                os.setsid()
                body()
            socket.send_fds(theirs, [b"."], [os.pidfd_open(pid)])
        except BaseException:
            os.write(tell, traceback.format_exc().encode()[-4000:])
            os._exit(1)
        os._exit(0)
    os.close(tell)
    theirs.close()
    with mine, open(told, "rb") as pipe:
        _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
        said = pipe.read().decode(errors="replace").strip()
    os.waitpid(child, 0)
    if said:
        for fd in descriptors:
            os.close(fd)
        raise LabError("lab-command-failed", command=what, said=said)
    return Process(descriptors[0])
