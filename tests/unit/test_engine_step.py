"""One step of the engine: what it writes, asks, says and announces, how often, and when it leaves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from hbcore.engine import classic, speech
from hbcore.engine.beat import GroupWord, Mode, Service, Stand, State, Verdict
from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Announce, Gone, Hold, Note, Persist, Probe, Prove, Run, Say
from hbcore.engine.engine import HEALTHY_PROBE_NS, OWNER_PROBE_NS
from hbcore.engine.events import (
    Answered,
    Carrier,
    Done,
    Facts,
    GroupFacts,
    Leave,
    Listened,
    Outcome,
    Persisted,
    Probed,
    Seen,
    Sighting,
    Tick,
    Wall,
)  # fmt: skip
from hbcore.engine.group import Phase
from hbcore.engine.probing import Probing
from tests.unit.duo import PING, VIP
from tests.unit.lone import BASE, MINE, PEERS, START, Lone, owner, resting, standby

# -- how often ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late_ns", [250 * MS, 250 * MS + 1])
def test_a_daemon_that_wakes_half_a_deadtime_late_was_stopped(late_ns: int) -> None:
    lone = standby()
    lone.now = lone.engine.next_deadline() + late_ns
    lone.step(Listened(lone.now), Tick())
    assert (lone.engine.world.peer.awake_ns == lone.now) is (late_ns > 250 * MS)


def test_what_nothing_changed_is_said_again_after_four_fifths_of_a_beat() -> None:
    lone = owner()
    lone.step(lone.beat(epoch=4))
    while not any(isinstance(e, Say) for e in lone.step(Tick())):
        lone.now += MS
    said_ns = lone.now
    while True:
        lone.now += MS
        if any(isinstance(e, Say) for e in lone.step(Tick())):
            break
    assert lone.now - said_ns == 80 * MS


def asked_ms(lone: Lone, seconds: int, **heard: Any) -> list[int]:
    """Milliseconds from now on at which it asks for the address. `heard`: of the peer's beats, none where empty."""
    begun_ns, at = lone.now, []
    while lone.now - begun_ns < seconds * SECOND:
        before = len(lone.out)
        lone.run(20, lone.beat(epoch=4, **heard) if heard else None)
        at += [(lone.now - begun_ns) // MS] * any(isinstance(e, Probe) for e in lone.out[before:])
    return at


def test_an_owner_asks_for_its_address_every_two_seconds_and_the_other_every_ten() -> None:
    for pace_ns, lone, heard in (
        (OWNER_PROBE_NS, owner(), {"stand": Stand.NONE}),
        (HEALTHY_PROBE_NS, standby(), {"stand": Stand.HOLDS, "state": State.STARTED}),
    ):
        at = asked_ms(lone, 35, **heard)
        paces = [b - a for a, b in pairwise(at) if a > 2000]
        assert paces and all(pace_ns // MS <= ms <= pace_ns // MS + 20 for ms in paces), at


def test_an_owner_alone_asks_every_two_seconds_while_its_control_answers_and_all_the_time_else() -> None:
    lone = owner()
    assert all(b - a >= OWNER_PROBE_NS // MS for a, b in pairwise(asked_ms(lone, 9)) if a > 1000)
    late = owner()
    late.control = False
    spare_ms = late.engine.world.lease.lease_ns // 2 // MS
    at = [ms for ms in asked_ms(late, 1, control=Verdict.NO) if ms > 300]
    assert at and all(spare_ms <= b - a <= spare_ms + 20 for a, b in pairwise(at)), at


def test_two_beats_late_is_a_reason_to_ask() -> None:
    lone = standby()
    lone.run(2000, lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    lone.out.clear()
    heard_ns = lone.engine.world.peer.heard_ns
    while not any(isinstance(e, Probe) for e in lone.out):
        lone.run(20)
    assert lone.now - heard_ns == 200 * MS


def test_who_may_not_claim_without_its_control_is_mute_two_deadtimes_after_it() -> None:
    lone = standby()
    lone.control = False
    assert 700 <= asked_ms(lone, 4)[-1] <= 1000
    lone.control = True
    assert asked_ms(lone, 1)
    rests = resting()
    rests.control = False
    assert asked_ms(rests, 4)[-1] > 3000, "it has the right, and wants to know who answers"


# -- how often is often enough -----------------------------------------------------------------------------------------


def test_an_address_is_announced_once_after_its_card_came_back() -> None:
    lone = owner()
    assert [e.ip for e in lone.step(Carrier("eth0", True)) if isinstance(e, Announce)] == [VIP]
    assert not any(isinstance(e, Announce) for e in lone.step(Tick()))


def test_the_generation_moves_by_one_when_something_a_plan_depends_on_moved() -> None:
    lone = owner()
    seen = [lone.engine.generation]
    for mode in (Mode.ONLINE, Mode.ONLINE, Mode.STANDBY, Mode.STANDBY, Mode.ONLINE):
        lone.step(lone.beat(epoch=4, mode=mode))
        seen.append(lone.engine.generation)
    assert [b - a for a, b in pairwise(seen)] == [0, 0, 1, 0, 1]
    assert seen[0] > 0


def test_a_start_waits_for_what_is_written_of_it() -> None:
    lone = Lone(slow=True)
    lone.step(lone.beat(Stand.RELEASED, 4))
    lone.step(*(Done(op, Outcome.STOPPED) for op in (1, 2)))
    newest = [e.number for e in lone.out if isinstance(e, Persist)][-1]
    assert lone.group.owner and lone.group.barrier == newest and lone.ran("start") == []
    lone.step(Persisted(newest - 1))
    assert lone.ran("start") == []
    lone.step(Persisted(newest))
    assert lone.ran("start") == [VIP]


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_who_leaves_stops_gives_away_says_so_and_goes_once() -> None:
    lone = owner()
    effects = lone.step(Leave())
    assert [(n.code, n.about) for n in effects if isinstance(n, Note) and n.code == "leaving"] == [("leaving", "node1")]
    lone.run(500, lone.beat(epoch=4))
    assert lone.ran("stop") == ["httpd", VIP] and lone.said().stand is Stand.RELEASED
    assert [e for e in lone.out if isinstance(e, Gone)] == [Gone(True)]
    assert [e for e in lone.out if isinstance(e, Say)][-1].words.mode is Mode.BYE


def test_who_does_not_know_what_runs_does_not_go() -> None:
    lone = Lone(status=Outcome.UNKNOWN)
    lone.step(lone.beat(), Leave())
    lone.run(500, lone.beat())
    assert lone.group.phase is Phase.PROBING and not any(isinstance(e, Gone) for e in lone.out)


def test_a_right_that_rests_is_given_away_before_it_goes() -> None:
    lone = resting()
    lone.slow = True
    lone.step(Leave())
    assert not any(isinstance(e, Gone) for e in lone.out)
    numbers = [e.number for e in lone.out if isinstance(e, Persist)]
    lone.step(Persisted(numbers[-1]))
    assert [e for e in lone.out if isinstance(e, Gone)] == [Gone(True)]
    assert lone.said().stand is Stand.RELEASED and lone.now - lone.group.barrier_ns < SECOND


# -- what comes back of a round ----------------------------------------------------------------------------------------


def asks(lone: Lone) -> Probe:
    """The next question for the address."""
    lone.group.probing.ask_now()
    probe = None
    while probe is None:
        lone.now += 20 * MS
        effects = lone.step(Listened(lone.now), Answered(PING, lone.now - MS, lone.now))
        probe = next((e for e in effects if isinstance(e, Probe)), None)
    return probe


def test_neighbours_are_asked_where_the_control_is_late() -> None:
    assert not asks(owner()).neighbours
    late = owner()
    late.control = False
    late.out.clear()
    late.run(300, late.beat(epoch=4, control=Verdict.NO))
    assert [e.neighbours for e in late.out if isinstance(e, Probe)][-1]


HERE = (Sighting(VIP, PEERS, True),)


def test_the_result_of_a_round_that_is_over_is_none_of_the_next() -> None:
    lone = standby()
    probe, before = asks(lone), lone.group.probing.round_end_ns
    for number in (0, probe.probe - 1, probe.probe + 1):
        lone.step(Probed(number, lone.now, lone.now, HERE))
    assert lone.group.probing.round_end_ns == before and lone.group.probing.asked == probe.probe
    lone.step(Probed(probe.probe, lone.now, lone.now, HERE))
    assert lone.group.probing.round_end_ns == lone.now


@pytest.mark.parametrize(
    ("stand", "state", "two_way", "counts"),
    [
        (Stand.HOLDS, State.STARTED, True, 1),
        (Stand.HOLDS, State.STARTED, False, 0),
        (Stand.HOLDS, State.STARTING, True, 0),
        (Stand.CLAIMS, State.STARTED, True, 0),
    ],
)
def test_who_is_heard_to_run_it_should_answer(stand: Stand, state: State, two_way: bool, counts: int) -> None:
    lone = standby()
    lone.run(500, lone.beat(stand, 4, state=state, two_way=two_way))
    probe, before = asks(lone), lone.group.probing.expected_rounds
    lone.step(lone.beat(stand, 4, state=state, two_way=two_way))
    lone.step(Probed(probe.probe, lone.now, lone.now))
    assert lone.group.probing.expected_rounds - before == counts


def test_who_holds_nothing_proves_nothing() -> None:
    lone = standby()
    lone.machine = lone.neighbour = True
    lone.run(2000, lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    assert not any(isinstance(e, Prove) for e in lone.out)


def test_only_what_the_peer_asks_for_an_address_of_ours_while_i_claim_it_is_a_rival() -> None:
    stranger = b"\x02\0\0\0\0\x09"
    for ip, mac, kind in (("192.168.100.99", PEERS, "probe"), (VIP, MINE, "probe"), (VIP, stranger, "probe")):
        lone = standby().claims()
        lone.step(Seen("eth0", ip, mac, kind, lone.now))
        assert lone.group.phase is Phase.CLAIMING and not lone.group.backoff_ns, (ip, mac)
    lone = standby()
    lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
    assert not lone.group.backoff_ns, "it claims nothing"
    lone.claims()
    begun = lone.group.claim_ns
    lone.now += 20 * MS
    lone.step(Seen("eth0", VIP, stranger, "announce", lone.now))
    assert lone.group.claim_ns == begun
    lone.step(Seen("eth0", VIP, PEERS, "announce", lone.now))
    assert lone.group.claim_ns == lone.now, "it is taken: look again"
    lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
    assert lone.group.backoff_ns - lone.now == 500 * MS
    assert classic.why_not(lone.engine.world, lone.group, lone.now) == "rival-claim"


# -- disk, clock and book ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ms", [180, 200])
def test_a_release_is_said_when_the_disk_has_it_or_after_200_ms(ms: int) -> None:
    lone = resting()
    lone.slow = True
    lone.step(Leave())
    assert lone.group.release_barrier and lone.said().stand is not Stand.RELEASED
    begun = lone.now
    while lone.now - begun < ms * MS:
        lone.now += 20 * MS
        lone.step(lone.beat(epoch=4))
    assert (lone.said().stand is Stand.RELEASED) is (ms == 200)


def test_what_is_written_is_all_that_a_restart_needs() -> None:
    lone = owner()
    lone.engine.world.book.put("pin", "web", "node1", now_s=7)
    (written,) = [e.stored for e in lone.step(Tick()) if isinstance(e, Persist)]
    assert (written.peer_macs, written.peer_bases) == ((PEERS,), (BASE,))
    assert [r.value for r in written.rules] == ["node1"]
    (group,) = written.groups
    assert (group.name, group.epoch, group.mine, group.agreed) == ("web", 4, True, lone.group.written)


def test_the_date_is_the_clock_since_boot_and_what_the_wall_is_ahead() -> None:
    lone = Lone()
    lone.step(Wall(lone.now - 7 * SECOND))
    assert lone.engine.world.unix_s(lone.now + SECOND) == (START - 7 * SECOND + SECOND) // SECOND


def test_a_node_in_standby_says_so() -> None:
    lone = standby()
    lone.engine.world.book.put("mode", "node2", "standby", now_s=0)
    lone.step(Tick())
    assert [e for e in lone.out if isinstance(e, Say)][-1].words.mode is Mode.STANDBY


# -- what it says, asks and obeys --------------------------------------------------------------------------------------


def test_what_is_said_of_this_node_and_of_each_group() -> None:
    lone = owner()
    world = lone.engine.world
    world.version = "9.9"
    lone.now += 50 * MS
    lone.step(lone.beat(epoch=4), Listened(lone.now))
    words = speech.words(world, lone.now)
    assert (words.mode, words.config, words.deadtime_ms) == (Mode.ONLINE, lone.config.digest(), 500)
    assert (words.services, words.release) == ((Service(MINE, "192.168.100.1"),), "9.9")
    assert words.rules_digest == world.book.digest()
    age_ms = world.controls[PING].age_ms(lone.now)
    assert words.groups == (
        GroupWord(
            lone.group.number, Stand.HOLDS, 4, lone.group.digest, False, State.STARTED, True, Verdict.OK, age_ms
        ),
    )  # fmt: skip
    assert age_ms > 0
    lone.group.failed = True
    (failed,) = speech.words(world, lone.now).groups
    assert (failed.failed, failed.ready) == (True, False)
    lone.group.failed, lone.group.phase = False, Phase.PROBING
    lone.group.facts = replace(lone.group.facts, control="")
    (unknown,) = speech.words(world, lone.now).groups
    assert (unknown.state, unknown.ready, unknown.control, unknown.control_age_ms) == (
        State.UNKNOWN, False, Verdict.NONE, 0
    )  # fmt: skip


def test_rules_are_said_while_the_peer_has_others() -> None:
    lone = standby()
    lone.engine.world.book.put("pin", "web", "node1", now_s=7)
    heard = lone.beat(Stand.HOLDS, 4, state=State.STARTED)
    for digest, says in ((1, ["pin"]), (lone.engine.world.book.digest(), [])):
        words = replace(heard.beat.words, rules_digest=digest)
        lone.run(200, replace(heard, beat=replace(heard.beat, words=words)))
        assert [r.kind for r in [e for e in lone.out if isinstance(e, Say)][-1].words.rules] == says


def test_a_question_is_not_asked_twice_nor_before_its_time_nor_without_a_card() -> None:
    probing = Probing((VIP,), 500 * MS)

    def asked(now_ns: int, device: str = "eth0") -> bool:
        return probing.request(now_ns, 1, device, "", (BASE,), (PEERS,), neighbours=False) is not None

    assert not asked(START, "") and asked(START)
    assert not asked(START + 100 * MS), "it is under way"
    probing.asked, probing.next_ns = 0, START + 300 * MS
    assert [asked(START + 300 * MS - 1), asked(START + 300 * MS)] == [False, True]


def test_a_clear_is_obeyed_once() -> None:
    lone = owner()
    lone.engine.world.book.put("clear", "web", "cleared", now_s=0)
    for failures in (0, 3):
        lone.group.members[0].failures = 3
        lone.step(Tick())
        assert lone.group.members[0].failures == failures


def test_only_a_start_has_a_latest_time() -> None:
    lone = owner()
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(100, lone.beat(epoch=4))
    latest = {e.operation: e.not_after_ns for e in lone.out if isinstance(e, Run)}
    assert latest["status"] == latest["stop"] == 0 < latest["start"]


def test_the_next_retry_is_the_first_that_is_not_under_way() -> None:
    lone = owner()
    group = lone.group
    address, httpd = group.members
    assert lone.now < group.next_ns() == httpd.monitor_ns and address.monitor_ns == 0, "the kernel tells of an address"
    httpd.monitor_ns = 0
    assert group.next_ns() == 0
    address.retry_ns, httpd.retry_ns = START, START + 1
    assert group.next_ns() == START
    address.op = 7
    assert group.next_ns() == START + 1


def test_a_group_that_names_no_control_asks_for_none() -> None:
    lone = Lone()
    lone.step(Facts((), (GroupFacts("web", "eth0", BASE, ""),)))
    assert list(lone.engine.world.controls) == [PING]
    lone.step(Facts((), (GroupFacts("web", "eth0", BASE, "192.168.100.253"),)))
    assert list(lone.engine.world.controls) == [PING, "192.168.100.253"]


def test_what_may_run_is_said_to_pulse() -> None:
    lone = Lone(slow=True)
    (hold,) = [e for e in lone.out if isinstance(e, Hold)]
    assert hold == Hold((), ("web",))
