"""Who is hbcored here: real processes and a real lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hbcore.host import sole

# Named hbcored, as the real one is: holds the lock; `spawn` leaves a child that has it too.
HOLDER = """
import os, subprocess, sys
from pathlib import Path
from hbcore.host import sole
assert sole.take(Path(sys.argv[2])) == 0
if sys.argv[3] == "spawn":
    os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
if sys.argv[3] == "script":
    subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
print("mine", flush=True)
sys.stdin.read()
"""


def holder(folder: Path, how: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", HOLDER, "hbcored", str(folder), how]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == b"mine\n"
    return process


def test_a_second_one_is_told_who_is_first(tmp_path: Path) -> None:
    first = holder(tmp_path, "alone")
    assert sole.take(tmp_path) == first.pid
    first.kill()
    first.wait()
    assert sole.take(tmp_path) == 0
    assert (tmp_path / sole.NAME).read_text().strip() == f"{os.getpid()}"


def test_it_is_held_until_the_daemon_is_gone_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole, "WAIT_S", 0.5)
    first = holder(tmp_path, "spawn")
    first.kill()
    first.wait()
    begun = time.monotonic()
    assert sole.take(tmp_path) == first.pid and time.monotonic() - begun >= 0.5
    os.killpg(first.pid, 9)
    assert sole.take(tmp_path) == 0


def test_one_that_takes_the_place_is_waited_for(tmp_path: Path) -> None:
    first = holder(tmp_path, "spawn")
    first.kill()
    first.wait()
    write = f"sleep 0.3; echo $$ >{tmp_path}/{sole.NAME}; exec -a hbcored sleep 60"
    with subprocess.Popen(["bash", "-c", write], start_new_session=True) as successor:
        assert sole.take(tmp_path) == successor.pid
        os.killpg(first.pid, 9)
        successor.kill()


def test_a_service_that_outlives_us_does_not_hold_it(tmp_path: Path) -> None:
    first = holder(tmp_path, "script")
    service = next(int(p) for p in Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split())
    first.kill()
    first.wait()
    assert sole.take(tmp_path) == 0
    os.kill(service, 9)
