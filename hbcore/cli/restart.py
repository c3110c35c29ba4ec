"""`hbctl restart`: a new hbcored, by the code and the files on the disk, goes on in the place of the one that runs.

Owns asking for it, and waiting until it is done; also for systemd, whose `restart` is a stop and a start: the stop asks
for an heir instead, and the start finds it (docs/decisions/0010-succession.md). Must not know how it is done.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import time
from pathlib import Path

from hbcore.cli.look import put_json, put_lines
from hbcore.control.errors import ControlError
from hbcore.host import sole
from hbcore.words import say

WAIT_S = 120.0  # a start or stop that is under way comes to its end first
GONE_S = 2.0  # without a heir, before it is given up
STEP_S = 0.02
UNIT = "hbcored.service"


def restart(args: argparse.Namespace) -> int:
    """Exit code. Raises ControlError no-daemon, not-permitted, restart-refused."""
    runtime = Path(os.environ.get("HBCORE_RUNTIME", "/run/hbcore"))
    if args.by_systemd and not _restarting():
        return 0  # a stop: SIGTERM comes next
    old = sole.holder(runtime)
    if not old:
        raise ControlError("no-daemon", path=runtime / sole.NAME)
    begun = time.monotonic()
    try:
        os.kill(old, signal.SIGUSR1 if args.by_systemd else signal.SIGUSR2)
    except PermissionError:
        raise ControlError("not-permitted", path=runtime / sole.NAME) from None
    new = _heir(runtime, old, begun + WAIT_S)
    if not new:
        raise ControlError("restart-refused", pid=old)
    took_ms = round((time.monotonic() - begun) * 1000)
    if args.json:
        put_json({"old": old, "new": new, "took_ms": took_ms})
    else:
        put_lines([say("restart-done", old=old, new=new, took=took_ms)])
    return 0


def _heir(runtime: Path, old: int, until: float) -> int:
    """The number of the new one, 0 where there is none."""
    seen = time.monotonic()
    while (at := time.monotonic()) < until:
        now = sole.holder(runtime)
        if now not in (0, old):
            return now
        if _children(old):
            seen = at
        elif at - seen > GONE_S and now == old:
            return 0  # it came, and went again
        time.sleep(STEP_S)
    return 0


def _children(pid: int) -> bool:
    """Whether it has a child that is an hbcored, too."""
    for child in _read(f"/proc/{pid}/task/{pid}/children").split():
        words = _read(f"/proc/{child}/cmdline").split("\0")
        if any("hbcored" in word for word in words) and "hbcore.daemon" not in words:
            return True
    return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _restarting() -> bool:
    """Whether systemd stops us for a restart: its job says so (systemctl(1), list-jobs)."""
    argv = ["systemctl", "list-jobs", "--no-legend", "--full", UNIT]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20)
    return any(line.split()[1:3] == [UNIT, "restart"] for line in done.stdout.splitlines())
