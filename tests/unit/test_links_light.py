"""Pulse is one small process: what it takes from links must stay light."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"asyncio", "concurrent", "email", "http", "logging", "pyroute2", "ssl", "subprocess", "yaml"}
PROGRAM = "import hbcore.links.udp, hbcore.links.wire, hbcore.links.ping, sys; print(*sys.modules)"


def test_links_load_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "msgspec" in loaded
    assert loaded & HEAVY == set()
