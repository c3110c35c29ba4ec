"""Profile fast with real daemons: served and taken over in its own time, or refused where real time is not granted.

Limits are loose, for a busy machine must not fail a correct cluster. Must not know the engine.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from hbcore.lab.lab import TEMPLATE
from tests.cluster.asking import assert_one_owner, codes, until
from tests.cluster.harness import Cluster

MAY = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))"
OUTAGE_MS = 1500.0


def test_it_serves_and_takes_over_or_says_what_it_lacks(tmp_path: Path) -> None:
    config = tmp_path / "ha.d"
    shutil.copytree(TEMPLATE, config)
    (config / "hbcore.yaml").write_text("schema: 1\nprofile: fast\n")
    with Cluster(config=config) as c:
        c.start()
        if c.run("node1", sys.executable, "-c", MAY).code != 0:
            log = c.folder("node1", "log") / "hbcored.err"
            until(lambda: "profile fast needs real-time scheduling" in log.read_text())
            assert until(lambda: not c.pids("node1", "ours")) and "not started" in log.read_text()
            return
        c.wait_served(by="node1", timeout=40)
        values = {value["option"]: value for value in c.status("node1")["values"]}
        assert (values["deadtime"]["value"], values["deadtime"]["profile"]) == ("100 ms", "fast")
        until(lambda: c.status("node1")["nodes"][1]["state"] == "online")
        off = c.power_off("node1")["at"]
        c.wait_served(by="node2")
        report = c.report(off)
        assert_one_owner(report)
        assert report["echo"]["ms"] <= OUTAGE_MS, report["echo"]
        assert "taken-over" in codes(c, "node2")
