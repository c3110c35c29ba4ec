"""The clock, and what is asked of the scheduler: against the real kernel."""

from __future__ import annotations

import os
import resource
import socket
import struct
import subprocess
import sys
import time

import pytest

from hbcore.engine.config import MS, SECOND
from hbcore.host import clock, realtime

SO_TIMESTAMPNS = 35


def test_now_is_boottime_and_never_goes_back() -> None:
    readings = [clock.now_ns() for _ in range(1000)]
    assert readings == sorted(readings)
    assert abs(readings[-1] - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < SECOND


def test_the_kernels_receive_stamp_becomes_our_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind(("127.0.0.1", 0))
        before = clock.now_ns()
        sock.sendto(b"x", sock.getsockname())
        after = clock.now_ns()
        time.sleep(0.1)  # read late: the stamp still says when it came
        _, ancillary, _, _ = sock.recvmsg(16, 64)
    seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
    at = clock.received_ns(seconds * SECOND + nanoseconds)
    assert before - 5 * MS <= at <= after + 5 * MS


def test_a_stamp_from_the_future_is_now_and_the_floor_holds() -> None:
    before = clock.now_ns()
    assert before <= clock.received_ns(clock.unix_ns() + 3600 * SECOND) <= clock.now_ns()
    floor = clock.now_ns()
    assert (
        clock.received_ns(clock.unix_ns() - 3600 * SECOND, floor) == floor
    )  # the wall clock was set forward meanwhile
    assert clock.received_ns(clock.unix_ns(), floor + SECOND) <= clock.now_ns()


def inside(body: str, *, limit: int | None = None, userns: bool = False) -> str:
    """Run `body` in a process of its own, since all of this is about the process."""
    head = "import os, resource\nfrom hbcore.host import realtime\n"
    if limit is not None:
        head += f"resource.setrlimit(resource.RLIMIT_MEMLOCK, ({limit}, {limit}))\n"
    command = ["unshare", "-Ur"] if userns else []
    run = subprocess.run(
        [*command, sys.executable, "-c", head + body], capture_output=True, text=True, timeout=30, check=True
    )
    return run.stdout.strip()


def test_real_time_or_a_code_and_children_fall_back() -> None:
    code, policy, child = inside(
        "code = realtime.schedule()\n"
        "print(code, os.sched_getscheduler(0) & 0xff, sep=',', end=',', flush=True)\n"
        "pid = os.fork()\n"
        "if pid == 0: print(os.sched_getscheduler(0) & 0xff, flush=True); os._exit(0)\n"
        "os.waitpid(pid, 0)"
    ).split(",")
    assert (code, int(policy)) in (("", os.SCHED_RR), ("realtime-refused", os.SCHED_OTHER))
    assert int(child) == os.SCHED_OTHER


@pytest.mark.parametrize("userns", [False, True])
def test_asking_for_real_time_changes_nothing_and_is_right(userns: bool) -> None:
    before, would, after, code = inside(
        "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
        "print(os.sched_getscheduler(0), realtime.refused(), os.sched_getscheduler(0), realtime.schedule(), sep=',')",
        userns=userns,
    ).split(",")
    assert before == after == str(int(os.SCHED_OTHER))
    assert would == code and code in ({"realtime-refused"} if userns else {"", "realtime-refused"})


def test_ordinary_undoes_both() -> None:
    said = inside(
        "realtime.schedule(); realtime.protect(); realtime.ordinary()\n"
        "print(os.sched_getscheduler(0) & 0xff, open('/proc/self/oom_score_adj').read())"
    )
    assert said.split()[0] == str(os.SCHED_OTHER)
    assert int(said.split()[1]) >= 0


LOCKED = "print([l for l in open('/proc/self/status') if l.startswith('VmLck')][0].split()[1])"
# The trap of safety.md 7: after an mlockall under a limit, allocations fail. Ours must leave the process able to grow.
GROW = "x = bytearray(64 << 20); x[::4096] = b'y' * len(x[::4096]); print(len(x))"


def test_memory_is_not_locked_under_a_small_limit() -> None:
    """In a user namespace every capability shows and does not count."""
    said = inside(f"print(realtime.lock_memory())\n{LOCKED}\n{GROW}", limit=8 << 20, userns=True)
    assert said.split() == ["memlock-limit", "0", str(64 << 20)]


def test_locked_memory_where_allowed_and_it_can_still_grow() -> None:
    said = inside(f"print(realtime.lock_memory() or 'locked')\n{LOCKED}\n{GROW}").split()
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    may = os.geteuid() == 0 or soft == resource.RLIM_INFINITY
    assert said[0] == ("locked" if may else "memlock-limit")
    assert (int(said[1]) > 0) is may
    assert said[2] == str(64 << 20)


def test_the_name_of_every_code_has_a_sentence() -> None:
    from hbcore.words import CATALOGUE

    for code in ("realtime-refused", "memlock-limit", "memlock-refused", "oom-refused"):
        assert code in CATALOGUE
    assert realtime.protect(0) in ("", "oom-refused")
