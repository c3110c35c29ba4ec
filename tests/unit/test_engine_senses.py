"""What a node may conclude from what it hears, asks and sleeps through: the peer, the control, the address probe, each
alone (safety.md 1, 4 and 5).
"""

from __future__ import annotations

from dataclasses import replace

from hbcore.engine.beat import Beat, Frame, Mode, Verdict, Words
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.events import Heard, Probed, Sighting
from hbcore.engine.isolation import ALONE_NS, Control
from hbcore.engine.lease import lease_of
from hbcore.engine.peer import Path, PeerView
from hbcore.engine.probing import Probing
from hbcore.engine.table import Peer, Vip

LEASE = lease_of(Timing())
START = 1000 * SECOND
ONE, TWO = "192.168.100.100", "192.168.100.101"
PEERS, OWN, FOREIGN = (bytes((2, 0, 0, 0, 0, n)) for n in (1, 2, 3))


# -- the peer ----------------------------------------------------------------------------------------------------------


def view() -> PeerView:
    return PeerView("node2", Timing(), LEASE, START, {})


def heard(at_ns: int, *, incarnation: int = 5, words: Words = Words()) -> Heard:  # noqa: B008
    return Heard("eth0", at_ns, Beat(Frame(b"cluster!", 1, incarnation, 0, 1, 9), words), at_ns - MS)


def test_what_i_slept_through_is_not_the_peers_silence() -> None:
    peer = view()
    peer.hear(heard(START))
    peer.stalled(START + 100 * MS, START + 5 * SECOND)
    assert peer.state(START + 5400 * MS) is Peer.ONE_WAY
    assert peer.state(START + 5501 * MS) is Peer.LOST


def test_a_beat_that_waited_in_the_queue_does_not_undo_the_stall_it_waited_for() -> None:
    peer = view()
    peer.stalled(START + 100 * MS, START + 5 * SECOND)
    peer.hear(heard(START + 200 * MS))  # the socket took no more, and lost the newer ones
    assert peer.state(START + 5400 * MS) is Peer.ONE_WAY
    peer.hear(heard(START + 5450 * MS))
    assert peer.state(START + 5940 * MS) is not Peer.LOST
    assert peer.state(START + 5951 * MS) is Peer.LOST


def test_who_was_never_heard_is_lost_after_initdead_and_a_deadtime_after_an_own_stall() -> None:
    peer, initdead_ns = view(), Timing().initdead_ns
    assert peer.state(START + initdead_ns - 1) is Peer.NEVER and peer.lost_at_ns() == START + initdead_ns
    peer.stalled(START + initdead_ns - 200 * MS, START + initdead_ns - 100 * MS)
    assert peer.lost_at_ns() == START + initdead_ns - 100 * MS + LEASE.deadtime_ns


def test_one_short_stall_counts_whole_and_one_of_a_deadtime_is_not_short() -> None:
    peer = view()
    peer.hear(heard(START))
    peer.stalled(START + 100 * MS, START + 300 * MS)
    assert peer.lost_at_ns() == START + 300 * MS + LEASE.deadtime_ns
    for n in (1, 2):  # each awakes it anew
        to_ns = START + 300 * MS + n * 2 * LEASE.deadtime_ns
        peer.stalled(to_ns - LEASE.deadtime_ns, to_ns)
        assert peer.lost_at_ns() == to_ns + LEASE.deadtime_ns


def test_short_stalls_in_a_row_lengthen_by_one_deadtime_at_most() -> None:
    peer = view()
    peer.hear(heard(START))
    for n in range(1, 20):
        peer.stalled(START + n * 300 * MS, START + n * 300 * MS + 200 * MS)
    assert peer.lost_at_ns() <= START + 500 * MS + 2 * LEASE.deadtime_ns


def test_the_operators_word_holds_for_one_incarnation_until_it_is_heard() -> None:
    peer = view()
    peer.hear(heard(START))
    assert not peer.fenced
    peer.fenced_incarnation = peer.incarnation
    assert peer.fenced
    assert not peer.hear(heard(START + SECOND)) and not peer.fenced
    peer.fenced_incarnation = peer.incarnation
    assert peer.hear(heard(START + 2 * SECOND, incarnation=6)) and not peer.fenced
    peer.hear(heard(START + 3 * SECOND, incarnation=1))
    assert not peer.fenced


def test_a_link_shows_its_round_trip_and_the_beats_that_came_late() -> None:
    path = Path("eth0", "mcast")
    peer = PeerView("node2", Timing(), LEASE, START, {"eth0": path})
    frame = replace(heard(START).beat.frame, echo_age_us=3000)
    for at_ns in (START, START + 250 * MS, START + 500 * MS + 1, START + 600 * MS):
        came = heard(at_ns)
        peer.hear(replace(came, beat=replace(came.beat, frame=frame), echo_sent_ns=at_ns - 5 * MS))
        assert path.rtt_ns == 2 * MS
    assert list(path.late) == [START + 500 * MS + 1]
    peer.hear(heard(START + 700 * MS, words=Words(mode=Mode.BYE)))
    assert peer.left and peer.left_ns == START + 700 * MS
    old = replace(heard(START + 800 * MS), echo_sent_ns=START + 800 * MS - LEASE.lease_ns - 1)
    for came in (old, replace(old, echo_sent_ns=0)):
        peer.hear(came)
        assert (peer.two_way_ns, path.two_way_ns) == (START + 700 * MS, START + 700 * MS), "it hears me no more"
    assert not peer.left


def test_who_is_two_beats_late_is_late_and_two_way_counts_from_its_beginning() -> None:
    peer = view()
    assert peer.two_way_for_ns(START) == 0
    for n in (0, 1, 2):
        peer.hear(heard(START + n * 100 * MS))
    assert [peer.late(START + 400 * MS - 1), peer.late(START + 400 * MS)] == [False, True]
    assert peer.two_way_for_ns(START + 450 * MS) == 450 * MS
    assert peer.two_way_for_ns(START + 500 * MS) == 0, "it is one-way by now"
    peer.hear(heard(START + 510 * MS))
    assert peer.two_way_for_ns(START + 550 * MS) == 40 * MS


# -- the control -------------------------------------------------------------------------------------------------------


def test_control_is_ok_for_a_lease_from_when_it_was_asked() -> None:
    control = Control("gw", LEASE, 0)
    control.answered(START, START + 200 * MS)
    assert control.verdict(START + 300 * MS) is Verdict.OK
    assert control.verdict(START + 301 * MS) is Verdict.NO


def test_an_answer_is_late_after_one_and_a_half_beats_and_its_age_is_told_in_milliseconds() -> None:
    control = Control("gw", LEASE, START, START - 37 * MS)
    assert control.late_at_ns() == START - 37 * MS + 150 * MS
    assert [control.age_ms(START + ms * MS) for ms in (0, 63_000, 65_497, 65_498, 65_499)] == [
        37, 63_037, 65_534, 65_535, 65_535
    ]  # fmt: skip
    assert Control("gw", LEASE, START).age_ms(START) == 65_535, "it never answered"
    assert not Control("gw", LEASE, START).ok(START)


def test_control_is_steady_after_a_deadtime_without_a_break() -> None:
    control = Control("gw", LEASE, 0)
    for n in range(20):
        control.answered(START + n * 100 * MS, START + n * 100 * MS + MS)
        assert control.steady(START + n * 100 * MS + MS) is (n >= 5)
    control.broken(START + 1900 * MS)
    assert not control.steady(START + 1950 * MS), "a stall or a carrier change of mine"
    control.answered(START + 2500 * MS, START + 2501 * MS)
    assert not control.steady(START + 2600 * MS), "there was a gap"


def test_the_veto_is_suspended_after_a_deadtime_of_both_without_control_until_it_answers() -> None:
    control = Control("gw", LEASE, 0)
    control.answered(START, START + MS)
    for at, peers, suspended in ((400, Verdict.NO, False), (800, Verdict.NO, False), (900, Verdict.NO, True)):
        control.compare(START + at * MS, peers)
        assert (control.verdict(START + at * MS) is Verdict.SUSPENDED) is suspended
    control.answered(START + 100 * MS, START + 950 * MS)
    assert control.verdict(START + 960 * MS) is Verdict.SUSPENDED, "the late answer to an old question"
    control.answered(START + 980 * MS, START + 981 * MS)
    assert control.verdict(START + 990 * MS) is Verdict.OK
    assert control.verdict(START + 1400 * MS) is Verdict.NO, "it was not suspended for ever"


def test_an_answer_shows_how_long_it_took_and_a_gap_of_a_lease_is_a_break() -> None:
    control = Control("gw", LEASE, 0, steady_from_ns=START)
    control.answered(START + 10 * MS, START + 13 * MS)
    assert control.rtt_ns == 3 * MS
    for gap_ns, begins_ns in (
        (LEASE.lease_ns, START + 10 * MS),
        (LEASE.lease_ns + 1, START + 610 * MS + 1),
    ):
        sent_ns = control.asked_ns + gap_ns
        control.answered(sent_ns, sent_ns + MS)
        assert control.steady_from_ns == begins_ns


def test_who_alone_is_not_answered_for_longer_than_arp_takes_is_at_fault() -> None:
    control = Control("gw", LEASE, 0)
    control.answered(START, START + MS)
    for at in (400, 900):
        control.compare(START + at * MS, Verdict.NO)
    assert control.verdict(START + 900 * MS) is Verdict.SUSPENDED
    control.compare(START + SECOND, Verdict.OK)
    control.compare(START + SECOND + ALONE_NS - 1, Verdict.OK)
    assert control.verdict(START + SECOND + ALONE_NS) is Verdict.SUSPENDED
    control.compare(START + SECOND + ALONE_NS, Verdict.OK)
    assert control.verdict(START + SECOND + ALONE_NS) is Verdict.NO
    again = Control("gw", LEASE, 0, suspended=True)
    for second in range(1, 10):  # now the one, now the other
        again.compare(START + second * SECOND, Verdict.OK if second % 2 else Verdict.SUSPENDED)
    assert again.suspended
    again.answered(START + 10 * SECOND, START + 10 * SECOND)
    again.suspended = True  # as if both had lost it again
    again.compare(START + 10 * SECOND, Verdict.OK)
    again.compare(START + 10 * SECOND + ALONE_NS, Verdict.OK)
    assert again.suspended, "while it answered me, the peer was not alone"


def test_while_the_peer_reaches_it_nothing_is_suspended() -> None:
    for peers in (Verdict.OK, Verdict.NONE):
        control = Control("gw", LEASE, 0)
        control.answered(START, START + MS)
        control.compare(START + 400 * MS, Verdict.NO)
        control.compare(START + 800 * MS, peers)
        control.compare(START + 950 * MS, Verdict.NO)
        assert control.verdict(START + 950 * MS) is Verdict.NO


# -- the address probe -------------------------------------------------------------------------------------------------


def asked(
    probing: Probing, begun_ns: int, *answers: Sighting, learned: tuple[bytes, ...] = (PEERS,), lost: bool = True
) -> Vip:
    """A round; what it says of the address at its end. `lost`: the peer was LOST when it began."""
    event = Probed(1, begun_ns, begun_ns + 95 * MS, answers)
    probing.take(event, learned, (OWN,), veto=lost, expected=False)
    return probing.vip(begun_ns + 95 * MS)


def both() -> Probing:
    return Probing((ONE, TWO), LEASE.deadtime_ns)


def test_who_answers_for_an_address() -> None:
    assert asked(both(), START) is Vip.FREE
    assert asked(both(), START, Sighting(ONE, OWN, True)) is Vip.FREE, "my own answer"
    assert asked(both(), START, Sighting(ONE, PEERS, True)) is Vip.PEER
    assert asked(both(), START, Sighting(TWO, PEERS, True)) is Vip.PEER, "one answer vetoes all"
    assert asked(both(), START, Sighting(ONE, PEERS, False)) is Vip.FREE, "a switch's cache"
    assert asked(both(), START, Sighting(ONE, FOREIGN, True)) is Vip.FOREIGN
    assert asked(both(), START, Sighting(ONE, FOREIGN, False), learned=()) is Vip.PEER, "anybody may be the peer"
    assert both().vip(START) is Vip.UNKNOWN
    assert Probing((), LEASE.deadtime_ns).vip(START) is Vip.NONE


def test_a_round_of_long_ago_says_nothing() -> None:
    probing = both()
    assert asked(probing, START) is Vip.FREE
    assert probing.vip(START + 395 * MS) is Vip.FREE
    assert probing.vip(START + 396 * MS) is Vip.UNKNOWN


def test_after_a_veto_the_silence_counts_from_the_first_silent_round_to_the_nanosecond() -> None:
    for short_ns, still in ((1, Vip.PEER), (0, Vip.FREE)):
        probing = both()
        asked(probing, START, Sighting(ONE, PEERS, True))
        assert asked(probing, START + 100 * MS) is Vip.PEER
        last_ns = START + 100 * MS + LEASE.deadtime_ns - 95 * MS - short_ns
        assert asked(probing, last_ns) is still


def test_the_machine_is_known_by_its_base_address_and_its_mac() -> None:
    probing = both()
    probing.bases = ("192.168.100.2",)
    for ip, mac, learned, answers in (
        ("192.168.100.2", PEERS, (PEERS,), True), ("192.168.100.2", FOREIGN, (PEERS,), False),
        (ONE, PEERS, (PEERS,), False), ("192.168.100.2", FOREIGN, (), True), (ONE, FOREIGN, (), False),
    ):  # fmt: skip
        asked(probing, START, Sighting(ip, mac, True), learned=learned)
        assert probing.machine is answers, (ip, mac, learned)


def test_rounds_in_which_it_should_have_answered_are_counted_and_an_answer_is_kept() -> None:
    probing = both()
    for n, (expected, answers) in enumerate(
        [(True, False), (True, False), (False, False), (True, True), (True, False)]
    ):
        found = (Sighting(ONE, PEERS, True),) * answers
        probing.take(Probed(1, START + n, START + n + 1, found), (PEERS,), (OWN,), veto=False, expected=expected)
        assert probing.next_ns == START + n + 100 * MS
    assert probing.expected_rounds == 4 and probing.peer_ever_answered


def test_a_veto_that_holds_is_asked_about_once_a_second() -> None:
    probing = both()
    asked(probing, START, Sighting(ONE, PEERS, True))
    probing.slow_down(START + 95 * MS)
    assert probing.next_ns == START + SECOND
    asked(probing, START + SECOND)
    probing.slow_down(START + SECOND + 95 * MS)
    assert probing.next_ns == START + 1100 * MS, "silence is measured closely"
    other = both()
    asked(other, START, Sighting(ONE, PEERS, True), lost=False)
    other.slow_down(START + 95 * MS)
    assert other.next_ns == START + 100 * MS, "no veto, no pace"


def test_four_foreign_hosts_are_named_at_most() -> None:
    probing = both()
    macs = [bytes((2, 0, 0, 0, 9, n)) for n in range(6)]
    asked(probing, START, *(Sighting(ONE, mac, True) for mac in reversed(macs)))
    assert probing.foreign_macs == tuple(macs[:4])


def test_after_a_veto_the_address_must_be_silent_for_a_deadtime() -> None:
    probing = both()
    asked(probing, START, Sighting(ONE, PEERS, True))
    said = [asked(probing, START + n * 100 * MS) for n in range(1, 8)]
    assert said == [Vip.PEER] * 5 + [Vip.FREE] * 2
    asked(probing, START + 800 * MS, Sighting(ONE, PEERS, True))
    assert asked(probing, START + 900 * MS) is Vip.PEER, "each answer begins it anew"


def test_an_answer_from_before_the_loss_was_right_and_is_no_veto() -> None:
    probing = both()
    assert asked(probing, START, Sighting(ONE, PEERS, True), lost=False) is Vip.PEER
    assert asked(probing, START + 100 * MS) is Vip.FREE


def test_a_foreign_holder_is_asked_three_times_over_three_seconds() -> None:
    probing = both()
    said = [asked(probing, START + n * SECOND, Sighting(ONE, FOREIGN, True)) for n in range(4)]
    assert said == [Vip.FOREIGN] * 3 + [Vip.FREE]
    probing = both()
    said = [asked(probing, START + n * SECOND, Sighting(ONE, FOREIGN, True)) for n in (0, 1, 2)]
    first_ns = probing.foreign_from_ns
    assert [probing.conflict_ripe(first_ns + ns) for ns in (3 * SECOND - 1, 3 * SECOND)] == [False, True]
    probing = both()
    asked(probing, START, Sighting(ONE, FOREIGN, True))
    assert asked(probing, START + 3100 * MS, Sighting(ONE, FOREIGN, True)) is Vip.FOREIGN, "two rounds are not three"


def test_what_was_silent_before_a_stall_counts_for_nothing() -> None:
    probing = both()
    asked(probing, START)
    probing.forget()
    assert probing.vip(START + 100 * MS) is Vip.UNKNOWN


def test_a_stall_does_not_lift_a_veto() -> None:
    probing = both()
    assert asked(probing, START, Sighting(ONE, PEERS, True)) is Vip.PEER
    probing.forget()
    assert asked(probing, START + 10 * SECOND) is Vip.PEER, "the first silent round begins it"
    assert asked(probing, START + 10 * SECOND + 300 * MS) is Vip.PEER
    assert asked(probing, START + 10 * SECOND + 600 * MS) is Vip.FREE


def test_a_round_that_could_not_be_sent_is_made_again_soon() -> None:
    one = both()
    one.asked = 7
    one.failed(START)
    assert one.asked == 0 and 0 < one.next_ns - START <= SECOND
