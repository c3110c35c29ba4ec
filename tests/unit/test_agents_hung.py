"""What SIGKILL did not end is asked by its pidfd (in uninterruptible sleep: tests/cluster/test_hung.py)."""

from __future__ import annotations

import os
import subprocess

from hbcore.agents.hung import Hung, members


def test_it_hangs_until_the_last_of_it_has_ended_and_is_then_reaped() -> None:
    shell = subprocess.Popen(["/bin/sh", "-c", "sleep 60 & exec sleep 60"], start_new_session=True)
    while len(pids := members(shell.pid)) < 2:
        pass
    before = len(os.listdir("/proc/self/fd"))
    hung = Hung("stop", pids, shell)
    assert set(hung.left()) == set(pids) and shell.pid in pids
    shell.kill()
    while shell.pid in hung.left():
        pass
    assert shell.returncode == -9
    (child,) = hung.left()
    assert members(shell.pid) == [child]
    os.kill(child, 9)
    while hung.left():
        pass
    assert members(shell.pid) == [] and len(os.listdir("/proc/self/fd")) == before
