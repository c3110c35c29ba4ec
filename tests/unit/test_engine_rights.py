"""One engine and what it is told: rights, claims, lapses and releases, each rule of safety.md 2 and 4 on its own.

Owns a peer made of single beats, so that it can be in any state. Scripts and the disk answer at once, unless told not
to.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from hbcore.engine import classic, senses
from hbcore.engine.beat import Beat, Frame, GroupWord, Mode, Service, Stand, State, Verdict, Words
from hbcore.engine.config import MS, SECOND, Weight
from hbcore.engine.effects import (
    Announce,
    Effect,
    Hold,
    Note,
    Persist,
    Probe,
    Prove,
    Run,
    Say,
    Stored,
    StoredGroup,
)
from hbcore.engine.engine import Engine
from hbcore.engine.events import (
    Abandoned,
    AddressGone,
    Answered,
    Carrier,
    Done,
    Event,
    Facts,
    GroupFacts,
    Guarded,
    Heard,
    Lapsed,
    Listened,
    Outcome,
    Persisted,
    Probed,
    Seen,
    Sighting,
    Stalled,
    Tick,
    Wall,
)  # fmt: skip
from hbcore.engine.group import CONFLICT_OVER_NS, Group, Phase
from hbcore.engine.planner import Order, whereabouts
from hbcore.engine.table import Peer, Vip
from tests.unit.duo import NAMES, PING, VIP, config
from tests.unit.notes import assert_fit

START = 1000 * SECOND
MINE, PEERS, BASE = b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2", "192.168.100.2"
KNOWN = Stored(peer_macs=(PEERS,), peer_bases=(BASE,))


class Lone:
    """`control`: the ping node answers; `vip`, `machine`: what a probe finds; `status`, `stop`: what comes of these.

    `slow`: Run and Persist stay unanswered. `asked_ms`: so long ago the ping node was last asked and answered.
    """

    def __init__(
        self, weight: Weight = Weight.LIGHT, stored: Stored = KNOWN, me: int = 0, *, slow: bool = False,
        status: Outcome = Outcome.STOPPED, bare: bool = False, asked_ms: int | None = None,
    ) -> None:  # fmt: skip
        self.config = config(weight, bare=bare)
        self.now = START
        self.control, self.vip, self.machine, self.slow = True, False, False, slow
        self.status, self.stop = status, Outcome.OK
        self.out: list[Effect] = []
        self._seq = 0
        self._probes: list[tuple[int, Probe]] = []
        asked = {} if asked_ms is None else {PING: START - asked_ms * MS}
        self.engine = Engine(self.config, NAMES[me], stored, START, asked_ns=asked)
        self.step(Wall(START), Facts((Service(MINE, "192.168.100.1"),), (GroupFacts("web", "eth0", BASE, PING),)))

    @property
    def group(self) -> Group:
        return self.engine.world.groups["web"]

    @property
    def codes(self) -> list[str]:
        return [e.code for e in self.out if isinstance(e, Note)]

    def said(self) -> GroupWord:
        """What the newest beat says."""
        return [e for e in self.out if isinstance(e, Say)][-1].words.groups[0]

    def step(self, *events: Event) -> list[Effect]:
        """And what scripts and the disk answer to it."""
        effects = self.engine.step(self.now, *events)
        self.out += effects
        for note in effects:
            if isinstance(note, Note):
                assert_fit(note, self.engine.world.me, self.config)
        for effect in [] if self.slow else effects:
            if isinstance(effect, Run):
                came = {"status": self.status, "stop": self.stop}.get(effect.operation, Outcome.OK)
                self.step(Done(effect.op, came, "", MS))
            elif isinstance(effect, Persist):
                self.step(Persisted(effect.number))
        self._probes += [(self.now, e) for e in effects if isinstance(e, Probe)]
        return effects

    def beat(
        self, stand: Stand = Stand.NONE, epoch: int = 0, *, two_way: bool = True, mode: Mode = Mode.ONLINE,
        state: State = State.STOPPED, control: Verdict = Verdict.OK, age_ms: int = 10, incarnation: int = 5,
        digest: int | None = None,
    ) -> Heard:  # fmt: skip
        self._seq += 1
        word = GroupWord(
            self.group.number, stand, epoch, self.group.digest if digest is None else digest, False, state, True,
            control, age_ms,
        )  # fmt: skip
        words = Words(mode, self.engine.world.config_digest, (word,), (Service(PEERS, BASE),))
        frame = Frame(self.config.cluster_id, 1, incarnation, 0, self._seq, 9)
        return Heard("eth0", self.now, Beat(frame, words), self.now - MS if two_way else 0)

    def run(self, ms: int, heard: Heard | None = None) -> None:
        """Time passes; the same words are heard every 100 ms, the ping node answers, probes come back."""
        for n in range(ms // 20):
            self.now += 20 * MS
            events: list[Event] = [Listened(self.now)]
            if self.control and n % 5 == 0:
                events.append(Answered(PING, self.now - MS, self.now))
            if heard is not None and n % 5 == 0:
                echo = self.now - MS if heard.echo_sent_ns else 0
                events.append(replace(heard, at_ns=self.now, echo_sent_ns=echo))
            due = [p for p in self._probes if self.now - p[0] >= 95 * MS]
            self._probes = [p for p in self._probes if p not in due]
            events += [self._round(begun, probe) for begun, probe in due]
            self.step(*events)

    def _round(self, begun_ns: int, probe: Probe) -> Probed:
        found = [VIP] * self.vip + [BASE] * self.machine
        return Probed(probe.probe, begun_ns, self.now, tuple(Sighting(ip, PEERS, True) for ip in found))


def owner(weight: Weight = Weight.LIGHT, me: int = 0, *, bare: bool = False) -> Lone:
    """It took the group from a peer that left it to it, and runs it with epoch 4."""
    lone = Lone(weight, me=me, bare=bare)
    lone.run(200, lone.beat(Stand.RELEASED, 4))
    lone.run(2000, lone.beat(epoch=4))
    assert lone.group.owner and lone.group.phase is Phase.RUNNING and lone.group.token.epoch == 4
    return lone


def resting() -> Lone:
    """It has the right, and the operator stopped the group."""
    lone = owner()
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(500, lone.beat(epoch=4))
    assert lone.group.owner and lone.group.phase is Phase.IDLE
    return lone


def standby(weight: Weight = Weight.LIGHT, me: int = 1) -> Lone:
    """The peer runs it with epoch 4."""
    lone = Lone(weight, me=me)
    lone.run(2000, lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    assert not lone.group.owner and lone.group.phase is Phase.IDLE
    return lone


# -- epochs ------------------------------------------------------------------------------------------------------------


def test_a_claim_is_above_all_that_either_knew() -> None:
    lone = standby()
    lone.run(1500)
    assert lone.group.owner and lone.group.token.epoch == 5
    late = Lone(me=1, slow=True)
    late.step(late.beat(Stand.RELEASED, 9))  # it is not known yet what runs here
    late.run(1000)
    late.slow = False
    late.step(*(Done(e.op, Outcome.STOPPED) for e in late.out if isinstance(e, Run)))
    late.run(1000)
    assert late.group.owner and late.group.token.epoch == 10


def test_a_release_is_above_all_that_either_knew() -> None:
    lone = owner()
    lone.step(Lapsed("web", lone.now))
    lone.run(1000, lone.beat(epoch=7, two_way=False))
    assert lone.said().stand is Stand.RELEASED and lone.said().epoch == 8


def test_only_a_release_with_a_higher_epoch_is_taken() -> None:
    for epoch, taken in ((3, False), (4, False), (5, True)):
        lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 4),)), me=1)
        lone.run(100, lone.beat(Stand.RELEASED, epoch))
        assert lone.group.owner is taken, epoch


def test_a_release_that_may_be_older_than_a_deadtime_is_not_taken() -> None:
    """It waited in a queue or on a slow wire: its giver may have taken it back since."""
    for age_ms, taken in ((499, True), (500, False)):  # it echoes what was sent 1 ms before
        lone = standby()
        given = lone.beat(Stand.RELEASED, 5)
        lone.now += age_ms * MS
        lone.step(Stalled(given.at_ns, lone.now), given)
        assert lone.group.owner is taken, age_ms
        lone.run(20, lone.beat(Stand.RELEASED, 5))
        assert lone.group.owner, "the next beat says it again"


@pytest.mark.parametrize("bare", [False, True])
def test_what_was_just_released_is_neither_claimed_back_nor_asked_for(bare: bool) -> None:
    lone = owner(bare=bare)
    lone.run(1000)  # the peer is lost, and its machine answers no more
    lone.out.clear()
    while not [e for e in lone.out if isinstance(e, Probe)]:
        lone.run(20)
    lone.run(1640)  # so that the next answer comes just before the release, and is fresh
    lone.step(Lapsed("web", lone.now))
    while lone.group.owner:
        lone.run(20)
    released = lone.now
    lone.out.clear()
    while lone.now - released < 1960 * MS:  # a round a second of the peer, then D, a claim and two beats
        lone.run(20)
        assert lone.group.phase is Phase.IDLE, lone.group.row
    assert not [e for e in lone.out if isinstance(e, Probe)]
    lone.run(1000)
    assert lone.group.owner


def test_what_a_peer_that_lived_was_given_is_claimed_back_sooner() -> None:
    """It took it, or could not; and died. It had not called this node lost, so it finds a silent address at once."""
    for silent_ms, waits_ms in ((400, 900), (420, 2000)):  # the last beat came 80 ms before, and echoed one 1 ms older
        lone = owner()
        lone.run(silent_ms)
        lone.step(Abandoned((("web", 9),)))  # pulse gave it away: a release as any other
        assert not lone.group.owner
        assert lone.group.left_until_ns - lone.now == waits_ms * MS


def found(asked_ms: int | None = None) -> Lone:
    """A new daemon finds the group running; the ping node does not answer."""
    lone = Lone(
        stored=replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),)), status=Outcome.RUNNING, asked_ms=asked_ms
    )
    lone.control = False
    return lone


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


@pytest.mark.parametrize(("guard", "told", "phase"), [("", "found-shut", Phase.FOUND), ("EPERM", "lapsed", Phase.SHUT)])
def test_what_runs_after_a_restart_and_lost_its_lease_is_shut_where_nothing_gates_it(
    guard: str, told: str, phase: Phase
) -> None:
    lone = found()
    lone.step(Guarded(guard))
    lone.slow = True
    lone.step(Lapsed("web", lone.now))
    assert (lone.group.phase, lone.group.lapsed_ns > 0) == (phase, phase is Phase.SHUT)
    assert [code for code in lone.codes if code in ("found-shut", "lapsed", "lapsed-late")] == [told]


def test_a_lapse_before_it_is_known_what_runs_is_taken_up_then() -> None:
    lone = Lone(slow=True)
    lone.step(Lapsed("web", lone.now))
    assert lone.group.phase is Phase.PROBING and "lapsed" not in lone.codes
    lone.step(*(Done(e.op, Outcome.RUNNING, "", MS) for e in lone.out if isinstance(e, Run)))
    assert lone.group.phase is Phase.SHUT and lone.codes.count("lapsed") == 1


def test_a_lapse_of_the_lease_before_this_one_shuts_nothing() -> None:
    lone = owner()
    for before_ns in (1, 0):
        lone.step(Lapsed("web", lone.group.opened_ns - before_ns))
        assert (lone.group.phase is Phase.RUNNING) is (before_ns > 0)


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


def test_who_cannot_start_it_holds_nobody_back_with_its_questions() -> None:
    """The wire is cut, and an owner whose start failed asked for the address all the time: each question had the other,
    which could serve, drop its claim."""
    for failed, asked in ((False, 40), (True, 2)):
        lone = resting()
        lone.control = False  # so that it does not start
        lone.run(600)
        lone.engine.world.book.put("run", "web", "", now_s=1)
        lone.group.failed = failed
        lone.out.clear()
        lone.run(4000)
        assert lone.group.owner and lone.group.phase is Phase.IDLE
        assert asked - 10 <= len([e for e in lone.out if isinstance(e, Probe)]) <= asked, failed


def test_of_two_equal_rights_the_less_preferred_waits_for_the_others_word() -> None:
    mine = replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),))
    assert_owner = {0: True, 1: False}
    for me, owns in assert_owner.items():
        lone = Lone(stored=mine, me=me)
        lone.run(40, lone.beat(epoch=4))
        assert lone.group.owner is owns


# -- the disk ----------------------------------------------------------------------------------------------------------


def test_a_start_waits_for_the_disk_and_no_longer_than_200_ms() -> None:
    lone = Lone(me=1, slow=True)
    lone.step(*(Done(e.op, Outcome.STOPPED) for e in lone.out if isinstance(e, Run)))
    lone.run(100, lone.beat(Stand.RELEASED, 5))
    begun = [e for e in lone.out if isinstance(e, Run) and e.operation == "start"]
    assert lone.group.owner and not begun
    lone.run(200, lone.beat(epoch=5))
    assert [e.resource.name for e in lone.out if isinstance(e, Run) and e.operation == "start"] == [VIP]
    quick = Lone(me=1)
    quick.run(20, quick.beat(Stand.RELEASED, 5))
    assert [e.resource.name for e in quick.out if isinstance(e, Run) and e.operation == "start"] == [VIP, "httpd"]


# -- boot --------------------------------------------------------------------------------------------------------------


def test_a_machine_that_answered_must_be_silent_for_a_deadtime() -> None:
    """Three frames that get lost are no evidence, where others were answered."""
    lone = standby(Weight.HEAVY)
    lone.machine = True
    lone.run(1500)
    assert lone.group.row == "S7"
    lone.machine, silent = False, lone.now
    while lone.group.phase is not Phase.CLAIMING:
        lone.run(20)
    assert 300 * MS <= lone.now - silent <= 800 * MS  # the last answer was asked for up to two rounds before


def test_a_heavy_group_on_a_node_that_never_heard_the_other_waits_for_the_operator() -> None:
    lone = Lone(Weight.HEAVY, Stored())
    lone.run(20_000)
    assert lone.engine.world.peer.state(lone.now) is Peer.LOST
    assert lone.group.row == "S7" and not lone.group.owner


def test_what_runs_at_boot_is_found_and_said_to_be_held() -> None:
    lone = Lone(status=Outcome.RUNNING)
    assert lone.group.phase is Phase.FOUND and not lone.group.owner
    assert lone.said().stand is Stand.HOLDS


def test_what_may_run_at_boot_is_not_called_stopped() -> None:
    lone = Lone(status=Outcome.UNKNOWN)
    lone.run(300, lone.beat(Stand.RELEASED, 5))
    assert lone.group.phase is Phase.PROBING and lone.said().state is State.UNKNOWN and not lone.group.owner


def test_a_machine_that_was_not_asked_yet_is_unknown() -> None:
    lone = Lone()
    assert lone.engine.world.inputs(lone.group, lone.now).machine is None


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


def test_the_peers_machine_proves_the_network_from_when_it_was_asked() -> None:
    lone = owner()
    lone.machine = True
    lone.run(3000)
    lone.out.clear()
    while not (proofs := [e for e in lone.out if isinstance(e, Prove)]):
        lone.run(20)
    assert [lone.now - e.asked_ns for e in proofs] == [100 * MS]


# -- claims ------------------------------------------------------------------------------------------------------------


def claiming() -> Lone:
    lone = standby()
    while lone.group.phase is not Phase.CLAIMING:
        lone.run(20)
    return lone


def test_intent_is_said_for_two_beats() -> None:
    lone = claiming()
    begun = lone.now
    assert lone.said().stand is Stand.CLAIMS
    while not lone.group.owner:
        lone.run(20)
    assert lone.now - begun >= 200 * MS


def test_a_claim_waits_for_a_round_that_began_after_its_intent() -> None:
    lone = claiming()
    lone._probes.clear()  # this round is not over yet
    lone.run(300)
    assert lone.group.phase is Phase.CLAIMING


def test_who_is_heard_ends_a_claim() -> None:
    for stand in (Stand.HOLDS, Stand.CLAIMS, Stand.NONE):
        lone = claiming()
        lone.run(20, lone.beat(stand, 4, two_way=False))
        assert lone.group.phase is Phase.IDLE and "claim-dropped" in lone.codes


def test_of_two_who_ask_for_the_address_the_less_preferred_backs_off_a_deadtime() -> None:
    for me, waits in ((0, False), (1, True)):
        lone = standby(me=me)
        while lone.group.phase is not Phase.CLAIMING:
            lone.run(20)
        lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
        assert (lone.group.phase is not Phase.CLAIMING) is waits
        lone.run(480)
        assert lone.group.owner is not waits
        lone.run(500)
        assert lone.group.owner


def test_of_two_who_never_heard_each_other_the_less_preferred_backs_off_and_neither_takes_what_is_taken() -> None:
    for me, waits in ((0, False), (1, True)):
        lone = Lone(me=me, stored=Stored())
        while lone.group.phase is not Phase.CLAIMING:
            lone.run(20)
        lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
        assert (lone.group.phase is not Phase.CLAIMING) is waits
    while lone.group.phase is not Phase.CLAIMING:
        lone.run(20)
    begun = lone.group.claim_ns
    lone.run(100)
    lone.step(Seen("eth0", VIP, PEERS, "announce", lone.now))
    assert lone.group.claim_ns == begun + 100 * MS, "it asks again whether it is free"


def test_who_is_heard_but_does_not_hear_and_holds_nothing_leaves_the_group_to_the_other() -> None:
    for me, after_ms in ((0, 600), (1, 1100)):  # the less preferred one D later
        lone = Lone(me=me)
        lone.run(1000, lone.beat())
        begun = lone.now
        while not lone.group.owner and lone.now - begun < 5 * SECOND:
            lone.run(20, lone.beat(two_way=False))
        assert after_ms * MS <= lone.now - begun <= (after_ms + 400) * MS


def test_a_right_that_neither_can_use_stays_where_it_is() -> None:
    for theirs, stays in ((Verdict.NO, True), (Verdict.OK, False)):
        lone = standby()
        lone.control = False
        lone.run(1000, lone.beat(Stand.HOLDS, 4, two_way=False, state=State.STARTED))
        lone.step(replace(lone.beat(Stand.RELEASED, 5, control=Verdict.NO), echo_sent_ns=lone.now - 400 * MS))
        lone.run(3000, lone.beat(epoch=5, two_way=False, control=Verdict.NO))
        assert lone.group.owner and lone.group.phase is Phase.IDLE and lone.group.row == "O6"
        lone.run(3000, lone.beat(epoch=5, two_way=False, control=theirs))
        assert lone.group.owner is stays and ("token-passed" in lone.codes) is not stays


def test_who_may_not_claim_does_not_ask_for_the_address_like_a_rival() -> None:
    lone = standby()
    lone.control = False
    lone.run(1000)
    lone.out.clear()
    lone.run(2000)
    assert not [e for e in lone.out if isinstance(e, Probe)]
    lone.control = True
    lone.run(1500)
    assert lone.group.owner, "and asks again once its own network is proved"


def test_a_node_in_standby_claims_nothing() -> None:
    lone = standby()
    lone.engine.world.book.put("mode", "node2", "standby", now_s=0)
    lone.run(3000)
    assert lone.group.row == "S0" and not lone.group.owner, "nor does it ask: it could not use the answer"
    lone.engine.world.peer.fenced_incarnation = lone.engine.world.peer.incarnation
    lone.run(1000)
    assert lone.group.row == "F1" and not lone.group.owner


def test_what_was_found_again_is_held_by_no_right_of_before() -> None:
    lone = owner()
    lone.stop, lone.status = Outcome.FAILED, Outcome.RUNNING
    lone.engine.world.book.put("pin", "web", "node2", now_s=0)
    lone.run(14_000, lone.beat(epoch=4))
    lone.run(200)
    assert lone.group.phase is Phase.BLOCKED
    lone.engine.world.book.put("pin", "web", "", now_s=0)
    lone.engine.world.book.put("clear", "web", "cleared", now_s=0)
    lone.run(360)
    assert lone.group.phase.value == "claiming"
    (held,) = [e for e in lone.out if isinstance(e, Hold)][-1].held
    assert held.opened_ns == 0 and lone.group.opened_ns > 0


def test_nothing_is_claimed_while_it_still_stops() -> None:
    lone = owner()
    lone.slow = True
    lone.run(100, lone.beat(Stand.HOLDS, 6, state=State.STARTED))
    assert lone.group.phase is Phase.STOPPING and not lone.group.owner
    lone.run(3000)
    assert lone.group.phase is Phase.STOPPING and not lone.group.owner


def test_a_start_that_comes_too_late_is_given_up() -> None:
    lone = Lone(me=1)
    lone.slow = True
    lone.step(lone.beat(Stand.RELEASED, 5))
    lone.run(300, lone.beat(epoch=5))
    (start,) = [e for e in lone.out if isinstance(e, Run) and e.operation == "start"]
    assert start.not_after_ns - lone.now < 300 * MS
    lone.out.clear()
    lone.slow = False
    lone.step(Done(start.op, Outcome.LATE))
    lone.run(100, lone.beat(epoch=5))
    assert not [e for e in lone.out if isinstance(e, Run) and e.operation == "start"]
    assert lone.said().stand is Stand.RELEASED


# -- lapses ------------------------------------------------------------------------------------------------------------


def shut() -> Lone:
    lone = owner()
    lone.step(Lapsed("web", lone.now))
    assert lone.group.phase is Phase.SHUT
    return lone


def test_a_lapsed_owner_opens_again_only_where_the_peer_neither_holds_nor_claims() -> None:
    for stand, opens in ((Stand.HOLDS, False), (Stand.CLAIMS, False), (Stand.NONE, True)):
        lone = shut()
        lone.run(100, lone.beat(stand, 3))
        assert (lone.group.phase is not Phase.SHUT) is opens, stand


def test_a_beat_from_before_the_lapse_opens_nothing() -> None:
    lone = owner()
    lone.step(lone.beat(epoch=4))
    lone.step(Lapsed("web", lone.now))
    lone.run(200)
    assert lone.engine.world.peer.state(lone.now) is Peer.TWO_WAY and lone.group.phase is Phase.SHUT


def test_a_lapse_of_the_lease_before_this_one_is_no_news() -> None:
    lone = owner()
    lone.step(Lapsed("web", lone.group.opened_ns - 1))
    assert lone.group.phase is Phase.RUNNING


def test_after_a_deadtime_a_lapse_is_a_release_whoever_hears_it() -> None:
    lone = shut()
    lone.control = False
    lone.run(480)
    assert lone.group.owner
    lone.run(100)
    assert lone.said().stand is Stand.RELEASED and not lone.group.owner


# -- hand-overs --------------------------------------------------------------------------------------------------------


def test_a_planned_hand_over_to_a_peer_that_is_lost_meanwhile_is_none() -> None:
    lone = owner()
    lone.slow = True
    lone.engine.world.book.put("pin", "web", "node2", now_s=0)
    lone.step(lone.beat(epoch=4))
    lone.run(1000)
    assert lone.group.phase is Phase.STOPPING
    lone.slow = False
    for name in ("httpd", VIP):
        run = [e for e in lone.out if isinstance(e, Run) and e.operation == "stop"][-1]
        assert run.resource.name == name
        lone.step(Done(run.op, Outcome.OK))
    lone.run(100)
    assert lone.group.owner and lone.group.token.epoch == 4 and lone.group.phase.value == "running"


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
    lone.now = answered + 120 * MS
    lone.step(lone.beat(epoch=4, age_ms=20))
    assert "moving" in lone.codes and lone.said().stand is Stand.RELEASED


def test_what_pulse_gave_away_is_no_longer_mine() -> None:
    lone = owner()
    lone.step(Abandoned((("web", 9),)))
    assert not lone.group.owner and lone.group.token.epoch == 9 and "abandoned" in lone.codes
    lone.run(100, lone.beat(epoch=4))
    assert lone.group.phase is Phase.IDLE and lone.said().stand is Stand.RELEASED
    stopped = [e for e in lone.out if isinstance(e, Note) and e.code == "group-stopped"]
    assert dict(stopped[-1].args)["why"] == "abandoned"


def test_who_yields_takes_the_better_epoch_and_stops() -> None:
    lone = owner()
    lone.run(100, lone.beat(Stand.HOLDS, 6, state=State.STARTED))
    assert not lone.group.owner and lone.group.token.epoch == 6 and lone.group.phase is Phase.IDLE
    assert "yielded" in lone.codes


def test_the_one_who_keeps_it_announces_it_again() -> None:
    lone = owner()
    lone.run(100, lone.beat(Stand.HOLDS, 3, state=State.STARTED))
    assert "both-hold" in lone.codes
    lone.run(100, lone.beat(epoch=4))
    assert Announce("eth0", VIP) in lone.out


def test_only_light_groups_are_gated() -> None:
    for weight in Weight:
        held = [e for e in owner(weight).out if isinstance(e, Hold)][-1].held
        assert [one.gated for one in held] == [weight is Weight.LIGHT]


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


def test_a_stall_longer_than_a_beat_is_told_with_its_length_and_where() -> None:
    lone = owner()
    for ms in (50, 100, 101, 2500):
        lone.step(Stalled(lone.now - ms * MS, lone.now))
    told = [(note.about, dict(note.args)["ms"]) for note in lone.out if isinstance(note, Note) and note.code == "stalled"]
    assert told == [("node1", "101"), ("node1", "2500")]


def test_an_address_that_somebody_took_off_is_put_on_again_and_told() -> None:
    lone = owner()
    lone.step(AddressGone("192.168.100.77", lone.now))
    lone.step(AddressGone(VIP, lone.now - SECOND))
    assert [note.code for note in lone.out if isinstance(note, Note)].count("address-gone") == 1
    begun = [e.resource.name for e in lone.out if isinstance(e, Run) and e.operation == "start"]
    assert begun == [VIP, "httpd", VIP] and lone.group.phase is Phase.RUNNING
    shut = owner()
    shut.slow = True
    shut.step(Lapsed("web", shut.now))
    assert not shut.group.address_gone(VIP, shut.now) and not shut.group.address_gone("", shut.now)
    assert shut.group.phase is Phase.SHUT


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
    assert len(at) == 11 and lone.codes.count("stop-failed") == 11 and lone.codes.count("stop-blocked") == 1
    assert all(SECOND <= b - a <= SECOND + 40 * MS for a, b in pairwise(at))
    lone.run(5000, lone.beat(epoch=4))
    assert lone.codes.count("stop-blocked") == 1, "said once"


@pytest.mark.parametrize(("stopped", "ago", "passes"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_a_right_is_not_passed_on_twice_in_two_deadtimes(stopped: bool, ago: int, passes: bool) -> None:
    lone = resting() if stopped else owner()
    lone.group.passed_ns = lone.now - 2 * lone.engine.world.lease.deadtime_ns + ago
    classic._pass_on(lone.engine.world, lone.group, "isolated-handover", lone.now)
    assert lone.group.owner is not passes
    assert [dict(n.args) for n in lone.group.notes] == [
        {"group": "web", "to": "node2", "why": "isolated-handover"}
    ] * passes


def test_an_idle_owner_that_is_cut_off_from_its_control_passes_the_right_on() -> None:
    lone = resting()
    lone.control = False
    for _ in range(10):
        lone.run(100, lone.beat(epoch=4))
    assert not lone.group.owner
    assert "token-passed" in lone.codes and lone.said().stand is Stand.RELEASED


@pytest.mark.parametrize(("ago_ns", "stops"), [(classic.HEAVY_GRACE_NS - 1, False), (classic.HEAVY_GRACE_NS, True)])
def test_an_isolated_heavy_group_is_stopped_after_its_grace(ago_ns: int, stops: bool) -> None:
    lone = owner(Weight.HEAVY)
    world, group = lone.engine.world, lone.group
    group.isolated_ns = lone.now - ago_ns
    classic._isolated(world, group, world.inputs(group, lone.now), lone.now)
    assert (group.phase is Phase.STOPPING) is stops


def test_an_idle_owner_that_is_cut_off_keeps_the_right_while_the_other_is_in_standby() -> None:
    lone = resting()
    lone.control = False
    for _ in range(20):
        lone.run(100, lone.beat(epoch=4, mode=Mode.STANDBY))
    assert lone.group.row == "O3" and lone.group.owner


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
