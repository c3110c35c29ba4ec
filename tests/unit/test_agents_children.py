"""The programs of respawn lines, as real processes: restarted, given up, ended in order, and never two of one."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hbcore.agents import orphans
from hbcore.agents.children import MOST_SHORT, Children, Fate, fate
from hbcore.engine.config import Respawn

ME = pwd.getpwuid(os.geteuid()).pw_name
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HA_CURHOST": "node1"}


class Kept:
    """Children of shell lines, and what was told of them."""

    def __init__(self, folder: Path, *lines: str, user: str = ME) -> None:
        self.told: list[tuple[str, Mapping[str, str], str]] = []
        self.folder = folder
        programs = [Respawn(user, ("/bin/sh", "-c", line)) for line in lines]
        self.children = Children(programs, folder / "children", ENVIRONMENT, lambda *told: self.told.append(told))
        self.task = asyncio.get_running_loop().create_task(self.children.run())

    def codes(self) -> list[str]:
        return [code for code, _, _ in self.told]

    async def until(self, condition: Any, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.told
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "lived_s", "short", "what", "then"),
    [
        (0, 1, 0, Fate.AGAIN, 1),
        (1, 29.9, MOST_SHORT - 1, Fate.AGAIN, MOST_SHORT),
        (-9, 0, MOST_SHORT, Fate.GIVEN_UP, MOST_SHORT + 1),
        (1, 30, MOST_SHORT, Fate.AGAIN, 0),  # one good life, and all are forgiven
        (100, 500, 0, Fate.NEVER, 0),
        (100, 0, MOST_SHORT, Fate.NEVER, MOST_SHORT + 1),
    ],
)
def test_what_becomes_of_one_that_ended(code: int, lived_s: float, short: int, what: Fate, then: int) -> None:
    assert fate(code, lived_s, short) == (what, then)


async def test_one_that_cannot_live_is_given_up_and_its_last_words_are_told(tmp_path: Path) -> None:
    kept = Kept(tmp_path, f"echo no luck; echo x >>{tmp_path}/lives; exit 3")
    await asyncio.wait_for(kept.task, 30)
    assert (tmp_path / "lives").read_text() == "x\n" * (MOST_SHORT + 1)
    code, args, severity = kept.told[-1]
    assert (code, severity, args["said"], args["how"]) == ("respawn-given-up", "error", "no luck", "exit 3")
    assert kept.codes().count("respawn-ended") == MOST_SHORT
    assert not list((tmp_path / "children").iterdir())


async def test_exit_100_is_never_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "exit 100")
    await asyncio.wait_for(kept.task, 10)
    assert kept.codes() == ["respawn-started", "respawn-never"]


async def test_they_end_in_reverse_order_each_after_the_one_before(tmp_path: Path) -> None:
    def line(name: str) -> str:
        end = f"trap 'sleep 0.3; echo {name} >>{tmp_path}/order; exit 0' TERM"
        return f"{end}; echo >{tmp_path}/{name}; while :; do sleep 0.02; done"

    kept = Kept(tmp_path, line("a"), line("b"), line("c"))
    await kept.until(lambda: all((tmp_path / name).exists() for name in "abc"))
    await kept.children.stop()
    assert (tmp_path / "order").read_text() == "c\nb\na\n"
    await asyncio.wait_for(kept.task, 5)
    assert kept.codes() == ["respawn-started"] * 3


async def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hbcore.agents.children.STOP_S", 0.3)
    kept = Kept(tmp_path, f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 0.1; done")
    await kept.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    await kept.children.stop()
    assert orphans._born(int((tmp_path / "pid").read_text())) == ""
    await asyncio.wait_for(kept.task, 5)


async def test_the_copy_of_a_dead_daemon_goes_before_a_new_one_comes(tmp_path: Path) -> None:
    line = f"trap 'echo bye >>{tmp_path}/said; exit 0' TERM; echo here >>{tmp_path}/said; while :; do sleep 0.02; done"
    (tmp_path / "children").mkdir()
    former = await asyncio.to_thread(subprocess.Popen, ["/bin/sh", "-c", line], start_new_session=True)
    orphans.note(tmp_path / "children", former.pid)
    said = tmp_path / "said"
    end = time.monotonic() + 5
    while not said.exists():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    kept = Kept(tmp_path, line)
    await kept.until(lambda: kept.codes() == ["respawn-started"] and said.read_text() == "here\nbye\nhere\n")
    assert former.wait(5) == 0
    await kept.children.stop()
    await asyncio.wait_for(kept.task, 5)


async def test_nothing_of_ours_reaches_into_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HBCORE_SECRET", "x")
    report = (
        "import os, json; print(json.dumps({'fds': sorted(os.listdir('/proc/self/fd'))[:9], 'env': sorted(os.environ),"
        " 'class': os.sched_getscheduler(0), 'sid': os.getsid(0) == os.getpid(), 'cwd': os.getcwd(),"
        " 'blocked': open('/proc/self/status').read().split('SigBlk:')[1].split()[0]}), flush=True); os._exit(100)"
    )
    with socket.socket() as open_here:
        os.set_inheritable(open_here.fileno(), False)
        children: list[tuple[str, Mapping[str, str], str]] = []
        program = Respawn(ME, (sys.executable, "-c", report))
        folder = tmp_path / "children"
        await asyncio.wait_for(Children([program], folder, ENVIRONMENT, lambda *told: children.append(told)).run(), 20)
    code, args, _ = children[-1]
    assert code == "respawn-never", children
    found = json.loads(args["said"])
    assert found["fds"] == ["0", "1", "2", "3"]  # the last is the listing's own
    assert "HBCORE_SECRET" not in found["env"] and {"HA_CURHOST", "HOME", "USER", "LOGNAME"} <= set(found["env"])
    assert found["class"] == os.SCHED_OTHER and found["sid"] and found["cwd"] == "/"
    assert found["blocked"] == "0" * 16


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as others")
async def test_it_runs_as_its_user_with_its_groups(tmp_path: Path) -> None:
    told: list[tuple[str, Mapping[str, str], str]] = []
    line = "id -un; id -gn; id -Gn; grep CapEff /proc/self/status; exit 100"
    program = Respawn("daemon", ("/bin/sh", "-c", line))
    await asyncio.wait_for(Children([program], tmp_path / "c", ENVIRONMENT, lambda *t: told.append(t)).run(), 10)
    said = told[-1][1]["said"]
    assert said.startswith("daemon | daemon | daemon | CapEff:") and said.endswith("0000000000000000")


async def test_who_may_not_change_users_is_told(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "exit 0", user="no-such-user")
    await asyncio.wait_for(kept.task, 10)
    code, args, severity = kept.told[-1]
    assert (code, severity, args["error"]) == ("respawn-not-run", "error", "ENOENT")


async def test_a_death_by_signal_is_told_by_its_name(tmp_path: Path) -> None:
    kept = Kept(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 60")
    await kept.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGSEGV)
    await kept.until(lambda: kept.codes() == ["respawn-started", "respawn-ended", "respawn-started"])
    assert kept.told[1][1]["how"] == "SIGSEGV"
    await kept.children.stop()
    await asyncio.wait_for(kept.task, 5)
