"""What happens to one node: its own trouble, its network's, and others that have its addresses."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import pytest

from hbcore.engine import classic, senses
from hbcore.engine.beat import Mode, Service, Stand, State, Verdict
from hbcore.engine.config import MS, SECOND, Weight
from hbcore.engine.effects import (
    Announce,
    Note,
    Prove,
    Run,
)
from hbcore.engine.events import (
    AddressGone,
    Carrier,
    Done,
    Event,
    Facts,
    GroupFacts,
    Guarded,
    Lapsed,
    Outcome,
    Persisted,
    Probed,
    Seen,
    Sighting,
    Stalled,
    Tick,
)  # fmt: skip
from hbcore.engine.group import CONFLICT_OVER_NS, Phase
from hbcore.engine.table import Peer, Vip
from tests.unit.duo import PING, VIP
from tests.unit.lone import BASE, MINE, PEERS, START, Lone, found, owner, resting, standby

# -- own trouble -------------------------------------------------------------------------------------------------------


def test_an_own_stall_or_a_carrier_change_begins_the_proofs_anew() -> None:
    for trouble in (Stalled(START + 4 * SECOND, START + 5 * SECOND), Carrier("eth0", True)):
        lone = standby()
        lone.run(300)
        world = lone.engine.world
        assert world.controls[PING].steady(lone.now) and lone.group.probing.vip(lone.now) is Vip.FREE
        senses.lengthen(lone.engine.world, lone.now, lone.now) if isinstance(trouble, Stalled) else lone.step(trouble)
        assert not world.controls[PING].steady(lone.now) and lone.group.probing.vip(lone.now) is Vip.UNKNOWN


def test_a_daemon_that_was_stopped_judges_nobody_on_waking() -> None:
    lone = standby()
    lone.now += 3 * SECOND
    lone.step(Tick())  # before pulse told of anything
    assert lone.engine.world.peer.state(lone.now) is Peer.ONE_WAY and "peer-lost" not in lone.codes


def test_a_round_that_did_not_leave_says_nothing() -> None:
    lone = standby()
    lone.run(300)
    lone.group.probing.forget()
    number = lone.group.probing.asked or 77
    lone.group.probing.asked = number
    lone.step(Probed(number, lone.now - 95 * MS, lone.now, failed=True))
    assert lone.group.probing.vip(lone.now) is Vip.UNKNOWN


def test_a_stall_longer_than_a_beat_is_told_with_its_length_and_where() -> None:
    lone = owner()
    for ms in (50, 100, 101, 2500):
        lone.step(Stalled(lone.now - ms * MS, lone.now))
    told = [
        (note.about, dict(note.args)["ms"]) for note in lone.out if isinstance(note, Note) and note.code == "stalled"
    ]
    assert told == [("node1", "101"), ("node1", "2500")]


def test_an_owner_whose_card_is_plugged_in_announces_its_address_again() -> None:
    for lone, device, told in ((owner(), "eth0", [VIP]), (owner(), "eth1", []), (standby(), "eth0", [])):
        lone.step(Carrier(device, False))
        assert [e for e in lone.engine.step(lone.now, Tick()) if isinstance(e, Announce)] == []
        effects = lone.step(Carrier(device, True))
        assert [e.ip for e in effects if isinstance(e, Announce)] == told


def test_a_stop_that_fails_is_tried_ten_times_more_a_second_apart_then_blocked() -> None:
    lone = owner()
    lone.stop, lone.status = Outcome.FAILED, Outcome.RUNNING
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    begun = len(lone.out)
    at: list[int] = []
    for _ in range(15 * 50):
        lone.run(20, lone.beat(epoch=4))
        tried = [e for e in lone.out[begun:] if isinstance(e, Run) and e.operation == "stop"]
        at += [lone.now] * (len(tried) - len(at))
        if lone.group.phase is Phase.BLOCKED:
            break
    assert len(at) == 11 == lone.group.members[1].failures
    assert lone.codes.count("stop-failed") == 11 and lone.codes.count("stop-blocked") == 1
    assert all(SECOND <= b - a <= SECOND + 40 * MS for a, b in pairwise(at))
    lone.run(5000, lone.beat(epoch=4))
    assert lone.codes.count("stop-blocked") == 1, "said once"


def test_the_guard_is_told_lost_missing_and_restored_once_each_and_where() -> None:
    lone = Lone()
    for trouble in ("", "lost", "EPERM", "lost", "", ""):
        lone.step(Guarded(trouble))
    told = [(note.code, note.about) for note in lone.out if isinstance(note, Note) and note.code.startswith("guard")]
    assert told == [(f"guard-{what}", "node1") for what in ("lost", "none", "lost", "restored")]


def test_a_start_that_fails_is_told_counted_and_given_to_the_other() -> None:
    lone = Lone()
    lone.start = Outcome.FAILED
    lone.run(200, lone.beat(Stand.RELEASED, 4))
    lone.run(300, lone.beat(epoch=4))
    assert [m.failures for m in lone.group.members] == [1, 0] and lone.group.failed and not lone.group.owner
    assert lone.codes.count("start-failed") == 1 and lone.said().stand is Stand.RELEASED
    assert lone.group.why == ("start-failed", (("resource", VIP), ("detail", "")))
    lone.group.failed, lone.group.members[0].failures = False, 7
    lone.run(300, lone.beat(Stand.RELEASED, 9))
    assert lone.group.members[0].failures == 8


def test_an_address_that_somebody_took_off_is_put_on_again_and_told() -> None:
    lone = owner()
    lone.step(AddressGone("192.168.100.77", lone.now))
    assert "address-gone" not in lone.codes
    lone.step(AddressGone(VIP, lone.now - SECOND))
    assert lone.codes.count("address-gone") == 1
    assert lone.ran("start") == [VIP, "httpd", VIP] and lone.group.phase is Phase.RUNNING
    shut = owner()
    shut.slow = True
    shut.step(Lapsed("web", shut.now))
    assert not shut.group.address_gone(VIP, shut.now) and not shut.group.address_gone("", shut.now)
    assert shut.group.phase is Phase.SHUT


# -- what is told ------------------------------------------------------------------------------------------------------


def told(lone: Lone, *events: Event) -> list[tuple[str, dict[str, str], str]]:
    return [(n.code, dict(n.args), n.about) for n in lone.step(*events) if isinstance(n, Note)]


def test_a_disk_that_refuses_is_told() -> None:
    assert told(owner(), Persisted(1, "ENOSPC")) == [("persist-failed", {"error": "ENOSPC"}, "")]


def test_a_restart_of_the_peer_is_told_once() -> None:
    lone = owner()
    assert "peer-restarted" not in lone.codes, "when it was first heard"
    assert told(lone, lone.beat(epoch=4, incarnation=6)) == [("peer-restarted", {"node": "node2"}, "node2")]
    assert told(lone, lone.beat(epoch=4, incarnation=6)) == []


def test_configurations_that_differ_are_told_when_it_begins_and_ends() -> None:
    lone = owner()
    same = lone.beat(epoch=4)
    other, none = (
        replace(same, beat=replace(same.beat, words=replace(same.beat.words, config=digest))) for digest in (1, 0)
    )
    codes = [[code for code, _, _ in told(lone, beat)] for beat in (same, other, other, same, other, none)]
    assert codes == [[], ["config-differs-now"], [], ["config-agrees"], ["config-differs-now"], ["config-agrees"]]
    assert told(lone, other) == [("config-differs-now", {"node": "node2"}, "")]


def test_two_owners_are_told_when_it_begins_and_ends() -> None:
    lone = owner()
    holds, none = lone.beat(Stand.HOLDS, 3, state=State.STARTED), lone.beat(epoch=3)
    codes = [[code for code, _, _ in told(lone, beat)] for beat in (holds, holds, none, none)]
    assert codes == [["both-hold"], [], ["contest-over"], []] and lone.group.owner


def test_a_status_that_says_nothing_is_told_with_the_resource() -> None:
    lone = Lone(slow=True)
    (first, *_) = told(lone, Done(1, Outcome.UNKNOWN, "no answer"))
    assert first == ("status-unknown", {"group": "web", "resource": VIP, "detail": "no answer"}, "web")
    address, httpd = lone.group.members
    assert address.detail == "no answer" and not lone.group.done(lone.now, Done(99, Outcome.OK))
    httpd.detail = "as it was"
    assert lone.group.done(lone.now, Done(httpd.op, Outcome.STOPPED)) and httpd.detail == "as it was"


# -- the control -------------------------------------------------------------------------------------------------------


def proved(lone: Lone) -> list[tuple[str, int]]:
    """What the next round proves, and since when (ns)."""
    lone.run(3000)
    lone.out.clear()
    while not (proofs := [e for e in lone.out if isinstance(e, Prove)]):
        lone.run(20)
    return [(e.kind, lone.now - e.asked_ns) for e in proofs]


def test_the_peers_machine_proves_the_network_from_when_it_was_asked() -> None:
    lone = owner()
    lone.machine = True
    assert proved(lone) == [("base", 100 * MS)]


def test_a_neighbour_proves_it_likewise() -> None:
    lone = owner()
    lone.neighbour = True
    assert proved(lone) == [("neighbour", 100 * MS)]


@pytest.mark.parametrize(("asked_ms", "moves_ms"), [(None, 700), (300, 400), (600, 200)])
def test_a_new_daemon_does_not_compare_with_answers_that_nobody_could_tell_it(
    asked_ms: int | None, moves_ms: int
) -> None:
    """It hears the peer, whose control answers. What pulse knew of its own is known from the beginning."""
    lone = found(asked_ms)
    lone.run(moves_ms - 100, lone.beat(epoch=4))
    assert "moving" not in lone.codes
    lone.run(100, lone.beat(epoch=4))
    assert "moving" in lone.codes


def test_a_control_that_could_not_answer_yet_isolates_nobody() -> None:
    lone = found()
    lone.step(lone.beat(epoch=4, mode=Mode.BYE))
    lone.run(300)
    assert lone.group.phase is Phase.FOUND and "isolated" not in lone.codes
    lone.run(20)
    assert "isolated" in lone.codes


def test_a_gateway_that_is_new_isolates_nobody_either() -> None:
    lone = owner()
    lone.run(3000)
    lone.step(Facts((Service(MINE, "192.168.100.1"),), (GroupFacts("web", "eth0", BASE, "192.168.100.253"),)))
    lone.run(240)
    assert lone.group.phase is Phase.RUNNING
    lone.run(100)
    assert "isolated" in lone.codes, "but in the end it is a control as any other"


def test_only_while_both_are_heard_time_counts_towards_the_suspension() -> None:
    lone = owner()
    lone.control = False
    lone.run(400, lone.beat(epoch=4, control=Verdict.NO))
    lone.run(600)
    lone.run(300, lone.beat(epoch=4, control=Verdict.NO))
    assert lone.engine.world.verdict(lone.group, lone.now) is Verdict.NO
    lone.run(500, lone.beat(epoch=4, control=Verdict.NO))
    assert lone.engine.world.verdict(lone.group, lone.now) is Verdict.SUSPENDED


def test_one_answer_of_the_peers_control_counts_once() -> None:
    lone = owner()
    lone.control = False
    lone.run(700, lone.beat(epoch=4, control=Verdict.NO))
    answered = lone.now
    for ms in (20, 40, 60):
        lone.now = answered + ms * MS
        lone.step(lone.beat(epoch=4, age_ms=ms))
    assert lone.group.phase is Phase.RUNNING and lone.group.peer_control_beats == 1
    lone.now = answered + 69 * MS
    lone.step(lone.beat(epoch=4, age_ms=20))
    assert lone.group.peer_control_beats == 1, "half a beat later is another"
    lone.now = answered + 70 * MS
    lone.step(lone.beat(epoch=4, age_ms=20))
    assert "moving" in lone.codes and lone.said().stand is Stand.RELEASED


def test_a_group_without_a_control_does_not_hide_the_others() -> None:
    lone = owner()
    other = deepcopy(lone.group)
    other.facts = replace(other.facts, control="")
    lone.engine.world.groups = {"aside": other, **lone.engine.world.groups}
    lone.group.peer_control_beats = 2
    lone.step(lone.beat(epoch=4, control=Verdict.NO))
    assert (other.peer_control_beats, lone.group.peer_control_beats) == (0, 0)


def test_a_heavy_group_has_its_grace_from_when_it_is_isolated() -> None:
    lone = owner(Weight.HEAVY)
    lone.run(3000)
    lone.control, begun_ns = False, lone.now
    while "isolated" not in lone.codes:
        lone.run(20)
    assert 5 * SECOND <= lone.now - begun_ns <= 6 * SECOND


@pytest.mark.parametrize(
    ("control", "theirs", "ready", "passes"),
    [
        (False, Verdict.OK, True, True),
        (False, Verdict.NO, True, False),
        (False, Verdict.OK, False, False),
        (True, Verdict.OK, True, False),
    ],
)
def test_who_rests_and_is_heard_one_way_leaves_it_to_who_has_a_control(
    control: bool, theirs: Verdict, ready: bool, passes: bool
) -> None:
    lone = resting()
    lone.control = control
    heard = lone.beat(epoch=4, two_way=False, control=theirs)
    words = replace(heard.beat.words, groups=(replace(heard.beat.words.groups[0], ready=ready),))
    lone.run(1500, replace(heard, beat=replace(heard.beat, words=words)))
    assert ("token-passed" in lone.codes) is passes


@pytest.mark.parametrize(("ago_ns", "stops"), [(classic.HEAVY_GRACE_NS - 1, False), (classic.HEAVY_GRACE_NS, True)])
def test_an_isolated_heavy_group_is_stopped_after_its_grace(ago_ns: int, stops: bool) -> None:
    lone = owner(Weight.HEAVY)
    world, group = lone.engine.world, lone.group
    group.isolated_ns = lone.now - ago_ns
    classic._isolated(world, group, world.inputs(group, lone.now), lone.now)
    assert (group.phase is Phase.STOPPING) is stops


def test_an_idle_owner_that_is_cut_off_from_its_control_passes_the_right_on() -> None:
    lone = resting()
    lone.control = False
    for _ in range(10):
        lone.run(100, lone.beat(epoch=4))
    assert not lone.group.owner
    assert "token-passed" in lone.codes and lone.said().stand is Stand.RELEASED


def test_an_idle_owner_that_is_cut_off_keeps_the_right_while_the_other_is_in_standby() -> None:
    lone = resting()
    lone.control = False
    for _ in range(20):
        lone.run(100, lone.beat(epoch=4, mode=Mode.STANDBY))
    assert lone.group.row == "O3" and lone.group.owner


@pytest.mark.parametrize(("stopped", "ago", "passes"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_a_right_is_not_passed_on_twice_in_two_deadtimes(stopped: bool, ago: int, passes: bool) -> None:
    lone = resting() if stopped else owner()
    lone.group.passed_ns = lone.now - 2 * lone.engine.world.lease.deadtime_ns + ago
    classic._pass_on(lone.engine.world, lone.group, "isolated-handover", lone.now)
    assert lone.group.owner is not passes
    assert [dict(n.args) for n in lone.group.notes] == [
        {"group": "web", "to": "node2", "why": "isolated-handover"}
    ] * passes


# -- others ------------------------------------------------------------------------------------------------------------


def test_nothing_is_started_beside_an_answer() -> None:
    lone = resting()
    lone.vip = True
    lone.run(2000)
    lone.engine.world.book.put("run", "web", "", now_s=0)
    lone.run(1000)
    assert lone.group.owner and lone.group.phase is Phase.IDLE
    lone.vip = False
    lone.run(1000)
    assert lone.group.phase.value == "running"


def test_an_answer_of_the_peer_after_its_release_stops_and_alarms() -> None:
    lone = owner()
    lone.vip = True
    lone.run(2500, lone.beat(epoch=4))
    assert "peer-answers" in lone.codes


def answered(lone: Lone, begun_ns: int) -> bool:
    """Whether it stops for an answer of the peer to what was asked then."""
    lone.group.probing.asked = 77
    lone.step(Probed(77, begun_ns, lone.now, (Sighting(VIP, PEERS, True),)))
    return "peer-answers" in lone.codes


@pytest.mark.parametrize(("after_ns", "stops"), [(-1, False), (0, True)])
def test_an_answer_from_before_the_peer_said_that_it_has_it_not_says_nothing(after_ns: int, stops: bool) -> None:
    lone = owner()
    lone.run(100, lone.beat(Stand.HOLDS, 3, state=State.STARTED))  # a partition healed, and it yields
    said_ns = lone.now
    lone.step(lone.beat(epoch=4))
    lone.run(60)
    assert answered(lone, said_ns + after_ns) is stops


def test_what_a_lost_peer_said_last_says_nothing() -> None:
    lone = owner()
    lone.run(1000)
    assert lone.engine.world.peer.state(lone.now) is Peer.LOST
    assert not answered(lone, lone.now - MS)


def test_a_peer_that_is_stopping_it_may_still_answer() -> None:
    lone = owner()
    lone.run(300, lone.beat(epoch=4, state=State.STOPPING))
    assert not answered(lone, lone.now - MS)
    lone.run(100, lone.beat(epoch=4))
    assert answered(lone, lone.now)


def test_a_foreign_holder_is_told_when_it_begins_and_again_after_ten_quiet_seconds() -> None:
    lone = owner()
    other, third = b"\x02\0\0\0\0\7", b"\x02\0\0\0\0\x08"

    def seen(mac: bytes, after_ns: int) -> int:
        lone.now += after_ns
        before = lone.codes.count("vip-conflict")
        lone.step(Seen("eth0", VIP, mac, "announce", lone.now))
        return lone.codes.count("vip-conflict") - before

    assert [seen(other, ns) for ns in (0, SECOND, CONFLICT_OVER_NS - 1, CONFLICT_OVER_NS)] == [1, 0, 0, 1]
    assert [seen(third, SECOND), seen(third, SECOND), seen(other, SECOND)] == [1, 0, 1]
