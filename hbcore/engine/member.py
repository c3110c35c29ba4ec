"""One resource of a group on this node: its state, and what its monitors say.

Owns what is remembered of a resource, and when a failure of its own counts. Invariant: unknown is never read as
stopped; a status that never said yes is not believed when it says no. Must not know the group's order, nor the peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hbcore.engine.config import SECOND, OnFail, Resource
from hbcore.engine.events import Done, Outcome

AFTER_STOP = "status-after-stop"  # what a status is asked for: after a stop that failed
MONITOR = "monitor"  # ... while it runs
FAILED = "resource-failed"  # code of an event
STATUS_RETRY_NS = 5 * SECOND
FIRST_MONITOR_NS = SECOND  # what dies right after its start is noticed then, and a script's status proved


class Res(StrEnum):
    UNKNOWN = "unknown"
    STOPPED = "stopped"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(slots=True)
class Member:
    """A resource here. `op` 0: nothing under way. `tries`: stops that failed in a row. `failures`: all since the last
    clear; `failed_ns`: when it failed while it ran, as far as that counts. `proved`: its status said once that it runs,
    so it can be believed. `doubts`: answers in a row that said no. `monitor_ns`: when it is asked next, 0 = never.
    """

    resource: Resource
    state: Res = Res.UNKNOWN
    op: int = 0
    operation: str = ""
    failures: int = 0
    failed_ns: tuple[int, ...] = ()
    proved: bool = False
    doubts: int = 0
    monitor_ns: int = 0
    tries: int = 0
    retry_ns: int = 0
    detail: str = ""
    since_ns: int = 0
    start_took_ns: int = 0
    stop_took_ns: int = 0

    def set(self, state: Res, now_ns: int) -> None:
        if self.state is not state:
            self.state, self.since_ns = state, now_ns

    @property
    def spent(self) -> bool:
        """It failed, and is not to be mended here."""
        care = self.resource.care
        too_often = care.on_fail is OnFail.MOVE or len(self.failed_ns) > care.restarts
        return self.state is Res.FAILED and too_often

    def plan_monitor(self, now_ns: int, *, first: bool = False) -> None:
        """When it is to be asked next, `first` after a start; of an address the kernel tells by itself."""
        every_ns = 0 if self.resource.agent == "address" else self.resource.care.monitor_ns
        wait_ns = min(every_ns, FIRST_MONITOR_NS) if first else every_ns
        self.monitor_ns = now_ns + wait_ns if every_ns else 0

    def monitored(self, now_ns: int, event: Done) -> str:
        """Take a monitor's answer about a resource that should run. Code of what there is to tell, "" = it runs.

        A script whose status never said that it runs cannot be believed when it says no (`monitor-blind`). An answer
        that says nothing, since it hung or was killed, is asked again before it counts (`status-unknown`).
        """
        if event.outcome is Outcome.RUNNING:
            self.proved, self.doubts = True, 0
            return ""
        self.doubts += 1
        if not self.proved and not event.sure:
            return "monitor-blind" if self.doubts == 1 else ""
        if event.outcome is Outcome.UNKNOWN and self.doubts == 1:
            self.monitor_ns = min(self.monitor_ns, now_ns + STATUS_RETRY_NS)
            return "status-unknown"
        self._failed(now_ns)
        return FAILED

    def _failed(self, now_ns: int) -> None:
        care = self.resource.care
        self.doubts = 0
        self.failures += 1
        if care.on_fail is not OnFail.IGNORE:
            recent = (*(at for at in self.failed_ns if now_ns - at < care.forget_ns), now_ns)
            self.failed_ns = recent[-care.restarts - 1 :]
            self.set(Res.FAILED, now_ns)
