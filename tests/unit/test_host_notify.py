"""sd_notify as a service manager hears it: a real datagram socket."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hbcore.engine.config import SECOND
from hbcore.host.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    folder = Path(tempfile.mkdtemp(prefix="notify-"))
    name = str(folder / "socket") if request.param == "path" else f"@hbcore-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(name.replace("@", "\0"))
        ear.setblocking(False)
        yield ear, name
    shutil.rmtree(folder)


def heard(ear: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(ear.recv(1000).decode())
        except BlockingIOError:
            return found


def test_what_it_is_told(manager: tuple[socket.socket, str]) -> None:
    ear, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    notifier.ready()
    notifier.stopping()
    first, reloading, again, last = heard(ear)
    assert (first, again, last) == ("READY=1", "READY=1", "STOPPING=1")
    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    assert found is not None and before <= int(found[1]) <= time.monotonic_ns() // 1000


def test_a_successor_says_who_it_is(manager: tuple[socket.socket, str]) -> None:
    ear, name = manager
    Notifier({"NOTIFY_SOCKET": name}, successor=True).ready()
    assert heard(ear) == [f"READY=1\nMAINPID={os.getpid()}"]


def test_the_watchdog_is_fed_twice_in_its_time_and_only_while_all_is_well(manager: tuple[socket.socket, str]) -> None:
    ear, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    for second in range(100, 161):
        if not 120 <= second < 150:
            notifier.well(second * SECOND)
    assert heard(ear) == ["WATCHDOG=1"] * 3  # at 100, 115, 150; not at 130 and 145


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}],
)
def test_who_is_not_watched_says_nothing(manager: tuple[socket.socket, str], environ: dict[str, str]) -> None:
    ear, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name, **environ})
    notifier.well(100 * SECOND)
    assert heard(ear) == []


def test_a_successor_is_watched_like_the_one_before(manager: tuple[socket.socket, str]) -> None:
    ear, name = manager
    environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    Notifier(environ, successor=True).well(100 * SECOND)
    assert heard(ear) == ["WATCHDOG=1"]


def test_a_manager_that_reads_nothing_or_is_gone_holds_nobody_up(manager: tuple[socket.socket, str]) -> None:
    ear, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    begun = time.monotonic()
    for _ in range(5000):
        notifier.ready()
    ear.close()
    notifier.ready()
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("where", ["", "relative", "vsock:2:1234", "/no/such/socket"])
def test_without_a_manager_nothing_happens(where: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": where, "WATCHDOG_USEC": "1000"})
    notifier.ready()
    notifier.well(SECOND)
