"""What one node knows, asked directly: of the peer's definitions and machine, of the network, and when it wakes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from hbcore.engine.beat import Mode, Stand, State
from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Note, Probe, Stored
from hbcore.engine.events import Answered, Listened, Tick
from hbcore.engine.group import Phase
from hbcore.engine.table import Peer
from hbcore.engine.world import NEIGHBOUR_FRESH_NS
from tests.unit.duo import PING
from tests.unit.lone import Lone, owner, standby

# -- the peer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has", "config", "differs"),
    [("none", 0, False), ("none", 1, True), ("same", 0, False), ("same", 1, False), ("other", 0, True)],
)
def test_who_said_nothing_of_its_files_defines_nothing_differently(has: str, config: int, differs: bool) -> None:
    lone = Lone()
    heard = lone.beat(digest=7 if has == "other" else None)
    words = replace(heard.beat.words, config=config)
    if has == "none":
        words = replace(words, groups=())
    lone.step(replace(heard, beat=replace(heard.beat, words=words)))
    assert lone.engine.world.mismatch(lone.group) is differs
    assert (lone.group.agreed == lone.group.written) is (has == "same")


def test_a_first_claim_of_all_begins_at_one() -> None:
    lone = Lone(stored=Stored())
    while not lone.group.owner:
        lone.run(100)
    assert lone.group.token.epoch == 1


def test_a_machine_that_cannot_be_asked_counts_as_alive_and_an_answer_for_a_deadtime() -> None:
    lone = standby()
    world, probing = lone.engine.world, lone.group.probing

    def machine() -> bool | None:
        return world._machine(lone.group, lone.now)

    probing.machine, probing.machine_asked_ns, probing.round_end_ns = False, 0, lone.now
    assert machine() is False
    probing.machine_asked_ns = lone.now - 500 * MS
    assert machine() is True
    probing.machine_asked_ns -= 1
    assert machine() is False
    probing.round_end_ns = lone.now - 10 * SECOND
    assert machine() is None, "that round was long ago"
    for facts, bases in ((replace(lone.group.facts, device=""), world.peer_bases), (lone.group.facts, ())):
        lone.group.facts, world.peer_bases = facts, bases
        assert machine() is True


@pytest.mark.parametrize(
    ("mode", "two_way", "codes"),
    [
        (Mode.ONLINE, True, ["peer-lost"]),
        (Mode.ONLINE, False, ["peer-one-way", "peer-lost"]),
        (Mode.BYE, True, ["peer-left-cleanly"]),
    ],
)
def test_the_peer_is_told_otherwise_heard_by_name_and_on_its_way_to_lost_not_as_one_way(
    mode: Mode, two_way: bool, codes: list[str]
) -> None:
    lone = standby()
    lone.out.clear()
    lone.run(600, lone.beat(Stand.HOLDS, 4, state=State.STARTED, mode=mode, two_way=two_way))
    lone.run(700)
    told = [n for n in lone.out if isinstance(n, Note) and n.code.startswith("peer-")]
    assert [n.code for n in told] == codes and {n.about for n in told} == {"node1"}


# -- the network -------------------------------------------------------------------------------------------------------


def test_the_network_is_proved_by_the_control_or_in_suspension_by_a_neighbour() -> None:
    lone = owner()
    world, group = lone.engine.world, lone.group
    control = world.controls[PING]
    control.asked_ns, group.probing.neighbour_asked_ns = lone.now - 100 * MS, lone.now - 50 * MS
    assert world.network_proved_ns(group, lone.now) == lone.now - 100 * MS
    control.suspended = True
    assert world.network_proved_ns(group, lone.now) == lone.now - 50 * MS
    control.asked_ns = lone.now - 20 * MS
    assert world.network_proved_ns(group, lone.now) == lone.now - 20 * MS
    group.facts = replace(group.facts, control="")
    assert world.network_proved_ns(group, lone.now) == lone.now, "nothing can be asked"


def test_a_neighbours_answer_counts_for_four_rounds() -> None:
    lone = owner()
    found = []
    for asked_ns in (0, lone.now - NEIGHBOUR_FRESH_NS - 1, lone.now - NEIGHBOUR_FRESH_NS, lone.now):
        lone.group.probing.neighbour_asked_ns = asked_ns
        found.append(lone.engine.world.neighbour(lone.group, lone.now))
    assert found == [False, False, True, True]


def test_a_control_is_steady_from_when_it_is_first_asked_at_the_earliest() -> None:
    lone = Lone(asked_ms=10)
    control = lone.engine.world.controls[PING]
    assert control.ok(lone.now) and not control.steady(lone.now)
    assert not lone.engine.world.inputs(lone.group, lone.now).control_steady
    lone.run(500)
    assert lone.engine.world.inputs(lone.group, lone.now).control_steady


@pytest.mark.parametrize("first", ["mute", "asked just now"])
def test_one_group_that_is_not_asked_for_does_not_hide_the_next(first: str) -> None:
    lone = standby()
    other = deepcopy(lone.group)
    if first == "mute":
        other.left_until_ns = lone.now + SECOND
    else:
        other.probing.asked, other.probing.round_begun_ns = 0, lone.now + SECOND
    lone.engine.world.groups = {"aside": other, **lone.engine.world.groups}
    lone.group.probing.ask_now()
    beat = lone.beat(Stand.HOLDS, 4, state=State.STARTED)
    asked = [e for e in lone.step(beat, Listened(lone.now)) if isinstance(e, Probe)]
    assert [e.probe for e in asked] == [lone.group.probing.asked] and other.probing.asked != lone.group.probing.asked


# -- when it wakes -----------------------------------------------------------------------------------------------------


def test_it_wakes_when_a_second_beat_is_missing_not_a_beat_later() -> None:
    lone = standby()
    lone.step(lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    heard_ns = lone.now
    lone.now += 150 * MS
    lone.step(Listened(lone.now), Answered(PING, lone.now - MS, lone.now))
    assert lone.engine.world.peer.state(lone.now) is Peer.TWO_WAY
    assert lone.engine.next_deadline() - heard_ns == 200 * MS


def test_an_owner_wakes_when_an_answer_of_its_control_is_late() -> None:
    lone = owner()
    control = lone.engine.world.controls[PING]
    late_ns = control.late_at_ns()
    lone.now = late_ns - 30 * MS
    lone.step(lone.beat(epoch=4), Listened(lone.now))
    assert lone.engine.next_deadline() == late_ns


def test_a_claim_wakes_it_at_its_end_and_not_all_the_time() -> None:
    lone = standby()
    while lone.group.phase is not Phase.CLAIMING:
        lone.run(20)
    lone.now += 10 * MS
    lone.step(Tick())
    assert 10 * MS < lone.engine.next_deadline() - lone.now <= lone.engine.world.lease.claim_ns
