"""Systemd units as resources: started, stopped and asked over the system bus.

Owns the connection, the wait for a job's end, and the drop-in that makes a unit ours: systemd does not restart it, and
at shutdown it ends after hbcored, which stops it in its order (systemd.unit(5), Before=). Invariant: what systemd did
not say in time is UNKNOWN, and so is a unit that it gave up while a process of it hangs in the kernel. Must not know
groups.
Interface: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from hbcore.agents import orphans, verdict
from hbcore.engine.events import Outcome

SERVICE = "org.freedesktop.systemd1"
MANAGER = f"{SERVICE}.Manager"
PATH = "/org/freedesktop/systemd1"
DROP_INS = Path("/run/systemd/system")  # gone at the next boot, as what runs is
DROP_IN = "50-hbcored.conf"
OURS = """# Written by hbcored, which starts, watches and stops this unit.
[Unit]
Before=hbcored.service
"""
OURS_TOO = """[Service]
Restart=no
"""
SELF = "hbcored.service"
HANGS_S = 0.5  # a process that sleeps uninterruptibly before and after waits for more than a disk
RECENT = 64  # ends of jobs kept for whoever has not learned its job's name yet

# A unit that is not loaded has none; a systemd before 233 is not asked.
NO_PROCESSES = (f"{SERVICE}.NoSuchUnit", "org.freedesktop.DBus.Error.UnknownMethod")

Said = tuple[Outcome, str, dict[str, str]]  # outcome, code for `words`, its arguments


class Systemd:
    """`bus`: address of the bus, None: the system's. `drop_ins`: where units get what makes them ours."""

    def __init__(self, bus: str | None = None, drop_ins: Path = DROP_INS) -> None:
        self._address, self._drop_ins = bus, drop_ins
        self._bus: MessageBus | None = None
        self._opening = asyncio.Lock()
        self._ends: dict[str, asyncio.Future[str]] = {}

    async def run(self, unit: str, operation: str, timeout_s: float) -> Said:
        """`operation`: start | stop | status, as runner.Runner.run's."""
        act: dict[str, Callable[[str], Awaitable[Said]]] = {
            "start": self._start, "stop": self._stop, "status": self._status,
        }  # fmt: skip
        unsure = Outcome.FAILED if operation == "start" else Outcome.UNKNOWN
        try:
            async with asyncio.timeout(timeout_s):
                return await act[operation](unit)
        except TimeoutError:
            args = {"unit": unit, "operation": operation, "seconds": f"{timeout_s:g}"}
            return Outcome.UNKNOWN, "unit-timeout", args
        except DBusError as error:
            return unsure, "unit-refused", {"unit": unit, "operation": operation, "why": str(error.text)}
        except (OSError, EOFError) as error:
            return unsure, "systemd-unreachable", {"unit": unit, "why": str(error) or type(error).__name__}

    def close(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    # -- operations ----------------------------------------------------------------------------------------------------

    async def _start(self, unit: str) -> Said:
        _, code, args = await self._status(unit)
        if code == "unit-hangs":
            return Outcome.FAILED, code, args
        await self._adopt(unit)
        return await self._job("StartUnit", unit, "start")

    async def _stop(self, unit: str) -> Said:
        said = await self._job("StopUnit", unit, "stop")
        return await self._unless_hanging(unit, said) if said[0] is Outcome.OK else said

    async def _status(self, unit: str) -> Said:
        (path,) = await self._call(PATH, MANAGER, "LoadUnit", "s", [unit])
        (state,) = await self._call(
            path, "org.freedesktop.DBus.Properties", "Get", "ss", [f"{SERVICE}.Unit", "ActiveState"]
        )
        said = str(state.value)
        found: Said = (verdict.of_unit(said), "unit-state", {"unit": unit, "state": said})
        return await self._unless_hanging(unit, found) if found[0] is Outcome.STOPPED else found

    async def _unless_hanging(self, unit: str, said: Said) -> Said:
        """Systemd calls a unit failed, thus stopped, although what it killed last did not end (TimeoutStopSec=)."""
        if before := await self._asleep(unit):
            await asyncio.sleep(HANGS_S)
            if left := before & await self._asleep(unit):
                return Outcome.UNKNOWN, "unit-hangs", {"unit": unit, "pids": ", ".join(map(str, sorted(left)))}
        return said

    async def _asleep(self, unit: str) -> set[int]:
        """Its processes in uninterruptible sleep."""
        try:
            (found,) = await self._call(PATH, MANAGER, "GetUnitProcesses", "s", [unit])
        except DBusError as error:
            if error.type in NO_PROCESSES:
                return set()
            raise
        return {pid for _, pid, _ in found if orphans.sleeps(pid)}

    async def _job(self, method: str, unit: str, operation: str) -> Said:
        """Ask for it, and wait until the job is gone. It replaces one that is under way."""
        mode = "ignore-dependencies" if operation == "stop" and await self._stopping() else "replace"
        (job,) = await self._call(PATH, MANAGER, method, "ss", [unit, mode])
        try:
            result = await self._end_of(job)
        finally:
            self._ends.pop(job, None)
        outcome = Outcome.OK if result == "done" else Outcome.FAILED
        return outcome, "unit-job", {"unit": unit, "operation": operation, "result": result}

    async def _stopping(self) -> bool:
        """Whether systemd stops us just now: a unit ordered to end after us would wait for us then, and we for it."""
        try:
            (path,) = await self._call(PATH, MANAGER, "GetUnit", "s", [SELF])
        except DBusError:
            return False  # started by hand
        (job,) = await self._call(path, "org.freedesktop.DBus.Properties", "Get", "ss", [f"{SERVICE}.Unit", "Job"])
        return bool(job.value[0])

    async def _adopt(self, unit: str) -> None:
        """Systemd learns of a new drop-in by a reload alone, so it is written once and stays."""
        path = self._drop_ins / f"{unit}.d" / DROP_IN
        text = OURS + (OURS_TOO if unit.endswith(".service") else "")
        with contextlib.suppress(OSError):
            if path.read_text() == text:
                return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError:
            return  # the unit runs without: systemd may restart it beside us, and end it before us
        await self._call(PATH, MANAGER, "Reload", "", [])

    # -- the bus -------------------------------------------------------------------------------------------------------

    async def _call(self, path: str, interface: str, member: str, signature: str, body: list[object]) -> list[Any]:
        """The reply's values. Raises DBusError where it is refused, OSError, EOFError where the bus is gone."""
        bus = await self._connected()
        asked = Message(
            destination=SERVICE, path=path, interface=interface, member=member, signature=signature, body=body
        )  # fmt: skip
        reply = await bus.call(asked)
        if reply is None:
            raise EOFError
        if reply.message_type is MessageType.ERROR:
            raise DBusError(str(reply.error_name), str(reply.body[0]) if reply.body else str(reply.error_name))
        return list(reply.body)

    async def _connected(self) -> MessageBus:
        async with self._opening:
            if self._bus is not None and self._bus.connected:
                return self._bus
            bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
            bus.add_message_handler(self._heard)
            rule = f"type='signal',sender='{SERVICE}',interface='{MANAGER}',member='JobRemoved',path='{PATH}'"
            await bus.call(
                Message(
                    destination="org.freedesktop.DBus", path="/org/freedesktop/DBus",
                    interface="org.freedesktop.DBus", member="AddMatch", signature="s", body=[rule],
                )
            )  # fmt: skip
            self._bus = bus
        await self._call(PATH, MANAGER, "Subscribe", "", [])
        return bus

    def _heard(self, message: Message) -> None:
        if message.member == "JobRemoved" and message.signature == "uoss":
            _, job, _, result = message.body
            end = self._end_of(job)
            if not end.done():
                end.set_result(str(result))

    def _end_of(self, job: str) -> asyncio.Future[str]:
        """How a job ends, whichever is learned first, its name or its end. Those of others are forgotten in time."""
        if job not in self._ends:
            while len(self._ends) >= RECENT and (old := next((j for j, e in self._ends.items() if e.done()), "")):
                del self._ends[old]
            self._ends[job] = asyncio.get_running_loop().create_future()
        return self._ends[job]
