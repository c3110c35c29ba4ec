"""A program of a respawn line beside real daemons: one copy, whatever dies, and its end comes last.

Must not know the engine.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hbcore.lab.lab import TEMPLATE
from tests.cluster.asking import at_home, codes, until, write
from tests.cluster.harness import Cluster

PROGRAM = """#!/bin/sh
trap 'sleep 3; echo "end $(ip -o addr show eth0 | grep -c 192.168.100.100)" >>/var/log/child; exit 0' TERM
echo "begin $1" >>/var/log/child
while :; do sleep 0.05; done
"""


def test_one_copy_over_a_death_of_the_daemon_and_a_last_word_after_the_release(tmp_path: Path) -> None:
    config = tmp_path / "ha.d"
    shutil.copytree(TEMPLATE, config)
    write(config / "child", PROGRAM, 0o755)
    ha_cf = (config / "ha.cf").read_text()
    (config / "ha.cf").write_text(
        ha_cf + "respawn root /etc/ha.d/child hello\nrespawn hacluster /usr/lib/heartbeat/ipfail\n"
    )
    with Cluster(config=config) as c:
        c.start()
        at_home(c)
        said = c.folder("node1", "log") / "child"

        def told() -> list[str]:
            return said.read_text().splitlines() if said.exists() else []

        until(lambda: told() == ["begin hello"])
        assert "respawn-started" in codes(c, "node1")
        c.kill("node1", "daemon")
        until(lambda: told() == ["begin hello", "end 1", "begin hello"])
        c.kill("node1", "pulse", "TERM")
        c.wait_served(by="node2", steady=0.1)
        assert len(told()) == 3  # the other does not wait for the program's end
        until(lambda: not c.pids("node1", "ours"))
        assert told() == ["begin hello", "end 1", "begin hello", "end 0"]  # the address had gone before
        assert c.run("node1", "pgrep", "-x", "child").code == 1
