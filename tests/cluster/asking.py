"""What the tests of real clusters ask, and how they judge the answers.

Owns waiting, reading a node's own words (status, alarms, events), and the verdicts "one owner" and "nothing lost".
Invariant: who owns the service is judged by the client's ARP and the capture, never by what a node says of itself.
Must not know the engine.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hbcore.engine.config import MS
from hbcore.engine.lease import STANDARD
from tests.cluster.harness import VIP, Cluster

T = TypeVar("T")
GROUP = "192.168.100.100"  # the tutorial's one group is called by its address
HOST = {"node1": "node1.xiaofei.com", "node2": "node2.xiaofei.com"}
HBCORED = (sys.executable, "-m", "hbcore.cli.hbcored")
STOOD_STILL_MS = STANDARD.ticket_ns / MS  # a renewal that was under way is then rightly refused
MOVES = frozenset({"moving", "token-passed", "claiming", "taken-over", "group-stopped", "group-started", "yielded"})


def until(what: Callable[[], T | None], timeout: float = 10.0, every: float = 0.05) -> T:
    """The first true answer; asked again while there is none, or the socket is not there yet. AssertionError."""
    end = time.monotonic() + timeout
    said: object = None
    while True:
        try:
            answer, said = what(), None
            if answer:
                return answer
        except OSError as error:
            said = error
        assert time.monotonic() < end, f"not within {timeout} s: {said or what}"
        time.sleep(every)


# -- what a node says of itself ----------------------------------------------------------------------------------------


def group(c: Cluster, node: str) -> dict[str, Any]:
    """The tutorial's one group, as this node sees it."""
    (found,) = c.status(node)["groups"]
    return dict(found)


def why(c: Cluster, node: str) -> dict[str, str]:
    """code -> sentence: why the group is where it is, or why it is not on this node."""
    return {said["code"]: said["text"] for said in group(c, node)["why"]}


def alarms(c: Cluster, node: str) -> dict[str, str]:
    """code -> sentence of what a person must know now."""
    return {alarm["code"]: alarm["text"] for alarm in c.status(node)["alarms"]}


def heard(c: Cluster, node: str) -> str:
    """How this node hears the other: two-way, one-way, lost, left, never."""
    (other,) = (n["heard"] for n in c.status(node)["nodes"] if n["heard"] != "self")
    return str(other)


def events(c: Cluster, node: str, after: int = 0) -> list[dict[str, Any]]:
    """The events of this node's daemon with a higher id, oldest first. A new daemon begins at 1 again."""
    found: Any = c.ask(node, "events", limit=1000)
    return [event for event in found if event["id"] > after]


def codes(c: Cluster, node: str, after: int = 0) -> list[str]:
    return [event["code"] for event in events(c, node, after)]


def told(c: Cluster, node: str, code: str, after: int = 0, timeout: float = 10.0) -> dict[str, Any]:
    """The first event of this code with a higher id, waited for."""
    return until(lambda: next((e for e in events(c, node, after) if e["code"] == code), None), timeout)


def newest(c: Cluster, node: str) -> int:
    """The id of the newest event: what happens from now on is `events(c, node, newest)`."""
    return max((event["id"] for event in events(c, node)), default=0)


def logged(c: Cluster, node: str) -> str:
    """The node's own log file: it outlives the daemon."""
    return (c.folder(node, "log") / "ha-log").read_text()


def both_hear(c: Cluster, timeout: float = 30.0) -> None:
    """Returns when each node hears the other and is heard by it."""
    until(lambda: [heard(c, node) for node in HOST] == ["two-way"] * 2, timeout)


def at_home(c: Cluster) -> None:
    """Returns when the service is on node1 and both nodes hear each other: faults are mended, orders taken back."""
    c.heal()
    for node, state in c.do("state")["nodes"].items():
        if state["frozen"]:
            c.thaw(node)
        if state["power"] == "off":
            c.power_on(node)
    both_hear(c)
    orders: list[tuple[str, dict[str, Any]]] = [("online", {"node": host}) for host in HOST.values()]
    orders += [(verb, {"group": GROUP}) for verb in ("group-start", "group-clear")]
    for verb, about in orders:
        for node in HOST:
            c.ask(node, "act", verb=verb, **about)  # refused where there is nothing to take back
    until(lambda: group(c, "node1")["state"] == "started" and group(c, "node1")["node"] == HOST["node1"], 30)
    c.wait_served(by="node1", timeout=30)


# -- verdicts ----------------------------------------------------------------------------------------------------------


def assert_one_owner(report: Mapping[str, Any]) -> None:
    """Never two at once: of a report (the client's ARP) or of a capture on the switch that lost nothing."""
    assert not report["two_owners"], report["conflicts"]
    assert not report.get("dropped"), report


def assert_nothing_lost(report: Mapping[str, Any]) -> None:
    """Every echo and every page was answered, all by one node; unless the machine itself stood still."""
    assert report["sent"] > 0
    if report["machine_ms"] < STOOD_STILL_MS:
        assert report["lost"] == report["pages_lost"] == 0, report
        assert len({owner["node"] for owner in report["owners"]}) == 1, report


@contextmanager
def judged(c: Cluster) -> Iterator[None]:
    """All that happens inside is captured on the switch: never two owners, by the capture and by the client's ARP."""
    begun = time.monotonic()
    with c.capture() as seen:
        yield
    assert seen["frames"] > 0, seen
    assert_one_owner(seen)
    assert_one_owner(c.report(begun))


# -- what is on a node -------------------------------------------------------------------------------------------------


def web(c: Cluster, node: str = "node1") -> list[int]:
    """The service's processes."""
    return sorted(c.pids(node, "web"))


def has_address(c: Cluster, node: str) -> bool:
    return f" {VIP}/" in c.run(node, "ip", "-o", "addr", "show", "eth0").out


def start_again(c: Cluster, node: str) -> None:
    """hbcored as its init system would start it again; its exit status goes to `exit` in the log folder."""
    log = c.folder(node, "log")
    (log / "exit").unlink(missing_ok=True)
    (log / "boot").write_text(f"{shlex.join(HBCORED)} >>/var/log/hbcored.err 2>&1\necho $? >/var/log/exit\n")
    assert c.run(node, "sh", "-c", "setsid sh /var/log/boot </dev/null >/dev/null 2>&1 &").code == 0


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """A file as an administrator's editor leaves it: whole, by renaming."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
