"""Runs one script or OCF agent and says what came of it.

Owns the child process. Invariants: it has its own process group; after the timeout that whole group is killed and the
answer is UNKNOWN; nothing that a script leaves running can hold us up, and nothing of ours leaks into it.
Must not know groups, nodes or policies beyond `verdict`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hbcore.agents import ocf, orphans, verdict
from hbcore.agents.capture import Capture
from hbcore.agents.hung import Hung, members
from hbcore.agents.verdict import Kind
from hbcore.engine.events import Outcome

BOUND_S = 0.02  # how often a growing output is looked at
REAP_S = 2.0  # a killed process that does not end by then hangs in the kernel
ANSWERED = ("status", "meta-data")  # operations that answer on stdout
_SHELL = "/bin/sh"
_BASE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/",
    "SHELL": _SHELL,
    "LC_ALL": "C",  # verdicts are read from words; init scripts translate theirs
}


@dataclass(frozen=True, slots=True)
class Result:
    """`code`: exit code, negative for the signal that ended it, None where it was killed by us or never ran.

    `why`: "" | "timeout" | "killed" | "hung" | name of the errno that kept it from running. `output`: its last 64 KiB,
    clean; `printed`: of stdout alone, where the operation is one of ANSWERED. `hung`: what SIGKILL did not end.
    """

    outcome: Outcome
    code: int | None
    took_ns: int
    output: str
    why: str = ""
    printed: str = ""
    hung: Hung | None = None


def environment(node: str, config_dir: Path, logs: Mapping[str, str | None]) -> dict[str, str]:
    """What heartbeat hands to its scripts. `logs`: logfile, debugfile, logfacility; absent ones are left out.

    HA_FUNCS names a file of Debian's heartbeat package; scripts that source it find it only where it is installed.
    """
    found = {
        **_BASE,
        "HA_CURHOST": node,
        "HA_DIR": str(config_dir),
        "HA_RCDIR": str(config_dir / "rc.d"),
        "HA_FUNCS": str(config_dir / "shellfuncs"),
        "HA_LOGD": "no",
        "HA_debug": "0",
    }
    for name, key in (("HA_LOGFILE", "logfile"), ("HA_DEBUGLOG", "debugfile"), ("HA_LOGFACILITY", "logfacility")):
        value = logs.get(key)
        if value:
            found[name] = value
    return found


class Run:
    """One run of one script. `kill` may be called at any time from the same loop."""

    def __init__(self, path: Path, kind: Kind, args: Sequence[str], operation: str, env: Mapping[str, str]) -> None:
        """`operation` is the last argument, as heartbeat calls its scripts: start | stop | status; an OCF agent has its
        own word for that one, and meta-data.
        """
        self._argv = [str(path), *args, ocf.ACTIONS[operation] if kind is Kind.OCF else operation]
        self._kind = kind
        self._operation = operation
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def kill(self) -> None:
        """End the whole process group; the result is UNKNOWN."""
        self._killed = True
        self._kill_group()

    async def result(
        self, timeout_ns: int, keep: Path | None = None, noted: Path | None = None, about: Sequence[str] = ()
    ) -> Result:
        """Run it. `keep`: the file that a start's output goes to (see capture). `noted`, `about`: where to note it, and
        what it belongs to (orphans).
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        out = Capture(keep if self._operation == "start" else None)
        err = Capture() if self._operation in ANSWERED else out  # an answer is read from stdout alone
        hung: Hung | None = None
        try:
            try:
                self._process = process = self._spawn(out.fd, err.fd)
            except OSError as error:
                why = errno.errorcode.get(error.errno or 0, "EIO")
                return Result(self._unrun(), None, _since(begun), "", why)
            if noted is not None:
                orphans.note(noted, process.pid, about)
            in_time = await ended(process, timeout_ns / 1e9, (out, err))
            if in_time and not self._killed:
                return self._judged(process.returncode, out, err, begun)
            self._kill_group()
            hung = await self._left(process, (out, err))
            why = "hung" if hung else "killed" if self._killed else "timeout"
            return Result(Outcome.UNKNOWN, None, _since(begun), _both(out.tail(), out, err), why, hung=hung)
        finally:
            if self._process is not None and self._process.returncode is None:
                self._kill_group()  # we were cancelled: nobody would ever look after it
            if self._process is not None and noted is not None and hung is None:
                orphans.forget(noted, self._process.pid)
            if err is not out:
                err.close()
            out.close()

    def _spawn(self, out: int, err: int) -> subprocess.Popen[bytes]:
        def start(argv: list[str]) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env=self._env,
                start_new_session=True,
                umask=0o022,
            )

        try:
            return start(self._argv)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return start([_SHELL, *self._argv])  # no #! line: a shell script, as execvp has it

    def _kill_group(self) -> None:
        if self._process is not None and self._process.returncode is None:  # not reaped, so the number is still its own
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    async def _left(self, process: subprocess.Popen[bytes], streams: Iterable[Capture]) -> Hung | None:
        """What of the killed group is there after REAP_S; a shell dies of it while its child hangs."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REAP_S
        await ended(process, REAP_S, streams)
        while left := members(process.pid):
            if loop.time() >= deadline:
                return Hung(self._operation, left, process)
            await asyncio.sleep(BOUND_S)
        return None

    def _judged(self, code: int, out: Capture, err: Capture, begun: float) -> Result:
        printed = out.tail()
        if self._operation == "status":
            outcome = verdict.of_status(self._kind, code, printed)
        else:
            outcome = verdict.of_exit(code)
        return Result(outcome, code, _since(begun), _both(printed, out, err), printed=printed)

    def _unrun(self) -> Outcome:
        """A script that cannot be run started nothing; whether its service runs, or was stopped, is not known."""
        return Outcome.FAILED if self._operation == "start" else Outcome.UNKNOWN


async def ended(
    process: subprocess.Popen[bytes], limit_s: float, streams: Iterable[Capture], look_s: float = BOUND_S
) -> bool:
    """Wait until it ended, by its pidfd: no thread, no SIGCHLD, whatever still holds its output. False: not in time.

    `look_s`: how often `streams` are looked at, lest they grow too large.
    """
    if process.poll() is not None:
        return True
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()
    fd = os.pidfd_open(process.pid)
    loop.add_reader(fd, _resolve, gone)
    deadline = loop.time() + limit_s
    try:
        while process.poll() is None:
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.wait((gone,), timeout=min(left, look_s))
            for stream in streams:
                stream.bound()
        return True
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def _resolve(gone: asyncio.Future[None]) -> None:
    if not gone.done():
        gone.set_result(None)


def _both(printed: str, out: Capture, err: Capture) -> str:
    return printed if err is out else "\n".join(text for text in (printed, err.tail()) if text)


def _since(begun: float) -> int:
    return int((asyncio.get_running_loop().time() - begun) * 1e9)
