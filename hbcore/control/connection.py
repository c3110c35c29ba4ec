"""A connection to one node's daemon, as hbctl and hbtui use it.

Owns requests, answers and notifications on one `Wire`. Invariant: everything handed out was cleaned by `sanitise`,
and a reader that is slow gets the newest status and at most MAX_EVENTS events, never a growing backlog.
Must not know how the bytes travel, nor when to try again (session does).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from hbcore.control import target as targets
from hbcore.control.errors import ControlError
from hbcore.control.methods import METHODS
from hbcore.control.sanitise import MalformedError, clean, decode, decode_envelope
from hbcore.control.schema import (
    API,
    Action,
    Agent,
    AgentClass,
    AgentParams,
    AgentsParams,
    Event,
    EventsParams,
    Hello,
    HelloParams,
    Nothing,
    Operation,
    Outcome,
    Output,
    OutputParams,
    Plan,
    Request,
    Response,
    Role,
    Settled,
    SettledParams,
    Status,
    Struct,
)
from hbcore.control.target import Target
from hbcore.control.wire import Ask, LocalWire, Wire

T = TypeVar("T")

CALL_S = 5.0
AGENT_S = 30.0  # an agent has 10 s to describe itself, and others may be asked before it
HELLO_S = 10.0  # over SSH a slow node needs a moment to start the bridge
MAX_EVENTS = 1000
_MAX_NOISE = 50  # lines a login script may print before the bridge's hello


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`received`: time.monotonic() seconds, for the age that the screens show."""

    status: Status
    received: float


@dataclass(frozen=True, slots=True)
class EventSeen:
    event: Event


Note = Snapshot | EventSeen


class Client:
    """Made by `connect`. Every call raises ControlError: "lost", "timeout", or the node's refusal."""

    def __init__(self, wire: Wire, where: str) -> None:
        self.where = where
        self.hello: Hello
        self.heard = time.monotonic()  # when the last line came in
        self._wire = wire
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._status: Snapshot | None = None
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._fresh = asyncio.Event()
        self._lost: ControlError | None = None
        self._reading: asyncio.Task[None] | None = None

    async def status(self) -> Status:
        return await self._call("status", Nothing(), Status)

    async def events(self, since: float | None = None, limit: int = 100) -> list[Event]:
        return await self._call("events", EventsParams(since=since, limit=limit), list[Event])

    async def output(self, group: str, resource: str, operation: Operation | None = None) -> list[Output]:
        params = OutputParams(group=group, resource=resource, operation=operation)
        return await self._call("output", params, list[Output])

    async def agents(self, kind: AgentClass | None = None) -> list[str]:
        return await self._call("agents", AgentsParams(kind=kind), list[str], AGENT_S)

    async def agent(self, name: str) -> Agent:
        return await self._call("agent", AgentParams(name=name), Agent, AGENT_S)

    async def plan(self, action: Action) -> Plan:
        return await self._call("plan", action, Plan)

    async def act(self, action: Action) -> Outcome:
        return await self._call("act", action, Outcome)

    async def settled(self, ticket: int, timeout_s: float = 60.0) -> Settled:
        params = SettledParams(ticket=ticket, timeout_s=timeout_s)
        return await self._call("settled", params, Settled, timeout_s + CALL_S)

    async def ping(self, timeout_s: float = 3.0) -> float:
        """Round trip in seconds."""
        start = time.monotonic()
        await self._call("ping", Nothing(), Nothing, timeout_s)
        return time.monotonic() - start

    async def subscribe(self) -> AsyncIterator[Note]:
        """The status now, then each change and event, until the connection ends (ControlError). Once per client."""
        self._take(await self._call("subscribe", Nothing(), Status))
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            while self._events:
                yield EventSeen(self._events.popleft())
            if self._status is not None:
                snapshot, self._status = self._status, None
                yield snapshot
            if self._lost is not None and not self._events:
                raise self._lost

    def close(self) -> None:
        """At once; whoever still waits gets ControlError "lost"."""
        if self._reading is not None:
            self._reading.cancel()
        self._end(ControlError("lost", where=self.where))
        self._wire.close()

    # -- the connection

    async def start(self, params: HelloParams) -> None:
        """Open the wire, take the hello, say who we are. `connect` calls this."""
        reader = await self._wire.open()
        try:
            async with asyncio.timeout(HELLO_S):
                hello = await self._first(reader)
        except TimeoutError:
            raise self._wire.complaint() or ControlError("no-answer", where=self.where, seconds=HELLO_S) from None
        theirs, ours = hello.api.partition(".")[0], API.partition(".")[0]
        if theirs != ours:
            raise ControlError(
                "api-mismatch", where=hello.node or self.where, version=hello.version, theirs=hello.api, ours=API
            )
        self._reading = asyncio.create_task(self._read(reader))
        self.hello = await self._call("hello", params, Hello)

    async def _first(self, reader: asyncio.StreamReader) -> Hello:
        for _ in range(_MAX_NOISE):
            try:
                line = await reader.readline()
            except (OSError, ValueError):
                line = b""
            if not line.endswith(b"\n"):
                await asyncio.sleep(0)
                raise self._wire.complaint() or ControlError("no-daemon-there", where=self.where)
            if not line.lstrip().startswith(b"{"):
                continue
            try:
                if b'"product"' in line:
                    return decode(line, Hello)
                response = decode_envelope(line, Response)
                if response.error is None:
                    break
                raise ControlError(clean(response.error.data, 64), clean(response.error.message))
            except MalformedError:
                break
        raise ControlError("not-a-daemon", where=self.where)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                self.heard = time.monotonic()
                self._dispatch(line)
            lost = self._wire.complaint() or ControlError("lost", where=self.where)
        except MalformedError as error:
            lost = ControlError("bad-answer", where=self.where, error=error)
        except ValueError:
            lost = ControlError("bad-answer", where=self.where, error=f"> {reader._limit} bytes")  # type: ignore[attr-defined]
        except OSError:
            lost = ControlError("lost", where=self.where)
        self._end(lost)

    def _end(self, lost: ControlError) -> None:
        if self._lost is not None:
            return
        self._lost = lost
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(lost)
        self._fresh.set()

    def _dispatch(self, line: bytes) -> None:
        response = decode_envelope(line, Response)
        match response.method:
            case "status":
                self._take(decode(bytes(response.params), Status))
            case "event":
                self._events.append(decode(bytes(response.params), Event))
                self._fresh.set()
            case None:
                future = self._waiting.get(response.id) if isinstance(response.id, int) else None
                if future is None or future.done():
                    return
                if response.error is not None:
                    text = clean(response.error.message)
                    future.set_exception(ControlError(clean(response.error.data, 64) or "refused", text))
                else:
                    future.set_result(bytes(response.result))
            case _:
                pass  # a notification of a newer minor version

    def _take(self, status: Status) -> None:
        self._status = Snapshot(status, time.monotonic())
        self._fresh.set()

    async def _call(self, method: str, params: Struct, kind: type[T], timeout_s: float = CALL_S) -> T:
        assert method in METHODS, "the client calls what the table has"
        if self._lost is not None:
            raise self._lost
        number = next(self._ids)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        request = Request(method=method, id=number, params=msgspec.Raw(msgspec.json.encode(params)))
        self._wire.write(msgspec.json.encode(request) + b"\n")
        try:
            async with asyncio.timeout(timeout_s):
                return decode(await future, kind)
        except TimeoutError:
            raise ControlError("timeout", where=self.where, method=method, seconds=f"{timeout_s:g}") from None
        except MalformedError as error:
            raise ControlError("bad-answer", where=self.where, error=error) from None
        finally:
            del self._waiting[number]
            if future.done() and not future.cancelled():
                future.exception()  # seen


@contextlib.asynccontextmanager
async def connect(
    target: Target | str | None = None, *, tool: str = "", role: Role | None = None, ask: Ask | None = None
) -> AsyncIterator[Client]:
    """A Client for `target` (see target.parse). `role` lowers ours; `ask` decides on unknown SSH hosts (None: refused).

    Raises ControlError.
    """
    to = target if isinstance(target, Target) else targets.parse(target)
    wire = _wire(to, role, ask)
    client = Client(wire, str(to))
    try:
        # over SSH the bridge knows where we come from; what we know of ourselves would mislead there
        ssh = os.environ.get("SSH_CONNECTION", "") if to.local else ""
        await client.start(HelloParams(tool=tool, role=role, ssh=ssh))
        yield client
    finally:
        client.close()
        await wire.closed()


def _wire(to: Target, role: Role | None, ask: Ask | None) -> Wire:
    if to.socket is not None:
        return LocalWire(to.socket)
    from hbcore.control.ssh import remote_command, wire_for

    return wire_for(to, remote_command(role), ask)
