"""The store: differences by key, which source the screen shows, ages, bounds, events once each, health."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hbcore.control.schema import Event, Status
from hbtui.store import EVENTS_KEPT, STALE_S, Delta, Store, diff, health
from tests.tui.fixtures import ONE, TWO, many, troubled, two_nodes


def with_group(status: Status, **fields: Any) -> Status:
    return msgspec.structs.replace(status, groups=[msgspec.structs.replace(status.groups[0], **fields)])


def test_equal_statuses_differ_in_nothing() -> None:
    assert not diff(two_nodes(5.0), two_nodes(5.0))
    later = msgspec.structs.replace(two_nodes(5.0), at=9.0, generation=99)
    assert diff(two_nodes(5.0), later) == Delta(), "time alone is no change"


def test_differences_are_named_by_key() -> None:
    old = two_nodes(5.0)
    assert diff(old, with_group(old, state="failed")).groups == {"192.168.100.100"}
    link = msgspec.structs.replace(old.links[0], rtt_ms=9.0)
    assert diff(old, msgspec.structs.replace(old, links=[link])) == Delta(links=frozenset({f"link:{TWO}/eth0"}))
    assert diff(old, msgspec.structs.replace(old, nodes=old.nodes[:1])).nodes == {TWO}
    assert diff(old, msgspec.structs.replace(old, pending=1)).other
    first = diff(None, old)
    assert first.nodes == {ONE, TWO} and first.groups


def test_the_screen_stays_with_its_source_while_that_is_fresh() -> None:
    store = Store()
    for target in ("a", "b"):
        store.add(target).phase = "live"
    store.publish("a", two_nodes(), 100.0)
    store.publish("b", msgspec.structs.replace(two_nodes(), node=TWO), 100.5)
    looked = store.current(100.6)
    assert looked is not None
    other = store.sources["b" if looked.target == "a" else "a"]
    store.publish(other.target, two_nodes(), looked.received + 2.0)
    assert store.current(looked.received + STALE_S - 0.01) is looked
    fell_silent = looked.received + STALE_S
    assert store.current(fell_silent) is other
    store.publish(looked.target, two_nodes(), fell_silent + 0.1)
    assert store.current(fell_silent + 0.2) is other, "no jumping back while this one is fresh"
    other.phase = "lost"
    assert store.current(fell_silent + 0.3) is looked
    looked.phase = "lost"
    assert store.current(fell_silent + 0.4) is looked, "nobody is fresh: what is shown stays"


def test_a_source_nobody_heard_of_is_shown_as_it_is() -> None:
    store = Store()
    store.add("a")
    current = store.current(0.0)
    assert current is not None and current.status is None and not current.fresh(0.0)


def test_histories_follow_the_links_that_exist() -> None:
    store = Store()
    store.add("a").phase = "live"
    store.publish("a", many(30, 1, 1), 10.0)
    assert len(store.history) == 30
    store.publish("a", two_nodes(), 11.0)
    assert set(store.history) == {f"link:{TWO}/eth0", "ping:192.168.100.254"}
    down = msgspec.structs.replace(two_nodes().links[0], state="down", rtt_ms=None)
    store.publish("a", msgspec.structs.replace(two_nodes(), links=[down]), 16.0)
    assert store.history[f"link:{TWO}/eth0"].cells(16.0, 2) == [0.41, float("inf")]


def event(number: int, at: float, node: str = ONE) -> Event:
    return Event(id=number, at=at, node=node, code="x", text=f"event {number}")


def test_events_come_once_each_and_in_order_of_time() -> None:
    store = Store()
    assert store.add_events([event(2, 2.0), event(1, 1.0), event(1, 1.5, TWO)]) == 3
    assert store.add_events([event(2, 2.0), event(1, 1.0)]) == 0
    assert store.add_events([event(1, 9.0)]) == 1, "a restarted daemon counts from 1 again"
    assert [(e.id, e.node) for e in store.events] == [(1, ONE), (1, TWO), (2, ONE), (1, ONE)]
    store.add_events([event(n, 10.0 + n) for n in range(EVENTS_KEPT * 2)])
    assert len(store.events) == EVENTS_KEPT
    assert store.events[-1].id == EVENTS_KEPT * 2 - 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "ok"),
        ({"state": "failed"}, "down"),
        ({"state": "blocked"}, "down"),
        ({"state": "stopped"}, "down"),
        ({"state": "stopped", "wanted": "stopped"}, "ok"),
        ({"state": "starting"}, "degraded"),
        ({"state": "unknown"}, "degraded"),
    ],
)
def test_health_of_groups(fields: dict[str, Any], expected: str) -> None:
    assert health(with_group(two_nodes(), **fields)) == expected


def test_health_of_the_rest() -> None:
    assert health(troubled()) == "degraded"
    status = two_nodes()
    for node_state in ("standby", "offline", "unclean", "joining"):
        node = msgspec.structs.replace(status.nodes[1], state=node_state)
        assert health(msgspec.structs.replace(status, nodes=[status.nodes[0], node])) == "degraded"
    down = msgspec.structs.replace(status.pings[0], state="down")
    assert health(msgspec.structs.replace(status, pings=[down])) == "degraded"
    quorum = msgspec.structs.replace(status.quorum, quorate=False)
    assert health(msgspec.structs.replace(status, quorum=quorum)) == "degraded"
