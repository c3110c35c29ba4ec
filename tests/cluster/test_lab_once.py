"""`python -m hbcore.lab --once`: plays the failover and believes only the client.

Invariant: exit 0 only if the service was on node1, moved to node2, and came back.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import Any

from tests.cluster.stalls import ROOT
from tests.cluster.test_lab import PYTHON, TAKE


def play(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "hbcore.lab", "--once", "--json", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.count("\n") == 1, done
    return done.returncode, json.loads(done.stdout)


def test_the_tutorials_cluster_fails_over_and_comes_back() -> None:
    code, told = play()
    assert code == 0, told
    assert told["ok"] and told["moved"] and told["came_back"] and not told["two_owners"]
    for step, node in (("start", "node1"), ("takeover", "node2"), ("failback", "node1")):
        assert told[step]["node"] == node and told[step]["served"]
    assert (told["takeover"]["echo"]["before"], told["takeover"]["echo"]["after"]) == ("node1", "node2")


def test_a_service_that_stays_down_is_told_as_such() -> None:
    """What every node starts serves on node1 only: no takeover."""
    serve = f"""
import subprocess, time
exec({TAKE!r})
subprocess.run(["/etc/ha.d/resource.d/httpd", "start"], check=True)
time.sleep(600)
"""
    only = f"import socket\nif socket.gethostname().startswith('node1'): exec({serve!r})"
    code, told = play("--patience", "4", "--command", shlex.join([PYTHON, "-c", only]))
    assert code == 1 and told["start"]["served"] and not told["takeover"]["served"] and not told["ok"], told
    assert told["takeover"]["echo"]["open"] and told["takeover"]["echo"]["ms"] > 3000


def test_two_owners_are_no_success() -> None:
    """Both serve from the beginning: whoever answers, the client saw two."""
    both = f"import subprocess\nexec({TAKE!r})\nsubprocess.run(['/etc/ha.d/resource.d/httpd', 'start'])\n"
    code, told = play("--patience", "4", "--command", shlex.join([PYTHON, "-c", both]))
    assert code == 1 and told["two_owners"] and not told["ok"], told
