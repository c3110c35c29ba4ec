"""The runner with real scripts, and with the real address agent where it only looks (changes: tests/cluster)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hbcore.agents import capture
from hbcore.agents.lookup import Places
from hbcore.agents.outputs import Output, Outputs, raw_of
from hbcore.agents.runner import Runner
from hbcore.engine.config import SECOND, Address, Resource
from hbcore.engine.events import Done, Outcome
from hbcore.host import clock
from hbcore.host.address import Addresses
from hbcore.host.netlink import Netlink
from hbcore.words import say

LIMIT = 10 * SECOND


class Place:
    """A configuration folder with resource.d and init.d beside it, and the runner over them."""

    def __init__(self, folder: Path, netlink: Netlink) -> None:
        self.folder = folder
        self.resource_d, self.init_d, self.output = (folder / name for name in ("resource.d", "init.d", "output"))
        for made in (self.resource_d, self.init_d, self.output):
            made.mkdir()
        self._addresses = Addresses(netlink, ["192.0.2.1"])
        self.runner = self.again()

    def again(self) -> Runner:
        """One of the next daemon."""
        return Runner(
            node="node1",
            places=Places(self.folder, self.init_d, (self.folder / "units",), self.folder / "ocf"),
            output_dir=self.output,
            addresses=self._addresses,
            now_ns=clock.now_ns,
            say=say,
        )

    def script(self, kind: str, body: str, where: str = "resource.d") -> Resource:
        path = self.folder / where / kind
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return Resource(kind, "script", kind)


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    netlink = Netlink()
    yield Place(tmp_path, netlink)
    netlink.close()


async def test_a_service_from_start_to_stop(place: Place) -> None:
    flag = place.folder / "up"
    httpd = place.script(
        "httpd",
        f"""case "$1" in
start) touch {flag}; echo "Starting httpd: [ OK ]";;
stop) rm -f {flag};;
status) if [ -e {flag} ]; then echo "httpd is running"; else echo "httpd is stopped"; fi;;
esac""",
    )
    run = place.runner.run
    assert (await run(1, httpd, "status", LIMIT)).outcome is Outcome.STOPPED
    started = await run(2, httpd, "start", LIMIT)
    assert (started.op, started.outcome) == (2, Outcome.OK)
    assert started.detail == f"{place.resource_d}/httpd start: Starting httpd: [ OK ]"
    assert 0 < started.took_ns < LIMIT
    assert (await run(3, httpd, "status", LIMIT)).outcome is Outcome.RUNNING
    assert (await run(4, httpd, "stop", LIMIT)).outcome is Outcome.OK
    assert (await run(5, httpd, "status", LIMIT)).outcome is Outcome.STOPPED


async def test_resource_d_before_init_d_and_each_by_its_own_rules(place: Place) -> None:
    body = "echo running; exit 3"
    both = place.script("httpd", body)
    place.script("httpd", "exit 0", "init.d")
    only = place.script("mysqld", body, "init.d")
    assert (await place.runner.run(1, both, "status", LIMIT)).outcome is Outcome.RUNNING  # by its words
    assert (await place.runner.run(2, only, "status", LIMIT)).outcome is Outcome.STOPPED  # by its exit code


async def test_failure_carries_the_last_words(place: Place) -> None:
    bad = place.script("httpd", "echo line one; echo 'no port left' >&2; exit 9")
    done = await place.runner.run(1, bad, "start", LIMIT)
    assert done.outcome is Outcome.FAILED
    assert done.detail.endswith("exit code 9: line one | no port left")


async def test_missing_script(place: Place) -> None:
    gone = Resource("httpd", "script", "httpd")
    outcomes = [(await place.runner.run(1, gone, op, LIMIT)).outcome for op in ("start", "stop", "status")]
    assert outcomes == [Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNKNOWN]


async def test_timeout_is_unknown(place: Place) -> None:
    slow = place.script("httpd", "sleep 300")
    done = await place.runner.run(1, slow, "stop", SECOND // 5)
    assert done.outcome is Outcome.UNKNOWN
    assert "killed after 0.2 s" in done.detail


@pytest.mark.parametrize("operation", ["start", "stop"])
async def test_a_status_under_way_gives_way(place: Place, operation: str) -> None:
    """A monitor that hangs holds up no hand-over."""
    slow = place.script("httpd", "[ $1 = status ] && sleep 300; exit 0")
    asked = asyncio.create_task(place.runner.run(1, slow, "status", 60 * SECOND))
    await asyncio.sleep(0.1)
    done = await asyncio.wait_for(place.runner.run(2, slow, operation, LIMIT), 2)
    assert done.outcome is Outcome.OK
    assert (await asked).outcome is Outcome.UNKNOWN


async def test_permission_to_start_is_looked_at_just_before(place: Place) -> None:
    mark = place.folder / "mark"
    httpd = place.script("httpd", f"sleep 0.3; echo x >> {mark}")
    begun = clock.now_ns()
    first = asyncio.create_task(place.runner.run(1, httpd, "start", LIMIT))
    second = asyncio.create_task(place.runner.run(2, httpd, "start", LIMIT, not_after_ns=begun + SECOND // 10))
    assert (await first).outcome is Outcome.OK
    assert (await second).outcome is Outcome.LATE  # its turn came 0.3 s later
    assert mark.read_text() == "x\n"


async def test_one_resource_in_order_different_ones_side_by_side(place: Place) -> None:
    log = place.folder / "log"
    first = place.script("one", f"echo one $1 begin >> {log}; sleep 0.2; echo one $1 end >> {log}")
    others = [place.script(f"other{n}", "sleep 0.4") for n in range(5)]
    begun = time.monotonic()
    dones = await asyncio.gather(
        place.runner.run(1, first, "start", LIMIT),
        place.runner.run(2, first, "stop", LIMIT),
        *(place.runner.run(10 + n, other, "start", LIMIT) for n, other in enumerate(others)),
    )
    assert time.monotonic() - begun < 1.2
    assert {d.outcome for d in dones} == {Outcome.OK}
    assert log.read_text().splitlines() == ["one start begin", "one start end", "one stop begin", "one stop end"]


async def test_an_address_nobody_has_is_stopped_and_removing_it_is_fine(place: Place) -> None:
    vip = Resource("192.0.2.1", "address", "IPaddr", address=Address("192.0.2.1"))
    status: Done = await place.runner.run(1, vip, "status", LIMIT)
    assert (status.outcome, status.detail) == (Outcome.STOPPED, "192.0.2.1 is not on this node")
    assert (await place.runner.run(2, vip, "stop", LIMIT)).outcome is Outcome.OK


async def test_address_without_a_place_is_refused_with_a_reason(place: Place) -> None:
    vip = Resource("ip", "address", "IPaddr", address=Address("192.0.2.1", 24, "nosuch7"))
    done = await place.runner.run(1, vip, "start", LIMIT)
    assert done.outcome is Outcome.FAILED
    assert "no interface nosuch7" in done.detail


async def test_only_three_operations(place: Place) -> None:
    with pytest.raises(ValueError, match="monitor"):
        await place.runner.run(1, place.script("httpd", ""), "monitor", LIMIT)


async def test_trim_cuts_what_services_print_and_nothing_else(place: Place) -> None:
    big, small = place.output / "a.out", place.output / "b.out"
    big.write_bytes(b"x" * (capture.ROOM + 1))
    small.write_bytes(b"y")
    place.runner.trim()
    assert (big.stat().st_size, small.read_bytes()) == (0, b"y")


def test_output_stays_in_its_folder_whatever_a_resource_is_called() -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "a::b", "x" * 500, "é" * 100):
        path = capture.path_for(Path("/run/hbcore/output"), name)
        assert path.parent == Path("/run/hbcore/output")
        assert len(path.name.encode()) <= 255


async def test_the_last_64_kib_of_each_operation_are_kept(place: Place) -> None:
    httpd = place.script(
        "httpd",
        """case "$1" in
start) seq 1 20000; echo 'port 80 is taken' >&2; exit 7;;
stop) printf '\\033[31mred\\n\\nend\\n';;
status) echo running;;
esac""",
    )
    run, outputs = place.runner.run, place.runner.outputs
    for number, operation in enumerate(("start", "status", "stop")):
        await run(number, httpd, operation, LIMIT, group="web")
    start, status, stop = outputs.of("web", "httpd")
    assert (start.operation, start.outcome, start.code) == ("start", Outcome.FAILED, 7)
    lines = start.text.splitlines()
    assert lines[-2:] == ["20000", "port 80 is taken"] and len(lines) > 10_000
    assert 64_000 < len(start.raw) <= 65_536 and len(start.said) < 500
    assert (status.operation, status.text) == ("status", "running")
    assert (stop.outcome, stop.code, stop.text) == (Outcome.OK, 0, "red\n\nend")
    assert abs(stop.ended_s - time.time()) < 5 and 0 < stop.took_ns < LIMIT
    await run(9, place.script("httpd", "exit 0"), "start", LIMIT, group="web")
    assert [o.text for o in outputs.of("web", "httpd", "start")] == [""]
    assert outputs.of("web", "httpd", "stop") == [stop] and outputs.of("job", "httpd") == []


def test_outputs_are_bounded_and_the_oldest_go_first() -> None:
    outputs = Outputs(room=300_000)
    for number in range(10):
        one = Output("web", f"r{number}", "start", Outcome.OK, 0, "", 0.0, 0, raw_of("\N{EURO SIGN}" * 30_000))
        outputs.put(one)
        outputs.put(one)
    assert [n for n in range(10) if outputs.of("web", f"r{n}")] == [6, 7, 8, 9]
    assert set(outputs.of("web", "r9")[0].text) == {"\N{EURO SIGN}"}, "cut, but not within a character"
