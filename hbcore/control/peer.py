"""One client of the control server: its requests, its answers, and its place in the queue.

Owns a connection from hello to end. Invariant: at most MAX_QUEUE bytes and one status wait for it, at most MAX_FLIGHT
of its requests run, and one request of it is handled before the loop turns to others.
Must not know other clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from hbcore import __version__
from hbcore.control.callers import Caller
from hbcore.control.methods import METHODS, Method, lowered, may
from hbcore.control.sanitise import MalformedError, clean, decode, decode_envelope
from hbcore.control.schema import (
    API,
    Action,
    Actor,
    AgentParams,
    AgentsParams,
    EventsParams,
    Hello,
    HelloParams,
    Nothing,
    OutputParams,
    Request,
    Response,
    Role,
    RpcError,
    SettledParams,
    Struct,
)
from hbcore.engine.beat import MAX_NAME, MAX_REASON
from hbcore.words import say

if TYPE_CHECKING:
    from hbcore.control.server import Backend

_PARSE, _INVALID, _NO_METHOD, _BAD_PARAMS, _INTERNAL = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32603,
)  # JSON-RPC 2.0, section 5.1
_NOT_PERMITTED, _BUSY = -32001, -32002
MAX_EVENTS = 1000
WAITING = ("act", "settled", "agents", "agent")  # methods that take their time
MAX_WAIT_S = 3600.0
FLUSH_S = 2.0

_log = logging.getLogger("hbcore.control")


class _FaultError(Exception):
    """A request that is answered with an error."""

    def __init__(self, number: int, code: str, **args: object) -> None:
        super().__init__(code)
        self.error = RpcError(code=number, message=say(code, **args), data=code)


class Peer:
    MAX_LINE = 1 << 20
    MAX_QUEUE = 4 << 20  # bytes; some 10,000 events
    MAX_FLIGHT = 16
    STALL_S = 30.0  # a reader that takes nothing for so long is dropped

    def __init__(
        self, backend: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: Caller, role: Role
    ) -> None:
        self.subscribed = False
        self.too_slow = False
        self._backend = backend
        self._reader = reader
        self._writer = writer
        self._who = who
        self._role = role
        self._tool = ""
        self._ssh = ""
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._status: bytes | None = None
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()  # all that waited is on its way
        self._blocked_since: float | None = None
        self._flight: dict[asyncio.Task[None], str] = {}

    # -- sending

    def send(self, line: bytes) -> None:
        self._queue.append(line)
        self._queued += len(line)
        if self._queued > self.MAX_QUEUE:
            self._drop()
        self._empty.clear()
        self._wake.set()

    def send_status(self, line: bytes) -> None:
        self._status = line
        self._wake.set()
        since = self._blocked_since
        if since is not None and asyncio.get_running_loop().time() - since > self.STALL_S:
            self._drop()

    def _drop(self) -> None:
        self.too_slow = True
        self._writer.transport.abort()

    def _next(self) -> bytes | None:
        if self._queue:
            line = self._queue.popleft()
            self._queued -= len(line)
            return line
        status, self._status = self._status, None
        return status

    async def _pump(self) -> None:
        """Send what waits; drain() holds us while the reader is slow, and the queue keeps its bound meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (line := self._next()) is not None:
                self._writer.write(line)
                self._blocked_since = loop.time()
                await self._writer.drain()
                self._blocked_since = None
            self._empty.set()

    def _answer(self, request_id: int | None, result: Any = None, error: RpcError | None = None) -> None:
        if error is not None:
            response = Response(id=request_id, error=error)
        else:
            response = Response(id=request_id, result=msgspec.Raw(msgspec.json.encode(result)))
        self.send(msgspec.json.encode(response) + b"\n")

    # -- receiving

    async def serve(self) -> None:
        """Until the client leaves, is dropped, or sends what cannot be a message."""
        pump = asyncio.create_task(self._pump())
        try:
            self.send(msgspec.json.encode(self._hello()) + b"\n")
            await self._requests()
            if not self._writer.is_closing():
                await self._finish()
        finally:
            pump.cancel()
            for task in self._flight:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await pump

    async def _requests(self) -> None:
        while True:
            try:
                line = await self._reader.readline()
            except ValueError:
                self._answer(None, error=_FaultError(_PARSE, "line-too-long", most=self.MAX_LINE).error)
                return
            if not line.endswith(b"\n"):
                return
            if line.strip():
                self._handle(line)
            await asyncio.sleep(0)  # readline() does not yield while it has lines: others first
            if self._queued > self.MAX_QUEUE // 2:
                await self._empty.wait()  # who does not read answers may not ask more

    async def _finish(self) -> None:
        """The client sends no more (perhaps `printf ... | hbctl stdio`): acts end and answers leave before we go."""
        for task, method in self._flight.items():
            if method != "act":
                task.cancel()
        if self._flight:
            await asyncio.wait(self._flight, timeout=FLUSH_S)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(FLUSH_S):
                await self._empty.wait()
                self._writer.close()
                await self._writer.wait_closed()

    def _handle(self, line: bytes) -> None:
        request_id: int | None = None
        try:
            try:
                request = decode_envelope(line, Request)
            except MalformedError as error:
                raise _FaultError(_PARSE, "bad-request", error=error) from None
            request_id = request.id
            method = METHODS.get(request.method)
            if method is None:
                raise _FaultError(_NO_METHOD, "no-such-method", method=clean(request.method, MAX_NAME))
            if not may(self._role, method):
                raise _FaultError(
                    _NOT_PERMITTED, "role-too-low", method=request.method, role=self._role, least=method.least
                )
            self._call(request, method)
        except _FaultError as fault:
            self._answer(request_id, error=fault.error)

    def _call(self, request: Request, method: Method) -> None:
        try:
            params = decode(bytes(request.params), method.params)
        except MalformedError as error:
            raise _FaultError(_BAD_PARAMS, "bad-params", method=request.method, error=error) from None
        if request.method in WAITING:
            if len(self._flight) >= self.MAX_FLIGHT:
                raise _FaultError(_BUSY, "too-many-requests", most=self.MAX_FLIGHT)
            task = asyncio.create_task(self._later(request, params))
            self._flight[task] = request.method
            task.add_done_callback(self._flight.pop)
            return
        try:
            result = self._now(params, request.method)
        except Exception:
            raise self._internal(request.method) from None
        if request.id is not None:
            self._answer(request.id, result)

    def _now(self, params: Struct, method: str) -> Any:
        match params:
            case HelloParams():
                self._role = lowered(self._role, params.role)
                self._tool = clean(params.tool, MAX_NAME) or self._tool
                self._ssh = self._ssh or clean(params.ssh, MAX_NAME * 2)
                return self._hello()
            case EventsParams():
                return self._backend.events(params.since, max(1, min(params.limit, MAX_EVENTS)))
            case OutputParams():
                return self._backend.output(params)
            case Action():
                return self._backend.plan(self._bounded(params))
            case _ if method == "ping":
                return Nothing()
            case _:
                self.subscribed |= method == "subscribe"
                return self._backend.status()

    async def _later(self, request: Request, params: Struct) -> None:
        result: Any
        try:
            match params:
                case Action():
                    action = self._bounded(params)
                    result = await self._backend.act(action, self._actor(action))
                case AgentsParams(kind=kind):
                    result = await self._backend.agents(kind)
                case AgentParams(name=name):
                    result = await self._backend.agent(clean(name, MAX_NAME * 2))
                case _:
                    assert isinstance(params, SettledParams), "only those of WAITING wait"
                    result = await self._backend.settled(params.ticket, max(0.0, min(params.timeout_s, MAX_WAIT_S)))
        except Exception:
            self._answer(request.id, error=self._internal(request.method).error)
        else:
            if request.id is not None:
                self._answer(request.id, result)

    def _internal(self, method: str) -> _FaultError:
        _log.exception(say("control-internal", method=method))
        return _FaultError(_INTERNAL, "control-internal", method=method)

    # -- who

    def _hello(self) -> Hello:
        status = self._backend.status()
        return Hello(
            product="hbcore",
            version=__version__,
            api=API,
            role=self._role,
            node=status.node,
            cluster=status.cluster,
        )

    def _bounded(self, action: Action) -> Action:
        return msgspec.structs.replace(
            action, reason=clean(action.reason, MAX_REASON), tool=clean(action.tool, MAX_NAME)
        )

    def _actor(self, action: Action) -> Actor:
        """uid, login and name are the kernel's; ssh and tool are what the client said of itself."""
        return Actor(
            uid=self._who.uid,
            login=self._who.login,
            name=self._who.name,
            ssh=self._ssh,
            tool=action.tool or self._tool,
            reason=action.reason,
        )
