"""A process in uninterruptible sleep, made for real: a stop that writes to a frozen file system. What it was to do is
unknown as long as it lives, for this daemon and the next, and never stopped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from hbcore.agents.systemd import Systemd
from hbcore.engine.config import SECOND
from hbcore.engine.events import Outcome
from hbcore.host.netlink import Netlink
from tests.cluster.asking import GROUP, HOST, at_home, group, until
from tests.cluster.harness import Cluster
from tests.cluster.moving import TEMPLATE
from tests.cluster.shared_disk import run
from tests.unit.test_agents_runner import Place
from tests.unit.test_agents_systemd import UNIT, StandIn, address, there, units

__all__ = ["address", "there", "units"]  # fixtures

pytestmark = [
    pytest.mark.needs("mkfs.ext4", "losetup", "fsfreeze"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a loop device and its file system are root's to mount and freeze"),
]
LIMIT = 10 * SECOND
YAML = f"""schema: 1
groups:
  {GROUP}:
    weight: light
    resources:
      httpd: {{stop: 1, monitor: 600}}
"""
WRITES = {
    "the script itself hangs": "echo x >{disk}/file",
    "a child of a script that dies": "/bin/cp /etc/hostname {disk}/file; true",
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; thawed and gone after the test, whatever happened."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        thaw(folder)
        run("umount", str(folder))


def thaw(disk: Path) -> None:
    """No matter whether it is frozen."""
    subprocess.run(("fsfreeze", "-u", str(disk)), check=False, capture_output=True, timeout=60)


@pytest_asyncio.fixture
async def netlink() -> AsyncIterator[Netlink]:
    one = Netlink()
    yield one
    one.close()


def copying(disk: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/cp", "/etc/hostname", str(disk / "file")])


def states(pids: list[int]) -> set[str]:
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


@pytest.mark.parametrize("how", WRITES)
async def test_what_hangs_in_the_kernel_is_unknown_until_it_ends(
    how: str, tmp_path: Path, disk: Path, netlink: Netlink
) -> None:
    (tmp_path / "etc").mkdir()
    place = Place(tmp_path / "etc", netlink)
    calls = tmp_path / "calls"
    web = place.script(
        "web", f'echo "$*" >>{calls}\ncase "$1" in stop) {WRITES[how].format(disk=disk)};; status) echo stopped;; esac'
    )
    ask = place.runner.run
    assert (await ask(1, web, "status", LIMIT)).outcome is Outcome.STOPPED
    run("fsfreeze", "-f", str(disk))
    try:
        stop = await ask(2, web, "stop", SECOND // 2)
        assert stop.outcome is Outcome.UNKNOWN and "hangs in the kernel" in stop.detail
        pids = [int(word) for word in stop.detail.replace(",", " ").split() if word.isdigit()]
        assert pids and states(pids) == {"D"}
        called = calls.read_text()
        for number, (operation, outcome) in enumerate(
            [("status", Outcome.UNKNOWN), ("start", Outcome.FAILED), ("stop", Outcome.UNKNOWN)]
        ):
            done = await ask(3 + number, web, operation, LIMIT)
            assert done.outcome is outcome and f"process {pids[0]} of its last stop hangs" in done.detail
            assert done.took_ns < SECOND
        assert calls.read_text() == called, "nothing was begun beside it"
        other = replace(web, args=("other",))
        assert (await ask(6, other, "start", LIMIT)).outcome is Outcome.OK, "another service is not held up"

        again = place.again()
        assert again.end_orphans() == 1
        assert (await again.run(1, web, "status", LIMIT)).outcome is Outcome.UNKNOWN, "the next daemon knows, too"
    finally:
        thaw(disk)
    for _ in range(200):
        if (done := await ask(7, web, "status", LIMIT)).outcome is not Outcome.UNKNOWN:
            break
        await asyncio.sleep(0.05)
    assert done.outcome is Outcome.STOPPED
    assert (await again.run(2, web, "status", LIMIT)).outcome is Outcome.STOPPED
    assert (await ask(9, web, "stop", LIMIT)).outcome is Outcome.OK and (disk / "file").exists()


async def test_a_unit_that_systemd_gave_up_is_unknown_while_a_process_of_it_hangs(
    units: Systemd,
    there: StandIn,
    disk: Path,
) -> None:
    there.state = "failed"
    run("fsfreeze", "-f", str(disk))
    with copying(disk) as process:
        try:
            there.processes = [os.getpid(), process.pid]
            for operation, outcome in (
                ("status", Outcome.UNKNOWN), ("start", Outcome.FAILED), ("stop", Outcome.UNKNOWN)
            ):  # fmt: skip
                assert await units.run(UNIT, operation, 5) == (
                    outcome, "unit-hangs", {"unit": UNIT, "pids": str(process.pid)},
                )  # fmt: skip
        finally:
            thaw(disk)
    assert (await units.run(UNIT, "status", 5))[0] is Outcome.STOPPED


def test_a_group_whose_stop_hangs_is_not_passed_on_until_it_ended(tmp_path: Path, disk: Path) -> None:
    """On a real cluster, where the script on node1 says "stopped" whatever happens."""
    config = tmp_path / "ha.d"
    shutil.copytree(TEMPLATE, config)
    script = config / "resource.d/httpd"
    script.with_name("httpd.real").write_text(script.read_text())
    script.with_name("httpd.real").chmod(0o755)
    hangs = f"[ $(uname -n) = {HOST['node2']} ] || {{ [ $1 = stop ] && echo x >/mnt/file; }}"
    lies = '[ $1 != status ] || [ ! -e /etc/ha.d/lie ] || { echo "httpd is stopped"; exit 3; }'
    script.write_text(f'#!/bin/sh\n{lies}\n{hangs}\nexec /etc/ha.d/resource.d/httpd.real "$@"\n')
    (config / "hbcore.yaml").write_text(YAML)
    with Cluster(config=config) as c:
        c.start()
        at_home(c)
        device = run("findmnt", "-n", "-o", "SOURCE", str(disk))
        assert c.run("node1", "mount", device, "/mnt").code == 0, "the same file system, seen by the node"
        lie = c.folder("node1", "config") / "lie"
        lie.touch()
        run("fsfreeze", "-f", str(disk))
        try:
            assert c.hbctl("node1", "group", "move", GROUP, HOST["node2"]).code == 0
            until(lambda: group(c, "node1")["state"] == "blocked", 40)
            shown = c.hbctl("node1", "output", "httpd", "--operation", "stop").out
            assert "unknown" in shown
            assert "hangs in the kernel" in c.hbctl("node1", "status").out
            assert c.hbctl("node1", "cleanup", "httpd").code == 0
            for _ in range(20):
                time.sleep(0.1)
                assert group(c, "node1")["state"] not in ("stopped", "started")
                assert group(c, "node2")["node"] != HOST["node2"]
            lie.unlink()
        finally:
            thaw(disk)
        until(lambda: group(c, "node2")["node"] == HOST["node2"] and group(c, "node2")["state"] == "started", 40)
