"""Reaching another machine: hbctl run there over SSH (`stdio`, to its daemon), spoken to through its standard streams.

Owns the choice between paramiko and the ssh program, the command run on the node, and what its exit code means.
Invariant: no password and no key of ours travels; who we are there is decided by sshd and by the daemon's socket.
Must not know the messages.

Environment: HBCORE_SSH=paramiko|ssh chooses (default paramiko, else ssh), HBCORE_SSH_CONFIG names another ssh_config,
HBCORE_REMOTE is the program on the node (default hbctl; "sudo -n hbctl" works too).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shlex
from collections import deque

from hbcore.control.errors import ControlError
from hbcore.control.sanitise import clean
from hbcore.control.schema import Role
from hbcore.control.target import Target
from hbcore.control.wire import MAX_REPLY, Ask, Wire

CONNECT_S = 5.0
KEEPALIVE_S = 5
_COMPLAINT_BYTES = 2000


def remote(words: str) -> str:
    """hbctl as it is called on the node. `words` come from closed lists, so nothing here needs quoting."""
    return f"{os.environ.get('HBCORE_REMOTE') or 'hbctl'} {words}"


def remote_command(role: Role | None) -> str:
    """The bridge to the daemon there."""
    return remote("stdio" + (f" --role {role}" if role else ""))


def wire_for(to: Target, command: str, ask: Ask | None) -> Wire:
    """The standard streams of `command` there. Raises ControlError no-ssh where neither way exists."""
    wanted = os.environ.get("HBCORE_SSH", "")
    if wanted != "ssh" and importlib.util.find_spec("paramiko") is not None:
        from hbcore.control.ssh_paramiko import ParamikoWire

        return ParamikoWire(to, command, ask)
    if wanted == "paramiko":
        raise ControlError("no-ssh", host=to)
    return SubprocessSsh(to, command)


def ended(where: str, status: int | None, stderr: str) -> ControlError | None:
    """What the bridge's exit code says (the codes of hbctl; 126 and 127 are the shell's). None: nothing special."""
    said = clean(stderr.strip().rpartition("\n")[2], 300)
    match status:
        case None | 0:
            return None
        case 3:
            return ControlError("no-daemon-there", where=where)
        case 4:
            return ControlError("not-permitted", said) if said else ControlError("not-permitted-there", where=where)
        case 126 | 127:
            return ControlError("no-hbctl-there", where=where, said=said)
        case _:
            return ControlError("bridge-failed", where=where, status=status, said=said or "-")


class SubprocessSsh:
    """`ssh -T HOST hbctl stdio`: all of ssh_config, ControlMaster and hardware keys; asks nothing (BatchMode)."""

    def __init__(self, to: Target, command: str) -> None:
        self._to = to
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._stderr: deque[bytes] = deque(maxlen=20)
        self._tasks: list[asyncio.Task[None]] = []
        self._status: int | None = None

    async def open(self) -> asyncio.StreamReader:
        config = os.environ.get("HBCORE_SSH_CONFIG")
        to = self._to
        argv = ["ssh", "-T", *(["-F", config] if config else []), "-o", "BatchMode=yes"]
        argv += ["-o", f"ConnectTimeout={CONNECT_S:.0f}", "-o", f"ServerAliveInterval={KEEPALIVE_S}"]
        argv += [*(["-p", str(to.port)] if to.port else []), *(["-l", to.user] if to.user else []), "--", to.host]
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, *shlex.split(self._command), stdin=pipe, stdout=pipe, stderr=pipe, limit=MAX_REPLY
            )
        except FileNotFoundError:
            raise ControlError("no-ssh", host=to) from None
        self._process = process
        assert process.stdout is not None and process.stderr is not None, "both are pipes"
        reader = asyncio.StreamReader(MAX_REPLY)
        self._tasks = [
            asyncio.create_task(self._keep(process.stderr)),
            asyncio.create_task(self._feed(process, process.stdout, reader)),
        ]
        return reader

    async def _keep(self, stderr: asyncio.StreamReader) -> None:
        while chunk := await stderr.read(_COMPLAINT_BYTES):
            self._stderr.append(chunk)

    async def _feed(
        self, process: asyncio.subprocess.Process, stdout: asyncio.StreamReader, reader: asyncio.StreamReader
    ) -> None:
        """The reader ends only when the exit code is known, so that complaint() has an answer."""
        while chunk := await stdout.read(65536):
            reader.feed_data(chunk)
        self._status = await process.wait()
        await asyncio.wait(self._tasks[:1], timeout=0.5)
        reader.feed_eof()

    def write(self, data: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(data)

    def complaint(self) -> ControlError | None:
        said = b"".join(self._stderr)[-_COMPLAINT_BYTES:].decode("utf-8", "replace")
        if self._status == 255:  # ssh(1): an error of ssh itself
            return ControlError("ssh-failed", host=self._to, said=clean(said.strip().rpartition("\n")[2], 300))
        return ended(str(self._to), self._status, said)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._process is not None:
            # kills, and closes the pipes too, which a ProxyCommand that outlives its ssh would keep open
            self._process._transport.close()  # type: ignore[attr-defined]

    async def closed(self) -> None:
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._process.wait()
