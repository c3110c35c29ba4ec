"""A connection that comes back: one stream of news about a node, for as long as a window is open.

Owns when to try again. Invariant: `news` never ends by itself and never raises ControlError; a slow consumer gets the
newest snapshot, not all of them; `close` takes less than a second whatever the network does.
Must not know what the news means.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hbcore.control import target as targets
from hbcore.control.connection import Client, EventSeen, Snapshot, connect
from hbcore.control.errors import ControlError
from hbcore.control.schema import Event, Hello, Role
from hbcore.control.target import Target
from hbcore.control.wire import Ask

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
BACKOFF_LOCAL_S = (0.2, 0.4, 0.6, 0.8, 1.0)
# Trying again by ourselves would ask the same person the same question, or lock an account.
ON_DEMAND = frozenset({"bad-target", "no-ssh", "host-key-unknown", "host-key-refused", "host-key-changed", "ssh-auth"})
SILENCE_S = 20.0  # over SSH; a local daemon that is stopped keeps its connection, and the screens show the age
_PING_S = 3.0
_MAX_NEWS = 2000
_REMEMBERED = 4000


@dataclass(frozen=True, slots=True)
class Connected:
    hello: Hello


@dataclass(frozen=True, slots=True)
class Lost:
    """`retry_in_s` None: only when `wake` is called. `attempt` counts from 1 since the last connection."""

    code: str
    text: str
    retry_in_s: float | None
    attempt: int


News = Connected | Snapshot | EventSeen | Lost


class Session:
    """`async for item in session.news()`; `session.client` is there while connected, to plan and act."""

    def __init__(
        self,
        target: Target | str | None = None,
        *,
        tool: str = "",
        role: Role | None = None,
        ask: Ask | None = None,
        history: int = 200,
    ) -> None:
        """`history`: how many past events come right after the first connection."""
        self.target = target if isinstance(target, Target) else targets.parse(target)
        self.client: Client | None = None
        self._tool = tool
        self._role = role
        self._ask = ask
        self._history = history
        self._news: deque[News] = deque()
        self._ready = asyncio.Event()
        self._woken = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._seen: deque[tuple[str, int, float]] = deque(maxlen=_REMEMBERED)
        self._since: float | None = None

    def wake(self) -> None:
        """Try at once instead of at the next step of the backoff."""
        self._woken.set()

    async def news(self) -> AsyncIterator[News]:
        """Ends only by `close`."""
        self._task = asyncio.create_task(self._run())
        try:
            while not self._closed:
                await self._ready.wait()
                self._ready.clear()
                while self._news:
                    yield self._news.popleft()
        finally:
            await self.close()

    async def close(self) -> None:
        self._closed = True
        self._ready.set()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.8)

    def _put(self, item: News) -> None:
        if isinstance(item, Snapshot) and self._news and isinstance(self._news[-1], Snapshot):
            self._news.pop()
        if len(self._news) >= _MAX_NEWS:
            self._news.popleft()
        self._news.append(item)
        self._ready.set()

    async def _run(self) -> None:
        attempt = 0
        steps = BACKOFF_LOCAL_S if self.target.local else BACKOFF_S
        while True:
            self._woken.clear()
            try:
                async with connect(self.target, tool=self._tool, role=self._role, ask=self._ask) as client:
                    self.client = client
                    self._put(Connected(client.hello))
                    attempt = 0
                    await self._follow(client)
            except ControlError as error:
                delay: float | None = steps[min(attempt, len(steps) - 1)]
                if delay is not None and not self.target.local:
                    delay *= random.uniform(0.9, 1.1)  # many windows do not come back in step
                if error.code in ON_DEMAND:
                    delay = None
                attempt += 1
                self._put(Lost(error.code, error.text, delay, attempt))
            finally:
                self.client = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._woken.wait()

    async def _follow(self, client: Client) -> None:
        """Pass on what comes. The events missed meanwhile come first, each event once."""
        guard = None if self.target.local else asyncio.create_task(self._guard(client))
        caught_up = False
        try:
            async for note in client.subscribe():
                if not caught_up:
                    caught_up = True
                    for event in await client.events(self._since, self._history):
                        self._pass(event)
                if isinstance(note, EventSeen):
                    self._pass(note.event)
                else:
                    self._put(note)
        finally:
            if guard is not None:
                guard.cancel()

    def _pass(self, event: Event) -> None:
        key = (event.node, event.id, event.at)
        if key not in self._seen:
            self._seen.append(key)
            self._since = max(self._since or 0.0, event.at)
            self._put(EventSeen(event))

    async def _guard(self, client: Client) -> None:
        """TCP notices a dead path of its own; behind a jump host only an unanswered ping does."""
        while True:
            await asyncio.sleep(SILENCE_S / 4)
            if time.monotonic() - client.heard > SILENCE_S:
                try:
                    await client.ping(_PING_S)
                except ControlError:
                    client.close()
                    return
