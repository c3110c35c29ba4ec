"""The old names on a real cluster, as a script of ten years ago types them: the wishes go through, and are answered.

Must not know the engine.
"""

from __future__ import annotations

import sys

from tests.cluster.asking import HOST, at_home, until
from tests.cluster.harness import Cluster, Ran

HOME, AWAY = HOST["node1"], HOST["node2"]


def old(c: Cluster, node: str, *words: str) -> Ran:
    return c.run(node, sys.executable, "-m", "hbcore.cli.compat", *words)


def said(c: Cluster, node: str, *words: str) -> tuple[int, str]:
    done = old(c, node, "cl_status", *words)
    return done.code, done.out


def test_away_and_back_and_what_cl_status_says_of_it() -> None:
    with Cluster() as c:
        c.start()
        at_home(c)
        assert said(c, "node1", "hbstatus") == (0, "Heartbeat is running on this machine.\n")
        assert said(c, "node1", "listnodes") == (0, f"{HOME}\n{AWAY}\n192.168.100.254\n")
        assert said(c, "node1", "nodestatus", AWAY) == (0, "active\n")
        assert said(c, "node1", "nodestatus", "192.168.100.254") == (0, "ping\n")
        assert said(c, "node1", "listhblinks", AWAY) == (0, "\teth0\n")
        assert said(c, "node1", "hblinkstatus", AWAY, "eth0") == (0, "up\n")
        assert said(c, "node1", "hbparameter", "-p", "deadtime") == (0, "500ms\n")
        assert said(c, "node1", "rscstatus") == (0, "local\n")
        assert said(c, "node2", "rscstatus") == (0, "none\n")

        away = old(c, "node1", "hb_standby")
        assert away.code == 0, away.err
        c.wait_served(by="node2")
        until(lambda: said(c, "node2", "rscstatus") == (0, "foreign\n"))
        assert said(c, "node1", "rscstatus") == (0, "none\n")
        again = old(c, "node1", "hb_standby")
        assert again.code == 1 and again.err.startswith("refused: ")

        back = old(c, "node1", "hb_takeover", "failback")
        assert back.code == 0, back.err
        c.wait_served(by="node1")
        assert c.status("node1")["nodes"][0]["state"] == "online"
        assert old(c, "node1", "hb_takeover").code == 1  # all is here already, and that is said

        c.kill("node2", "pulse", "TERM")
        until(lambda: not c.pids("node2", "ours"))
        assert said(c, "node2", "hbstatus") == (1, "Heartbeat is stopped on this machine.\n")
        assert old(c, "node2", "hb_takeover").code == 1
        off = c.power_off("node2")["at"]
        until(lambda: said(c, "node1", "nodestatus", AWAY) == (1, "dead\n"))
        assert said(c, "node1", "hblinkstatus", AWAY, "eth0") == (1, "dead\n")
        until(lambda: said(c, "node1", "rscstatus") == (0, "all\n"))
        refused = old(c, "node1", "hb_standby")
        assert refused.code == 1 and "refused: " in refused.err
        assert c.outage_ms(off) < 500  # and nothing was given to nobody
