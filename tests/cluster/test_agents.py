"""What an operator does when a script fails: reads what it said, mends it, and forgets the failure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.asking import GROUP, HOST, at_home, group, until
from tests.cluster.harness import Cluster


@pytest.fixture(scope="module")
def c() -> Iterator[Cluster]:
    with Cluster() as made:
        made.start()
        at_home(made)
        yield made


def test_a_failed_start_is_read_mended_and_forgotten(c: Cluster) -> None:
    script = c.folder("node1", "config") / "resource.d/httpd"
    good = script.read_text()
    fails = '[ $1 != start ] || { seq 1 9; echo "port 80 is taken" >&2; exit 7; }'
    script.write_text(good.replace("\ncase $1 in", f"\n{fails}\ncase $1 in"))
    assert c.hbctl("node1", "group", "stop", GROUP, "--wait").code == 0
    assert c.hbctl("node1", "group", "start", GROUP).code == 0
    until(lambda: group(c, "node2")["node"] == HOST["node2"], 20)

    said = c.hbctl("node1", "output", "httpd", "--operation", "start").out.splitlines()
    assert f"start of httpd on {HOST['node1']}: failed (exit code 7)" in said[0]
    assert said[1:] == [*(f"  {n}" for n in range(1, 10)), "  port 80 is taken"]
    (there,) = json.loads(c.hbctl("node2", "output", "httpd", "--operation", "start", "--json").out)
    assert (there["exit"], there["outcome"]) == (0, "ok") and "httpd started" in there["lines"][0]

    script.write_text(good)
    plan = c.hbctl("node2", "cleanup", "httpd", "--dry-run").out
    assert "hbctl cleanup httpd --group" in plan and "failures are forgotten" in plan
    assert group(c, "node2")["node"] == HOST["node2"], "nothing was done yet"
    assert c.hbctl("node2", "cleanup", "httpd", "--wait", "--reason", "mended").code == 0
    until(lambda: group(c, "node1")["node"] == HOST["node1"], 20)
    assert [r["failcount"] for r in group(c, "node1")["resources"]] == [0, 0]
    again = c.hbctl("node1", "cleanup", "httpd")
    assert again.code == 1 and "nothing of" in again.err


def test_a_node_says_what_it_could_run(c: Cluster) -> None:
    assert "httpd" in c.hbctl("node1", "agents", "--class", "script").out.split()
    shown = c.hbctl("node1", "agents", "show", "httpd").out
    assert "resource.d/httpd" in shown and "a web server that shows the node's name" in shown
    assert c.hbctl("node1", "agents", "show", "htpd").code == 1
