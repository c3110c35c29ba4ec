"""The feed: turns the news of each target's session into the store's snapshots.

Owns one session per target; all are kept up at once, so that the screen can go over to another node at any moment.
Invariant: the only writer of the store; nothing here waits for the network on the way to the screen.
Must not know widgets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hbcore.control.client import Ask, Client, Connected, EventSeen, Lost, News, Session, Snapshot
from hbcore.control.schema import Role
from hbtui.model import TOOL, Model


class Feed:
    """`changed` is called on the event loop after each piece of news."""

    def __init__(
        self, model: Model, changed: Callable[[], None], ask: Ask | None = None, role: Role | None = None
    ) -> None:
        self._model = model
        self._changed = changed
        self._ask = ask
        self._role = role
        self._sessions: dict[str, Session] = {}
        self._tasks: list[asyncio.Task[None]] = []
        model.client_of = self._client

    def add(self, targets: Sequence[str]) -> None:
        """These targets instead of what the store had. Raises ControlError for one that cannot be a target."""
        self._sessions = {
            target: Session(target or None, tool=TOOL, role=self._role, ask=self._ask) for target in targets
        }
        self._model.store.sources.clear()
        for target, session in self._sessions.items():
            self._model.store.add(target).transport = "local" if session.target.local else "ssh"

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._follow(target)) for target in self._sessions]

    def wake(self) -> None:
        """Reconnect now: somebody pressed a key."""
        for target, session in self._sessions.items():
            if self._model.store.sources[target].phase == "lost":
                session.wake()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(session.close() for session in self._sessions.values()))

    def _client(self, target: str) -> Client | None:
        session = self._sessions.get(target)
        return session.client if session is not None else None

    async def _follow(self, target: str) -> None:
        async for item in self._sessions[target].news():
            self._take(target, item)
            self._changed()

    def _take(self, target: str, item: News) -> None:
        model = self._model
        source = model.store.sources[target]
        match item:
            case Connected():
                source.phase, source.tries, source.reason = "live", 0, ""
                source.role, source.node = item.hello.role, item.hello.node
                if source.status is not None:
                    source.phase = "connecting"  # live with the first status, not with the old one
            case Snapshot():
                source.phase = "live"
                model.store.publish(target, item.status, item.received)
            case EventSeen():
                model.store.add_events([item.event])
            case Lost():
                source.phase, source.tries, source.reason = "lost", item.attempt, item.text
                source.retry_at = model.clock() + item.retry_in_s if item.retry_in_s is not None else float("inf")
