"""Where a group may be and where it is: what stands against a node, each thing on its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hbcore.engine import classic
from hbcore.engine.beat import Mode, Stand, State, Verdict
from hbcore.engine.config import MS, Weight
from hbcore.engine.events import (
    Answered,
    Listened,
    Outcome,
    Tick,
)  # fmt: skip
from hbcore.engine.group import UNSEEN, Phase
from hbcore.engine.placement import damped, place
from hbcore.engine.planner import Order, whereabouts
from hbcore.engine.table import Peer
from tests.unit.duo import PING
from tests.unit.lone import Lone, owner, resting, standby

OBSTACLES = (
    "",
    "leaving",
    "stopped-by-operator",
    "standby-here",
    "start-failed-here",
    "script-missing",
    "config-differs",
)


@pytest.mark.parametrize("code", OBSTACLES)
def test_each_thing_that_keeps_a_group_from_this_node_is_named_alone(code: str) -> None:
    lone = Lone()
    lone.step(lone.beat(digest=7 if code == "config-differs" else None))
    world, group = lone.engine.world, lone.group
    world.leaving, group.failed = code == "leaving", code == "start-failed-here"
    if code == "stopped-by-operator":
        world.book.put("run", "web", "stopped", now_s=0)
    elif code == "standby-here":
        world.book.put("mode", "node1", "standby", now_s=0)
    elif code == "script-missing":
        group.facts = replace(group.facts, problem=code)
    assert list(world._obstacles_here(group, lone.now)) == [code] * bool(code)
    if code == "config-differs":
        group.agreed = group.written
        assert list(world._obstacles_here(group, lone.now)) == [], "what both had last may be taken over"


@pytest.mark.parametrize(
    ("heard", "codes"),
    [
        ({}, []),
        ({"mode": Mode.BYE}, ["peer-left", "peer-not-ready"]),
        ({"two_way": False}, ["peer-not-two-way"]),
        ({"mode": Mode.STANDBY}, ["peer-standby"]),
        ({"mode": Mode.LEAVING}, ["peer-not-ready"]),
        ({"digest": 7}, ["config-differs"]),
        ({"control": Verdict.NO}, ["peer-isolated"]),
        ({"ready": False}, ["peer-not-ready"]),
        ({"ready": False, "mode": Mode.STANDBY}, ["peer-standby"]),
        ({"failed": True}, ["start-failed-peer"]),
        ({"groups": ()}, ["config-differs"]),
    ],
)
def test_each_thing_that_keeps_a_group_from_the_other_node_is_named_alone(
    heard: dict[str, Any], codes: list[str]
) -> None:
    lone = Lone()
    given = lone.beat(**{name: heard[name] for name in heard if name in ("mode", "two_way", "digest", "control")})
    words = given.beat.words
    told = {name: heard[name] for name in heard if name in ("ready", "failed")}
    groups = heard.get("groups", tuple(replace(word, **told) for word in words.groups))
    lone.step(replace(given, beat=replace(given.beat, words=replace(words, groups=groups))))
    lone.step(Answered(PING, lone.now - MS, lone.now))
    assert list(lone.engine.world._obstacles_there(lone.group, lone.now)) == codes
    lone.run(1000)
    assert lone.engine.world.cannot_peer(lone.group, lone.now) == ("peer-left" if "peer-left" in codes else "peer-lost")


def test_a_standby_that_was_ordered_here_counts_before_the_other_says_it() -> None:
    lone = Lone()
    lone.step(lone.beat())
    lone.engine.world.book.put("mode", "node2", "standby", now_s=0)
    assert list(lone.engine.world._obstacles_there(lone.group, lone.now)) == ["peer-standby"]


def test_three_failbacks_in_ten_minutes_are_enough() -> None:
    lone = Lone()
    now_s = lone.engine.world.unix_s(lone.now)
    for ago, enough in (((1, 2, 599), True), ((1, 2, 600), False), ((1, 2), False)):
        lone.group.failbacks = tuple(now_s - s for s in ago)
        assert damped(lone.engine.world, lone.group, lone.now) is enough


def away(ms: int = 3000) -> Lone:
    """It runs on the node that is not its home, which could take it since then."""
    lone = Lone(me=1)
    lone.run(200, lone.beat(Stand.RELEASED, 4))
    lone.run(400, lone.beat(epoch=4))
    since_ns = lone.now - ms * MS
    lone.group.peer_can_since_ns = lone.engine.world.peer.two_way_since_ns = since_ns
    return lone


def placed(lone: Lone) -> tuple[str | None, str]:
    found = place(lone.engine.world, lone.group, lone.now)
    return found.node, found.code


def test_a_group_goes_home_unless_something_is_named() -> None:
    assert placed(owner()) == ("node1", ""), "it is at home"
    assert placed(away()) == ("node1", "failback")
    lone = away()
    lone.group.manual = True
    assert placed(lone) == ("node2", "failback-damped")
    lone.engine.world.config = replace(lone.config, auto_failback=False)
    assert placed(lone) == ("node2", "failback-off")
    lone.engine.world.book.put("pin", "web", "node2", now_s=0)
    assert placed(lone) == ("node2", "pinned")
    lone.engine.world.book.put("pin", "web", "node1", now_s=0)
    assert placed(lone) == ("node1", "pinned")
    lone.step(lone.beat(epoch=4, mode=Mode.LEAVING))
    assert placed(lone) == ("node2", "peer-not-ready"), "it is pinned there and cannot be"
    lone.engine.world.book.put("mode", "node2", "standby", now_s=0)
    assert placed(lone) == ("node2", "peer-not-ready"), "it could be nowhere"
    lone.step(lone.beat(epoch=4))
    assert placed(lone) == ("node1", "standby-here")
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    assert placed(lone) == (None, "stopped-by-operator")


def test_what_keeps_it_from_home_is_named_and_begins_the_wait_anew() -> None:
    lone = away()
    lone.step(lone.beat(epoch=4, mode=Mode.LEAVING))
    assert placed(lone) == ("node2", "peer-not-ready") and lone.group.peer_can_since_ns == 0
    lone.run(20)
    lone.step(lone.beat(epoch=4))
    assert placed(lone) == ("node2", "failback-waits") and lone.group.peer_can_since_ns == lone.now


def test_what_runs_is_not_moved_because_this_node_is_not_looked_at_yet() -> None:
    """A daemon that follows one that ended hears the other node before it has looked at its own interfaces."""
    lone = owner()
    lone.group.facts = replace(lone.group.facts, problem=UNSEEN)
    lone.run(2000, lone.beat(epoch=4))
    assert placed(lone) == ("node1", "") and lone.group.phase is Phase.RUNNING and "moving" not in lone.codes
    idle = resting()
    idle.group.facts = replace(idle.group.facts, problem=UNSEEN)
    idle.engine.world.book.put("run", "web", "", now_s=0)
    assert placed(idle) == ("node2", UNSEEN)


@pytest.mark.parametrize(
    ("mine", "theirs", "starts"),
    [(False, False, True), (True, False, False), (True, True, True), (False, True, True)],
)
def test_a_node_in_standby_starts_only_what_the_other_in_standby_cannot(mine: bool, theirs: bool, starts: bool) -> None:
    lone = Lone()
    lone.step(lone.beat(mode=Mode.STANDBY if theirs else Mode.ONLINE))
    if mine:
        lone.engine.world.book.put("mode", "node1", "standby", now_s=0)
    assert classic.may_start(lone.engine.world, lone.group, lone.now) is starts
    lone.group.failed = True
    assert not classic.may_start(lone.engine.world, lone.group, lone.now)


@pytest.mark.parametrize("ms", [999, 1000])
@pytest.mark.parametrize("which", ["can", "heard"])
def test_home_is_able_for_two_deadtimes_and_heard_all_the_time(which: str, ms: int) -> None:
    lone = away()
    if which == "can":
        lone.group.peer_can_since_ns = lone.now - ms * MS
    else:
        lone.engine.world.peer.two_way_since_ns = lone.now - ms * MS
    assert placed(lone)[1] == ("failback" if ms == 1000 else "failback-waits")
    lone.group.peer_can_since_ns = 0
    assert placed(lone)[1] == "failback-waits"


@pytest.mark.parametrize(("unplanned", "pinned", "counts"), [(True, "", 8), (False, "", 7), (True, "node1", 7)])
def test_a_failback_after_a_loss_is_counted_and_the_last_eight_are_kept(
    unplanned: bool, pinned: str, counts: int
) -> None:
    lone = away()
    lone.group.unplanned, lone.group.failbacks = unplanned, tuple(range(7))
    if pinned:
        lone.engine.world.book.put("pin", "web", pinned, now_s=0)
    lone.step(lone.beat(epoch=4))
    assert "moving" in lone.codes and len(lone.group.failbacks) == counts
    now_s = lone.engine.world.unix_s(lone.now)
    lone = away()
    lone.group.unplanned, lone.group.failbacks = True, tuple(range(8))
    lone.step(lone.beat(epoch=4))
    assert lone.group.failbacks == (*range(1, 8), now_s)


def test_a_group_is_where_somebody_who_is_there_holds_it() -> None:
    lone = Lone(me=1)
    found = []
    for stand, mode in ((Stand.NONE, Mode.ONLINE), (Stand.HOLDS, Mode.ONLINE), (Stand.HOLDS, Mode.BYE)):
        lone.step(lone.beat(stand, 4, mode=mode, state=State.STARTED))
        found.append(whereabouts(lone.engine.world, lone.group))
    assert found == ["", "node1", ""]
    assert whereabouts(owner().engine.world, owner().group) == "node1"


def test_what_the_nodes_define_differently_is_not_moved_though_it_may_run() -> None:
    lone = standby(me=0)
    lone.run(300, lone.beat(Stand.HOLDS, 4, state=State.STARTED, digest=lone.group.digest + 1))
    plan = lone.engine.plan(lone.now, Order("takeover"))
    assert (plan.refused, dict(plan.refused_args)["why"]) == ("cannot-move", "config-differs")


@pytest.mark.parametrize("bare", [False, True])
def test_the_machine_of_who_left_counts_where_there_is_no_address_to_ask_for(bare: bool) -> None:
    lone = Lone(Weight.HEAVY, bare=bare, status=Outcome.UNKNOWN)  # else it had taken it at once
    lone.machine = True
    lone.run(200, lone.beat(mode=Mode.BYE))
    lone.run(700)
    i = lone.engine.world.inputs(lone.group, lone.now)
    assert (i.peer, i.machine) == (Peer.LOST, bare)


def test_who_forgets_the_failures_of_what_runs_nowhere_promises_no_way_home() -> None:
    lone = Lone(me=1)
    lone.step(lone.beat(epoch=4))
    lone.group.failed = True
    plan = lone.engine.plan(lone.now, Order("group-clear", "", "web"))
    assert [line.code for line in plan.lines] == ["failures-go"] and plan.expect == ()


def test_who_lost_the_other_and_has_not_asked_yet_says_so() -> None:
    lone = Lone(me=1)
    lone.run(300, lone.beat(epoch=4))
    lone._probes = []
    said = []
    for _ in range(100):
        lone.now += 20 * MS
        lone._probes = []  # no round comes back
        lone.step(Listened(lone.now), Answered(PING, lone.now - MS, lone.now), Tick())
        said.append(classic.why_not(lone.engine.world, lone.group, lone.now))
    assert list(dict.fromkeys(said)) == ["", "one-way", "probing"]
