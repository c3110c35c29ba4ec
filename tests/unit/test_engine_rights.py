"""One engine and what it is told: tokens, claims and hand-overs, each rule of safety.md 2 and 4 on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine import speech, tokens
from hbcore.engine.beat import Mode, Stand, State, Verdict
from hbcore.engine.classic import why_not
from hbcore.engine.config import MS, SECOND, Weight
from hbcore.engine.effects import (
    Announce,
    Hold,
    Probe,
    Run,
    Stored,
    StoredGroup,
)
from hbcore.engine.events import (
    Abandoned,
    Done,
    Lapsed,
    Namesake,
    Outcome,
    Persisted,
    Seen,
    Stalled,
)  # fmt: skip
from hbcore.engine.group import Phase
from hbcore.engine.table import Peer
from hbcore.engine.world import CARDS_KEPT
from tests.unit.duo import PING, VIP
from tests.unit.lone import KNOWN, MINE, PEERS, START, Lone, owner, resting, standby

FORMER = b"\2\0\0\0\0\x63"

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
    assert lone.group.licence == "stored"
    for n in range(14):  # a beat each 20 ms: until they span three keepalives
        lone.run(20, lone.beat(epoch=4))
        assert lone.group.owner is (n >= 13)


@pytest.mark.parametrize(
    ("stand", "me", "epoch", "again"),
    [
        (Stand.NONE, 0, 4, True), (Stand.NONE, 0, 3, False), (Stand.NONE, 1, 5, True), (Stand.RELEASED, 0, 5, False),
        (Stand.RELEASED, 1, 4, True), (Stand.RELEASED, 1, 3, False), (Stand.HOLDS, 1, 5, False),
        (Stand.CLAIMS, 1, 5, False),
    ],
)  # fmt: skip
def test_a_release_that_can_never_be_taken_is_made_again_by_one_of_the_two(
    stand: Stand, me: int, epoch: int, again: bool
) -> None:
    lone = Lone(me=me)
    lone.step(lone.beat(stand, epoch))
    lone.group.token.epoch = 4
    word = lone.engine.world.peer.word(lone.group.number)
    assert word is not None
    assert tokens._stale_release(lone.engine.world, lone.group, word) is again


def test_a_release_is_over_when_the_peer_holds_it_and_not_before() -> None:
    for stand, epoch, over in ((Stand.HOLDS, 5, True), (Stand.HOLDS, 4, False), (Stand.CLAIMS, 9, False)):
        lone = Lone(me=1)
        lone.group.released, lone.group.token.epoch = True, 5
        lone.step(lone.beat(stand, epoch, state=State.STARTED))
        assert lone.group.released is not over, (stand, epoch)


def test_nothing_is_released_again_before_it_is_known_to_be_stopped_and_written() -> None:
    lone = Lone(me=1)
    lone.group.released, lone.group.token.epoch = True, 4
    lone.group.members[0].op = 99  # the host is still at work on it
    lone.step(lone.beat(epoch=9))
    assert lone.group.token.epoch == 4
    lone = Lone(me=1)
    lone.slow = True
    lone.step(lone.beat())
    assert lone.group.released and lone.group.release_barrier
    epoch = lone.group.token.epoch
    lone.step(lone.beat(epoch=9))
    assert lone.group.token.epoch == epoch, "the first of them is not said yet"
    lone.step(Persisted(lone.group.release_barrier), lone.beat(epoch=9))
    assert lone.group.token.epoch == 10


@pytest.mark.parametrize("wanted", [True, False])
def test_who_claims_what_turns_out_to_be_its_own_just_starts_it(wanted: bool) -> None:
    lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),)))
    lone.claims()
    lone.engine.world.book.put("run", "web", "" if wanted else "stopped", now_s=0)
    lone.step(lone.beat(epoch=3))
    assert lone.group.owner and lone.group.token.epoch == 4
    assert bool(lone.ran("start")) is wanted and lone.group.since_ns == lone.now
    assert not standby().group.token.confirmed


@pytest.mark.parametrize("me", [0, 1])
def test_of_two_who_have_nothing_the_one_away_from_home_makes_the_first_release(me: int) -> None:
    lone = Lone(me=me)
    lone.run(100, lone.beat())
    assert lone.group.released is (me == 1) and not lone.group.token.confirmed


def test_a_lease_is_held_from_when_its_right_was_given_and_by_what_proves_it() -> None:
    lone = owner()
    world, group = lone.engine.world, lone.group
    (held,) = speech.held(world)
    assert (held.control, held.alone, held.opened_ns) == (PING, False, group.opened_ns) and group.opened_ns > START
    world.controls[PING].suspended = True
    assert speech.held(world)[0].alone
    world.controls[PING].suspended = False
    group.settled = True
    assert speech.held(world)[0].alone
    group.settled, world.peer.left = False, True
    assert speech.held(world)[0].alone
    assert speech.held(Lone(status=Outcome.RUNNING).engine.world)[0].opened_ns == 0, "found: it is only kept"


def test_who_leaves_gives_away_also_what_it_never_knew() -> None:
    for known in (True, False):
        lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 4),)))
        given = lone.beat(Stand.NONE, 4, mode=Mode.BYE)
        if not known:
            given = replace(given, beat=replace(given.beat, words=replace(given.beat.words, groups=())))
        lone.step(given)
        assert (lone.group.owner, lone.group.token.epoch, lone.group.licence) == (True, 5, "bye")
    lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 4),)))
    lone.run(100, lone.beat(Stand.RELEASED, 9))
    assert (lone.group.owner, lone.group.token.epoch, lone.group.licence) == (True, 9, "release")


@pytest.mark.parametrize(("epoch", "yields"), [(3, False), (4, True), (5, True)])
def test_what_was_found_running_yields_to_who_holds_it_by_no_older_right(epoch: int, yields: bool) -> None:
    mine = replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),))
    lone = Lone(stored=mine, status=Outcome.RUNNING)
    lone.slow = True
    lone.step(lone.beat(Stand.HOLDS, epoch, state=State.STARTED))
    assert (lone.codes.count("yielded"), lone.group.phase is Phase.STOPPING) == (yields, yields)
    if yields:
        assert (lone.group.why[0], lone.group.token.epoch, lone.group.token.mine) == ("yielded", epoch, False)


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
    lone.claims()
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


# -- claims ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("me", "failbacks", "before", "manual"), [
    (0, 3, False, True), (1, 3, False, True), (1, 2, False, False), (1, 0, True, True),
])  # fmt: skip
def test_a_claim_away_from_home_is_unplanned_and_the_fourth_in_ten_minutes_waits_for_a_person(
    me: int, failbacks: int, before: bool, manual: bool
) -> None:
    lone = standby(me=me)
    lone.group.failbacks, lone.group.manual = (lone.engine.world.unix_s(lone.now),) * failbacks, before
    lone.run(2000)
    assert lone.group.owner and (lone.group.unplanned, lone.group.manual) == (me == 1, manual)


def test_a_group_without_an_address_is_claimed_without_an_answer_to_wait_for() -> None:
    lone = Lone(me=1, bare=True)
    lone.run(2000, lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    lone.claims()
    lone._probes.clear()
    lone.run(220)
    assert lone.group.owner


def test_a_claim_takes_back_the_pin_to_who_is_gone() -> None:
    lone = standby()
    lone.engine.world.book.put("pin", "web", "node1", now_s=0)
    lone.run(1500)
    rule = lone.engine.world.book.get("pin", "web")
    assert lone.group.owner and rule is not None and (rule.value, rule.by) == ("", "node2")


def test_intent_is_said_for_two_beats() -> None:
    lone = standby().claims()
    begun = lone.now
    assert lone.said().stand is Stand.CLAIMS
    while not lone.group.owner:
        lone.run(20)
    assert lone.now - begun >= 200 * MS


def test_a_claim_waits_for_a_round_that_began_after_its_intent() -> None:
    lone = standby().claims()
    lone._probes.clear()  # this round is not over yet
    lone.run(300)
    assert lone.group.phase is Phase.CLAIMING


def test_who_is_heard_ends_a_claim() -> None:
    for stand in (Stand.HOLDS, Stand.CLAIMS, Stand.NONE):
        lone = standby().claims()
        lone.run(20, lone.beat(stand, 4, two_way=False))
        assert lone.group.phase is Phase.IDLE and "claim-dropped" in lone.codes


def test_of_two_who_ask_for_the_address_the_less_preferred_backs_off_a_deadtime() -> None:
    for me, waits in ((0, False), (1, True)):
        lone = standby(me=me)
        lone.claims()
        lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
        assert (lone.group.phase is not Phase.CLAIMING) is waits
        lone.run(480)
        assert lone.group.owner is not waits
        lone.run(500)
        assert lone.group.owner


def test_of_two_who_never_heard_each_other_the_less_preferred_backs_off_and_neither_takes_what_is_taken() -> None:
    for me, waits in ((0, False), (1, True)):
        lone = Lone(me=me, stored=Stored())
        lone.claims()
        lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
        assert (lone.group.phase is not Phase.CLAIMING) is waits
    lone.claims()
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
    assert why_not(lone.engine.world, lone.group, lone.now) == "stopping"


def test_a_start_that_comes_too_late_is_given_up() -> None:
    lone = Lone(me=1)
    lone.slow = True
    lone.step(lone.beat(Stand.RELEASED, 5))
    lone.run(300, lone.beat(epoch=5))
    (start,) = [e for e in lone.out if isinstance(e, Run) and e.operation == "start"]
    assert lone.now - 300 * MS < start.not_after_ns < lone.now + 300 * MS
    lone.out.clear()
    lone.slow = False
    lone.step(Done(start.op, Outcome.LATE))
    lone.run(100, lone.beat(epoch=5))
    assert not [e for e in lone.out if isinstance(e, Run) and e.operation == "start"]
    assert lone.said().stand is Stand.RELEASED and lone.group.why == ("start-too-late", (("resource", VIP),))


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


# -- two machines of one name ------------------------------------------------------------------------------------------


def test_a_card_that_was_mine_and_answers_now_is_in_the_machine_i_am_a_copy_of() -> None:
    """It hears nobody, and knows by its stored state, which is the other one's, how the other node's card is called."""
    copy = Lone(stored=replace(KNOWN, own_macs=(FORMER,)))
    copy.vip, copy.holder = True, FORMER
    copy.run(20_000)
    assert not copy.group.owner and why_not(copy.engine.world, copy.group, copy.now) == "vip-answers"
    assert copy.group.probing.answered_macs == (FORMER,)
    copy.step(Seen("eth0", VIP, FORMER, "announce", copy.now))
    stranger = Lone(stored=KNOWN)
    stranger.vip, stranger.holder = True, FORMER
    assert stranger.claims().group.probing.foreign_macs == (FORMER,)


def test_its_own_cards_are_remembered_the_newest_first_and_not_for_ever() -> None:
    older = tuple(bytes([2, 0, 0, 0, 1, n]) for n in range(CARDS_KEPT))
    assert Lone(stored=replace(KNOWN, own_macs=older)).engine.world.stored().own_macs == (MINE, *older[:-1])
    assert Lone(stored=replace(KNOWN, own_macs=(FORMER, MINE))).engine.world.stored().own_macs == (MINE, FORMER)


def test_while_another_machine_of_this_name_takes_part_nothing_is_begun() -> None:
    lone = standby()
    for _ in range(20):
        lone.step(Namesake(lone.now, refused=False))
        lone.run(100)
    assert lone.group.phase is Phase.IDLE and not lone.ran("start")
    assert why_not(lone.engine.world, lone.group, lone.now) == "namesake"
    lone.run(1000)
    assert lone.group.owner and lone.ran("start"), "it is gone"


def test_what_runs_goes_on_beside_another_machine_of_this_name() -> None:
    lone = owner()
    for _ in range(20):
        lone.step(Namesake(lone.now, refused=False))
        lone.run(100, lone.beat(epoch=4))
    assert lone.group.phase is Phase.RUNNING and not lone.ran("stop")


def test_one_that_came_later_begins_nothing_ever() -> None:
    lone = Lone(stored=replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),)))
    lone.step(Namesake(lone.now, refused=True))
    lone.run(60_000)
    lone.run(2000, lone.beat(Stand.RELEASED, 9))
    assert not lone.ran("start") and lone.engine.world.mode(lone.now) is Mode.REFUSED
