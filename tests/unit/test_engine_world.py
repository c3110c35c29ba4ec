"""What one node knows, asked directly: of the peer's definitions and machine, of the network, of its own files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.beat import Mode, Stand, State
from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Note, Stored, StoredGroup
from hbcore.engine.events import Outcome, Probed, Sighting
from hbcore.engine.group import UNSEEN
from hbcore.engine.table import Inputs
from hbcore.engine.world import NEIGHBOUR_FRESH_NS
from tests.unit.duo import PING, VIP
from tests.unit.lone import KNOWN, PEERS, Lone, owner, standby

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


@pytest.mark.parametrize(("ms", "settled"), [(80, False), (100, True)])
def test_who_is_lost_for_long_is_settled(ms: int, settled: bool) -> None:
    lone = owner()
    lone.run(500, lone.beat(epoch=4))
    silent_from = lone.engine.world.peer.lost_at_ns() - 500 * MS
    lone.run((silent_from + lone.engine.world.lease.settled_ns - lone.now) // MS - 100 + ms)
    assert lone.group.settled is settled


def test_an_answer_from_before_it_was_mine_was_the_owners() -> None:
    for before_ns, stops in ((1, False), (0, True)):
        lone = owner()
        lone.group.probing.asked = 77
        begun_ns = lone.group.barrier_ns - before_ns
        lone.step(Probed(77, begun_ns, lone.now, (Sighting(VIP, PEERS, True),)))
        assert ("peer-answers" in lone.codes) is stops


# -- what the table is asked -------------------------------------------------------------------------------------------


def inputs(lone: Lone) -> Inputs:
    return lone.engine.world.inputs(lone.group, lone.now)


def test_who_has_the_right_and_who_was_given_it() -> None:
    assert inputs(owner()).token and not inputs(standby()).token and not inputs(owner()).released
    lone = Lone(status=Outcome.UNKNOWN)  # else it had taken it at once
    lone.run(100, lone.beat(Stand.RELEASED, 9))
    assert inputs(lone).released and not inputs(lone).token
    assert not inputs(lone).just_released
    lone.group.left_until_ns = lone.now + 1
    assert inputs(lone).just_released


@pytest.mark.parametrize(
    ("me", "epoch", "knows", "outranks"),
    [(0, 3, False, False), (0, 4, True, False), (0, 5, True, True), (1, 4, True, True), (1, 3, False, False)],
)
def test_of_two_rights_the_higher_epoch_counts_and_of_equal_ones_the_node_where_it_is_at_home(
    me: int, epoch: int, knows: bool, outranks: bool
) -> None:
    lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),)), me=me)
    lone.step(lone.beat(Stand.CLAIMS, epoch, two_way=False))
    i = inputs(lone)
    assert (i.peer_claims, i.claim_knows, i.peer_outranks) == (True, knows, outranks)


def test_of_whom_nothing_is_heard_no_right_is_known() -> None:
    lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 1, mine=True),)))
    assert not inputs(lone).claim_knows and inputs(lone).peer_known
    assert not inputs(Lone(stored=Stored())).peer_known


def test_the_peers_machine_and_a_neighbour_count_from_when_they_were_asked() -> None:
    lone = owner()
    probing, lease_ns = lone.group.probing, lone.engine.world.lease.lease_ns
    found = []
    for asked_ns in (0, lone.now - lease_ns - 1, lone.now - lease_ns, lone.now):
        probing.machine_asked_ns = asked_ns
        found.append(inputs(lone).base_answers)
    assert found == [False, False, True, True]
    probing.neighbour_asked_ns = lone.now
    assert inputs(lone).neighbour


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
    assert not inputs(lone).control_steady
    lone.run(500)
    assert inputs(lone).control_steady


# -- its files and the peer's ------------------------------------------------------------------------------------------


def test_at_rest_it_goes_by_what_both_had_last_and_by_its_own_again_when_they_agree() -> None:
    lone = standby()
    written = lone.group.written
    both = replace(written, resources=written.resources[:1])
    lone.group.agreed = both
    assert (lone.group.stored().agreed, lone.group.stored().used) == (both, None)
    beat = lone.beat(Stand.HOLDS, 4, state=State.STARTED, digest=7)
    lone.step(beat)
    assert lone.group.definition == both and not lone.ran("status")[2:], "it knows all that is left"
    assert lone.group.stored().used == both and lone.group.facts.problem == UNSEEN
    lone.group.agreed, lone.group.members[0].op = written, 99
    lone.step(beat)
    assert lone.group.definition == both, "not in the middle of something"
    lone.group.members[0].op, lone.slow = 0, True
    lone.step(lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    assert lone.group.definition == written and lone.ran("status")[2:] == ["httpd"], "what is new is asked about"


@pytest.mark.parametrize("agreed", [False, True])
def test_files_that_differ_keep_a_group_from_starting_unless_both_had_something(agreed: bool) -> None:
    lone = Lone(stored=Stored())
    lone.run(100, lone.beat(Stand.RELEASED, 4, digest=7))
    lone.group.agreed = lone.group.written if agreed else None
    assert lone.engine.world.cannot_here(lone.group, lone.now) == ("" if agreed else "config-differs")
