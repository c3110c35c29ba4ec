"""What hbctl prints, piece by piece."""

from __future__ import annotations

import io
import time

import msgspec
import pytest

from hbcore.cli import show
from hbcore.cli.look import changes, moment
from hbcore.cli.names import resolve
from hbcore.control.client import ControlError
from hbcore.control.schema import Actor, Alarm, Effect, Event, Ping, Plan, Rule, Said, Value
from tests.unit.backend import status

NOW = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, -1))
PLAIN = show.Paint(io.StringIO())


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("30s", NOW - 30), ("10m", NOW - 600), ("1.5h", NOW - 5400), ("3d", NOW - 3 * 86400), ("11:00", NOW - 3600),
        ("11:59:30", NOW - 30), ("13:00", NOW - 23 * 3600), ("1700000000", 1_700_000_000.0),
        ("1700000000.5", 1_700_000_000.5), ("1970-01-02T00:00:00+00:00", 86400.0),
    ],
)  # fmt: skip
def test_moments(text: str, want: float) -> None:
    assert moment(text, NOW) == pytest.approx(want)


@pytest.mark.parametrize("text", ["", "x", "25:00", "12:61", "-5m", "5y", "2026-13-01", "99999", "9" * 400])
def test_no_moments(text: str) -> None:
    with pytest.raises(ControlError):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "want"),
    [(-1, "0.0 s"), (0.31, "0.3 s"), (59.6, "60 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"),
     (7200, "2 h 00 min"), (172800, "2 d 0 h"), (274000, "3 d 4 h")],
)  # fmt: skip
def test_spans_have_units(seconds: float, want: str) -> None:
    assert show.span(seconds) == want


def test_names() -> None:
    known = ["node1.xiaofei.com", "node2.xiaofei.com", "db", "db2"]
    for given, want in {
        "node1": known[0],
        "node2.x": known[1],
        "db": "db",
        "db2": "db2",
        "node1.xiaofei.com": known[0],
    }.items():
        assert resolve("node", given, known) == want
    for given in ("node", "", "nod1", "d"):
        with pytest.raises(ControlError):
            resolve("node", given, known)
    with pytest.raises(ControlError, match=r"nearest: node1\.xiaofei\.com"):
        resolve("node", "nod1", known)


def test_everything_a_status_knows_is_shown() -> None:
    full = msgspec.structs.replace(
        status(),
        at=NOW,
        pending=2,
        pings=[Ping(name="192.168.100.254", state="up", rtt_ms=0.2)],
        alarms=[Alarm(code="a", text="the VIP answers elsewhere", since=NOW - 75, about="vip", severity="critical")],
        rules=[Rule(group="vip", node="node1", kind="pin", by="root", at="t", expires="2026-11-23", reason="why")],
        values=[Value(option="keepalive", value="100 ms", source="ours", heartbeats="1 s")],
        groups=[msgspec.structs.replace(status().groups[0], since=NOW - 3600, wanted="stopped",
                                        weight_why=Said(code="w", text="httpd may run twice"))],
    )  # fmt: skip
    text = "\n".join(show.status_lines(full, PLAIN, 0.31))
    for part in (
        "0.3 s old", "pending: 2", "192.168.100.254  up  0.2 ms", "critical  75 s  vip  the VIP answers elsewhere",
        "vip  pin  node1  by root  until 2026-11-23  why", "keepalive  100 ms  (heartbeat: 1 s)",
        "60 min", "stopped by an operator", "heavy: httpd may run twice",
    ):  # fmt: skip
        assert part in text
    assert text.count("hole H2") == 1, "a hole of the whole cluster is said once"
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_an_event_names_who_and_the_tools_own_words_in_brackets() -> None:
    actor = Actor(uid=1000, login=1000, name="xiaofei", ssh="192.0.2.7 5 192.0.2.1 22", tool="hbctl", reason="update")
    event = Event(id=1, at=NOW, node="node1", code="c", text="node1 goes standby", severity="warning", actor=actor)
    assert show.event_line(event) == (
        "2026-11-22 12:00:00 ! node1  node1 goes standby  by xiaofei (hbctl, 192.0.2.7): update"
    )


def test_events_stand_in_columns() -> None:
    events = [Event(id=1, at=NOW, node=node, code="c", text="is up", severity="info") for node in ("n1", "node-two")]
    first, second = (show.event_line(event, 8) for event in events)
    assert first.index("is up") == second.index("is up")


def test_long_lines_go_on_below_further_in_and_lose_nothing() -> None:
    line = "  hole H6: " + "everything of ours " * 12
    fitted = show.fit([line, "short"], 80)
    assert all(len(part) <= 80 for part in fitted) and len(fitted) > 3 and fitted[-1] == "short"
    assert all(part.startswith(("      every", "      o")) for part in fitted[1:-1])
    assert " ".join(fitted[:-1]).split() == line.split()
    assert show.fit([line], 0) == [line], "into a pipe a line stays a line"


def test_what_the_planner_says_stands_below_the_effect() -> None:
    effects = [
        Effect(kind="move", subject="web", node="n1", to="n2", outage_ms=16.4),
        Effect(kind="mode", subject="n1", node="n1", said=Said(code="c", text="takes nothing")),
    ]
    plan = Plan(
        action="standby", generation=1, effects=effects, warnings=[], undo="hbctl online n1", refused=None, level=2,
        command="hbctl standby n1",
    )  # fmt: skip
    assert show.plan_lines(plan, PLAIN) == [
        "hbctl standby n1", "  move  web  n1 -> n2  ~16.4 ms outage", "  mode  n1", "    takes nothing",
        "  undo: hbctl online n1",
    ]  # fmt: skip


def test_an_operators_stop_is_said_once() -> None:
    why = [Said(code="why-stopped-by-operator", text="stopped by the operator")]
    stopped = msgspec.structs.replace(status().groups[0], wanted="stopped", state="stopped", why=why)
    text = "\n".join(show.status_lines(msgspec.structs.replace(status(), groups=[stopped]), PLAIN, 0.0))
    assert text.count("stopped by") == 1


def test_changes_name_what_came_and_went() -> None:
    before, after = status(), status("node2.xiaofei.com")
    assert list(changes(before, before)) == []
    assert ("group", "vip", "started node1.xiaofei.com", "started node2.xiaofei.com") in changes(before, after)
    alone = msgspec.structs.replace(before, links=[])
    assert list(changes(before, alone)) == [("link", "eth0 to node2.xiaofei.com", "up", "")]
    assert list(changes(alone, before)) == [("link", "eth0 to node2.xiaofei.com", "", "up")]
