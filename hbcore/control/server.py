"""The control server: JSON-RPC 2.0, one message a line, for hbctl and hbtui on this node.

Owns the listening socket, the table dispatch with its roles, and who subscribed. Invariant: nothing is answered that
`methods.METHODS` does not allow the caller's role, and no client can slow the daemon or grow its memory past a bound.
Must not know the engine: a `Backend` answers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import Protocol

import msgspec

from hbcore.control import callers, endpoint
from hbcore.control.peer import Peer
from hbcore.control.schema import (
    Action,
    Actor,
    Agent,
    AgentClass,
    Event,
    Outcome,
    Output,
    OutputParams,
    Plan,
    Response,
    RpcError,
    Settled,
    Status,
)
from hbcore.words import say

MAX_CLIENTS = 64
KEPT_FOR_ADMIN = 4  # so that operators' windows cannot lock root out

_log = logging.getLogger("hbcore.control")


class Backend(Protocol):
    """What the daemon offers to the control server. Calls are short; those that wait are async."""

    def status(self) -> Status: ...

    def events(self, since: float | None, limit: int) -> list[Event]: ...

    def output(self, asked: OutputParams) -> list[Output]: ...

    async def agents(self, kind: AgentClass | None) -> list[str]: ...

    async def agent(self, name: str) -> Agent: ...

    def plan(self, action: Action) -> Plan: ...

    async def act(self, action: Action, actor: Actor) -> Outcome: ...

    async def settled(self, ticket: int, timeout_s: float) -> Settled: ...


class Server:
    """`await start()`; then `publish` at each change and once a second, `announce` each event; `await close()`."""

    def __init__(self, backend: Backend, path: Path, group: str = callers.GROUP) -> None:
        """Members of `group` are operators."""
        self.backend = backend
        self.path = path
        self.dropped = 0
        self._peers: set[Peer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = group
        self._operators = callers.gid_of(group)
        self._listening: asyncio.Server | None = None
        self._inode = 0

    @property
    def clients(self) -> int:
        return len(self._peers)

    async def start(self) -> None:
        """Raises ControlError where the socket cannot be had (endpoint.listen)."""
        sock = endpoint.listen(self.path, self._operators)
        self._inode = os.stat(self.path).st_ino
        self._listening = await asyncio.start_unix_server(self._accept, sock=sock, limit=Peer.MAX_LINE)

    async def close(self) -> None:
        """Stop listening, drop everybody, remove the socket file. The actions under way go on."""
        if self._listening is not None:
            self._listening.close()
            endpoint.remove(self.path, self._inode)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(self, status: Status) -> None:
        """Send `status` to the subscribers; encoded once, and it takes the place of one not yet sent."""
        listeners = [peer for peer in self._peers if peer.subscribed]
        if not listeners:
            return
        line = _note("status", status)
        for peer in listeners:
            peer.send_status(line)

    def announce(self, event: Event) -> None:
        """Send `event` to the subscribers, each exactly once and in order."""
        listeners = [peer for peer in self._peers if peer.subscribed]
        if not listeners:
            return
        line = _note("event", event)
        for peer in listeners:
            peer.send(line)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "streams run a callback as a task"
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the caller went away, or we do: nobody to tell
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        who = callers.caller(sock)
        role = callers.role_of(who, self._operators)
        if role is None:
            await _refuse(writer, -32001, "not-permitted", group=self._group)
            return
        if len(self._peers) >= MAX_CLIENTS - (0 if role == "admin" else KEPT_FOR_ADMIN):
            await _refuse(writer, -32003, "too-many-clients", most=MAX_CLIENTS)
            return
        peer = Peer(self.backend, reader, writer, who, role)
        self._peers.add(peer)
        try:
            await peer.serve()
        finally:
            self._peers.discard(peer)
            if peer.too_slow:
                self.dropped += 1
                _log.warning(say("control-dropped", pid=who.pid, uid=who.uid))


def _note(method: str, params: Status | Event) -> bytes:
    return msgspec.json.encode(Response(method=method, params=msgspec.Raw(msgspec.json.encode(params)))) + b"\n"


async def _refuse(writer: asyncio.StreamWriter, number: int, code: str, **args: object) -> None:
    error = RpcError(code=number, message=say(code, **args), data=code)
    writer.write(msgspec.json.encode(Response(id=None, error=error)) + b"\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
