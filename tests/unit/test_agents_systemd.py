"""Units over a real D-Bus daemon. Systemd is a stand-in that speaks its interface, since it is not PID 1 here."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from hbcore.agents.systemd import DROP_IN, MANAGER, PATH, SERVICE, Systemd
from hbcore.engine.events import Outcome

UNIT = "apache2.service"


class StandIn:
    """`ends`: how the next jobs end, "" = never. `early`: the end is told before the job's name."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.state = "inactive"
        self.ends = "done"
        self.early = False
        self.ours = 0  # hbcored's own unit: 0 is not loaded, 1 has no job, else one
        self.processes: list[int] = []
        self.asked: list[str] = []
        self._jobs = 0
        bus.add_message_handler(self._answer)

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL or message.destination not in (SERVICE, None):
            return None
        name = str(message.member)
        self.asked.append(" ".join((name, *(str(v) for v in message.body))))
        match name:
            case "StartUnit" | "StopUnit" if message.body[0] == "no.service":
                return Message.new_error(message, f"{SERVICE}.NoSuchUnit", "Unit no.service not found.")
            case "StartUnit" | "StopUnit":
                return self._job(message, "active" if name == "StartUnit" else "inactive")
            case "LoadUnit":
                return Message.new_method_return(message, "o", [f"{PATH}/unit/apache2"])
            case "GetUnit" if not self.ours:
                return Message.new_error(message, f"{SERVICE}.NoSuchUnit", "Unit hbcored.service not loaded.")
            case "GetUnit":
                return Message.new_method_return(message, "o", [f"{PATH}/unit/hbcored"])
            case "Get" if message.body[1] == "Job":
                return Message.new_method_return(message, "v", [Variant("(uo)", [self.ours - 1, "/"])])
            case "Get":
                return Message.new_method_return(message, "v", [Variant("s", self.state)])
            case "GetUnitProcesses":
                told = [["/system.slice/apache2.service", pid, "/usr/sbin/apache2"] for pid in self.processes]
                return Message.new_method_return(message, "a(sus)", [told])
            case "Subscribe" | "Reload":
                return Message.new_method_return(message)
        return None

    def _job(self, message: Message, then: str) -> Message | None:
        self._jobs += 1
        job = f"{PATH}/job/{self._jobs}"
        reply = Message.new_method_return(message, "o", [job])
        if not self.ends:
            return reply
        self.state = then if self.ends == "done" else "failed"
        if self.early:
            self._tell(job, str(message.body[0]))
            return reply
        asyncio.get_running_loop().call_later(0.05, self._tell, job, str(message.body[0]))
        return reply

    def _tell(self, job: str, unit: str) -> None:
        body: list[Any] = [self._jobs, job, unit, self.ends]
        self._bus.send(Message.new_signal(PATH, MANAGER, "JobRemoved", "uoss", body))


@pytest.fixture
def address() -> Iterator[str]:
    argv = ["dbus-daemon", "--session", "--nofork", "--print-address"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        try:
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()


@pytest_asyncio.fixture
async def there(address: str) -> AsyncIterator[StandIn]:
    bus = await MessageBus(bus_address=address).connect()
    stand_in = StandIn(bus)
    await bus.request_name(SERVICE)
    yield stand_in
    bus.disconnect()


@pytest_asyncio.fixture
async def units(address: str, there: StandIn, tmp_path: Path) -> AsyncIterator[Systemd]:
    systemd = Systemd(address, tmp_path)
    yield systemd
    systemd.close()


@pytest.mark.parametrize("early", [False, True])
async def test_a_unit_from_start_to_stop(units: Systemd, there: StandIn, early: bool) -> None:
    there.early = early
    assert (await units.run(UNIT, "status", 5))[0] is Outcome.STOPPED
    assert await units.run(UNIT, "start", 5) == (
        Outcome.OK, "unit-job", {"unit": UNIT, "operation": "start", "result": "done"},
    )  # fmt: skip
    assert (await units.run(UNIT, "status", 5))[0] is Outcome.RUNNING
    assert (await units.run(UNIT, "stop", 5))[0] is Outcome.OK
    assert (await units.run(UNIT, "status", 5))[0] is Outcome.STOPPED


@pytest.mark.parametrize("result", ["failed", "dependency", "canceled", "timeout", "skipped"])
async def test_a_job_that_does_not_end_well_has_failed(units: Systemd, there: StandIn, result: str) -> None:
    there.ends = result
    outcome, _, args = await units.run(UNIT, "start", 5)
    assert outcome is Outcome.FAILED and args["result"] == result


async def test_a_job_that_does_not_end_is_unknown(units: Systemd, there: StandIn) -> None:
    there.ends = ""
    for operation in ("start", "stop"):
        outcome, code, args = await units.run(UNIT, operation, 0.2)
        assert (outcome, code, args["seconds"]) == (Outcome.UNKNOWN, "unit-timeout", "0.2")


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("active", Outcome.RUNNING),
        ("reloading", Outcome.RUNNING),
        ("inactive", Outcome.STOPPED),
        ("failed", Outcome.STOPPED),
        ("activating", Outcome.UNKNOWN),
        ("deactivating", Outcome.UNKNOWN),
    ],
)
async def test_what_is_between_two_states_is_not_known(
    units: Systemd, there: StandIn, state: str, outcome: Outcome
) -> None:
    there.state = state
    assert (await units.run(UNIT, "status", 5))[0] is outcome


@pytest.mark.parametrize(("ours", "mode"), [(0, "replace"), (1, "replace"), (2, "ignore-dependencies")])
async def test_while_systemd_stops_us_a_unit_does_not_wait_for_our_end(
    units: Systemd, there: StandIn, ours: int, mode: str
) -> None:
    """It is ordered to end after us, and we end after it."""
    there.ours = ours
    await units.run(UNIT, "start", 5)
    await units.run(UNIT, "stop", 5)
    assert f"StartUnit {UNIT} replace" in there.asked and f"StopUnit {UNIT} {mode}" in there.asked


async def test_what_a_unit_leaves_running_on_purpose_keeps_it_not_from_being_stopped(
    units: Systemd, there: StandIn
) -> None:
    """KillMode=process: sessions of sshd, virtual machines."""
    there.processes = [os.getpid(), 2**22]
    assert (await units.run(UNIT, "status", 5))[0] is Outcome.STOPPED
    assert [(await units.run(UNIT, operation, 5))[0] for operation in ("start", "stop")] == [Outcome.OK] * 2


async def test_what_systemd_refuses_is_told_in_its_words(units: Systemd) -> None:
    outcome, code, args = await units.run("no.service", "start", 5)
    assert (outcome, code, args["why"]) == (Outcome.FAILED, "unit-refused", "Unit no.service not found.")
    assert (await units.run("no.service", "stop", 5))[0] is Outcome.UNKNOWN


async def test_a_unit_becomes_ours_once(units: Systemd, there: StandIn, tmp_path: Path) -> None:
    for _ in range(2):
        await units.run(UNIT, "start", 5)
        await units.run("srv.mount", "start", 5)
    assert there.asked.count("Reload") == 2
    service = (tmp_path / f"{UNIT}.d" / DROP_IN).read_text().splitlines()
    assert "Before=hbcored.service" in service and "Restart=no" in service
    assert "Restart=no" not in (tmp_path / "srv.mount.d" / DROP_IN).read_text().splitlines()


async def test_without_a_bus_nothing_is_known_and_with_it_again_all_is_well(tmp_path: Path, address: str) -> None:
    lost = Systemd(f"unix:path={tmp_path}/nowhere", tmp_path)
    assert (await lost.run(UNIT, "status", 5))[:2] == (Outcome.UNKNOWN, "systemd-unreachable")
    assert (await lost.run(UNIT, "start", 5))[0] is Outcome.FAILED


async def test_a_bus_that_was_restarted_is_found_again(units: Systemd, there: StandIn) -> None:
    await units.run(UNIT, "status", 5)
    assert units._bus is not None
    units._bus.disconnect()
    assert (await units.run(UNIT, "start", 5))[0] is Outcome.OK
