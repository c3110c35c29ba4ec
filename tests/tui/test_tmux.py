"""hbtui in tmux on a real cluster, by keys only: the page moves, a stopped daemon shows as age, and it comes back.

The client of the lab judges where the page is; the screen is judged by what tmux has on it.
"""

from __future__ import annotations

import time

import pytest

from tests.cluster.harness import Cluster
from tests.tui.tmux import NARROW, WIDE, Header, Tmux, header_of

pytestmark = pytest.mark.needs("tmux", "timeout", "ip", "nsenter")

MOVED_S = 15.0  # from the key to the page's own answer, on a busy machine
LAG_S = 1.0  # the age on the screen is never further behind the truth
LIVE_S = 2.0  # after SIGCONT
GROUP = "192.168.100.100"


def started(c: Cluster) -> None:
    c.start()
    c.wait_served(by="node1", timeout=40)


def page_moves(c: Cluster, tmux: Tmux, to: str, plan: tuple[str, str, str], shown: str) -> None:
    """The plan `plan` (pane, key, title), read and confirmed, brings the page to `to`; the plan named it before."""
    dialog = tmux.propose(*plan)
    assert shown in dialog, f"not in the plan: {shown}\n{dialog}"
    at = tmux.confirm()
    took = c.wait_served(by=to, timeout=MOVED_S) - at
    report = c.report(at)
    print(
        f"{plan[2]}: page steadily from {to} after {took:.2f} s, "
        f"outage {report['echo']['ms']:.0f} ms, page {report['page']['ms']:.0f} ms"
    )


def stopped(c: Cluster, tmux: Tmux, seconds: float) -> tuple[str, list[tuple[float, Header]]]:
    """Stops the daemon the window looks at for so long; its node and what the header said, by seconds since the stop.

    Less than 4 s, since pulse gives the groups away after 5 s. The daemon runs again at the end.
    """
    tmux.until(lambda screen: header_of(screen) is not None)
    header = header_of(tmux.screen())
    assert header is not None
    node, seen = header.node, list[tuple[float, Header]]()
    at = c.kill(node, "daemon", "STOP")["at"]
    try:
        while (elapsed := time.monotonic() - at) < seconds:
            said = header_of(tmux.screen())
            assert said is not None, tmux.screen()
            assert said.node == node, f"the window looks at {said.node} after {elapsed:.2f} s"
            seen.append((elapsed, said))
            time.sleep(0.05)
    finally:
        c.kill(node, "daemon", "CONT")
    return node, seen


def judge(c: Cluster, tmux: Tmux, node: str, seen: list[tuple[float, Header]]) -> None:
    """The age was on the screen all the time, and the data is live again."""
    back = tmux.until(lambda screen: (h := header_of(screen)) is not None and h.phase == "live" and h.age < 1.0)
    lag = max(elapsed - said.age for elapsed, said in seen)
    second = next((elapsed for elapsed, said in seen if said.age >= 1.0), 99.0)
    said = ", ".join(f"{at:.1f}: {h.phase} {h.age:.1f}" for at, h in seen[:: max(1, len(seen) // 8)])
    print(f"{node} stopped: age behind by at most {lag:.2f} s, no longer under 1 s after {second:.2f} s; {said}")
    print(f"{node} continued: live after {back:.2f} s")
    assert len(seen) > 10, "too few looks to judge by"
    assert lag < LAG_S
    assert second <= 1.0 + LAG_S
    assert back <= LIVE_S


def test_steered_by_keys_and_a_stopped_daemon() -> None:
    with Cluster() as c, Tmux([c.socket("node1"), c.socket("node2")], WIDE) as tmux:
        started(c)
        tmux.shows("ADMIN", "OK", "httpd", seconds=20.0)
        page_moves(c, tmux, "node2", ("1", "s", "Standby node1"), "node1 > node2")
        tmux.shows("standby by root", "DEGRADED")
        # Back from standby the group goes home by itself.
        page_moves(c, tmux, "node1", ("1", "s", "Online node1"), "node1")
        page_moves(c, tmux, "node2", ("1", "t", "Takeover by node2"), "node1 > node2")
        tmux.shows("⇄ node1")
        page_moves(c, tmux, "node1", ("2", "H", f"Send {GROUP} home"), "node2 > node1")
        tmux.hides("⇄ node1")
        since = time.monotonic()
        node, seen = stopped(c, tmux, 1.8)  # at an age of 3 s the window would turn to the other node
        assert all(said.phase == "live" for _, said in seen), "stale begins at 3 s"
        judge(c, tmux, node, seen)
        c.wait_served(by="node1", timeout=5)
        assert c.outage_ms(since, page=True) < 1000, "the page is not the daemon's"


def test_small_and_attached_to_one_node_only() -> None:
    with Cluster() as c, Tmux([c.socket("node1")], NARROW) as tmux:
        started(c)
        tmux.shows("live", "OK", "httpd", seconds=20.0)
        page_moves(c, tmux, "node2", ("1", "s", "Standby node1"), "node1 > node2")
        node, seen = stopped(c, tmux, 3.7)
        assert node == "node1"
        assert seen[-1][1].phase == "stale", "older than 3 s is stale"
        judge(c, tmux, node, seen)
