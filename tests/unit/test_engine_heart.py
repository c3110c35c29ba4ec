"""Pulse's core: order, nonce, replay, restarts, leases and vouching, each on its own."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from hbcore.engine.beat import Beat, Frame, GroupWord, Mode, Service, Stand, Words
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.effects import Held, Hold, Prove, Say
from hbcore.engine.events import Abandoned, Answered, Heard, Lapsed, Listened, Namesake, Stalled
from hbcore.engine.heart import LISTEN_BEATS, LIVES_KEPT, SENT_KEPT, Class, Heart
from hbcore.engine.lease import GONE_NS, HUNG_NS, Evidence, lease_of, renewed_until
from hbcore.engine.leases import Answer
from hbcore.engine.pulse_effects import AskPing, PulseEffect, Renew, Send, TakeOff, Tell
from hbcore.host import pipe

ID = b"cluster!"
NONCE, PEERS = 1111, 2222
START = 1000 * SECOND
HELD = Held("web", 7, "gw", alone=False, light=True)
WORDS = Words(Mode.ONLINE, groups=(GroupWord(7, Stand.HOLDS, 5, ready=True),))


def born(now: int = START, *, resumed: bool = False, guard: str = "none") -> Heart:
    return Heart(
        me=0, cluster=ID, incarnation=10, generation=0, nonce=NONCE, timing=Timing(), pings=("gw",), now_ns=now,
        resumed=resumed, guard=guard,
    )  # fmt: skip


def heart(now: int = START, words: Words = WORDS) -> Heart:
    """One that has listened long enough to speak now."""
    one = born(now)
    for at in (now - LISTEN_BEATS * 100 * MS, now):
        one.daemon_came(at)
        one.obey(at, Say(words))
    return one


def beat(seq: int, *, key: tuple[int, int] = (50, 0), your: int = NONCE, echo: int = 0, words: Words = WORDS) -> Beat:
    return Beat(Frame(ID, 1, *key, seq, PEERS, your, echo), words)


def run(one: Heart, now: int, until: int, *, step: int = 10 * MS) -> list[tuple[int, PulseEffect]]:
    """Call timer() as the loop would."""
    out = []
    while now < until:
        now = min(max(one.next_deadline(now), now + MS), until, now + step)
        out += [(now, effect) for effect in one.timer(now)]
    return out


def test_a_beat_that_does_not_echo_my_nonce_changes_nothing_but_whom_i_echo() -> None:
    one = heart()
    assert one.hear("eth0", START, beat(1, your=0)) == (Class.UNPROVEN, None)
    assert one.heard_ns == 0
    assert {e.beat.frame.your_nonce for _, e in run(one, START, START + 100 * MS) if isinstance(e, Send)} == {PEERS}
    assert one.hear("eth0", START, beat(2))[0] is Class.ACCEPTED


def test_order_copies_and_repeats() -> None:
    one = heart()
    assert one.hear("eth0", START, beat(5))[0] is Class.ACCEPTED
    assert one.hear("eth1", START, beat(5))[0] is Class.REPEAT
    assert one.hear("eth0", START, beat(5))[0] is Class.REPLAYED
    assert one.hear("eth1", START, beat(4))[0] is Class.REPLAYED
    assert one.hear("eth0", START, beat(4))[0] is Class.REPLAYED
    assert one.hear("eth0", START, replace(beat(9), frame=replace(beat(9).frame, node=0)))[0] is Class.OWN
    assert one.hear("eth0", START, beat(100))[0] is Class.ACCEPTED
    assert one.hear("eth1", START, beat(89))[0] is Class.REPLAYED, "another link may lag by two deadtimes, not more"
    assert one.hear("eth1", START, beat(90))[0] is Class.REPEAT


MINE, THEIRS = Service(b"\2\0\0\0\0\1", "10.0.0.1"), Service(b"\2\0\0\0\0\2", "10.0.0.2")


@pytest.mark.parametrize(
    ("known", "nonce", "said", "kind"),
    [
        ((MINE,), 3, (THEIRS,), Class.NAMESAKE),
        ((MINE,), 3, (MINE, THEIRS), Class.NAMESAKE),
        ((MINE,), 3, (MINE,), Class.OWN),  # a recording of an older life of mine
        ((MINE,), 3, (), Class.OWN),  # it has not said yet
        ((MINE,), NONCE, (THEIRS,), Class.OWN),  # a card that I had a moment ago
        ((), 3, (THEIRS,), Class.OWN),  # I do not know my own yet
    ],
)
def test_another_machine_of_my_name_is_told_from_me_by_its_card(
    known: tuple[Service, ...], nonce: int, said: tuple[Service, ...], kind: Class
) -> None:
    for incarnation in (9, 10, 11):
        one = heart()
        one.obey(START, Say(replace(WORDS, services=known)))
        other = Beat(Frame(ID, 0, incarnation, 0, 9, nonce, NONCE), replace(WORDS, services=said))
        assert one.hear("eth0", START, other)[0] is kind
        assert one.heard_ns == 0, "it is nobody's life"


def of_my_name(seq: int = 9, mode: Mode = Mode.ONLINE) -> Beat:
    return Beat(Frame(ID, 0, 3, 0, seq, 3, PEERS), Words(mode, services=(THEIRS,)))


def sent(out: list[tuple[int, PulseEffect]]) -> list[tuple[int, Beat]]:
    return [(at, effect.beat) for at, effect in out if isinstance(effect, Send)]


KNOWN = replace(WORDS, services=(MINE,))


def test_a_machine_that_booted_listens_before_it_speaks() -> None:
    one = born()
    one.daemon_came(START)
    assert one.obey(START, Say(WORDS, urgent=True)) == one.say_bye(START) == []
    assert sent(run(one, START, START + 150 * MS)) == []
    assert one.obey(START + 150 * MS, Say(KNOWN)) == [], "it knows its cards only now"
    beats = sent(run(one, START + 150 * MS, START + 500 * MS))
    assert [at for at, _ in beats] == [START + ms * MS for ms in (350, 450)]
    again = born(resumed=True)
    again.daemon_came(START)
    assert again.obey(START, Say(KNOWN, urgent=True)), "the machine spoke all the time"


@pytest.mark.parametrize("after_ms", [50, 250, 30_000])  # listening; it spoke a moment ago; its network comes up late
def test_the_newcomer_of_two_machines_of_one_name_refuses_for_good(after_ms: int) -> None:
    one = born(guard="")
    one.daemon_came(START)
    one.obey(START, Say(KNOWN))
    run(one, START, START + after_ms * MS)
    at = START + after_ms * MS
    if after_ms == 250:
        one.hear("eth0", at, beat(1))  # the peer heard it already, only just
    kind, tell = one.hear("eth0", at, of_my_name())
    assert (kind, tell, one.refused) == (Class.NAMESAKE, Tell(Namesake(at, refused=True)), True)
    assert one.namesake == (at, (THEIRS.mac,))
    assert one.hear("eth0", at, beat(5)) == (Class.UNPROVEN, None)
    one.obey(at, Hold((replace(HELD, gated=True),)))
    one.answered(Answered("gw", at, at))
    out = run(one, at, at + 10 * SECOND)
    beats = sent(out)
    assert 4 <= len(beats) <= 6, "seldom, and only so that the other one can tell"
    for _, said in (*beats, *sent([(at, effect) for effect in one.say_bye(at)])):
        assert (said.frame.your_nonce, said.frame.echo_seq) == (0, 0), "it proves nothing to the peer"
        assert (said.words.mode, said.words.groups, said.words.services) == (Mode.REFUSED, (), (MINE,))
    assert not [effect for _, effect in out if isinstance(effect, Renew)]
    heir = born(at)
    heir.inherit(one.leave(), at)
    assert not heir.refused and heir.obey(at, Say(KNOWN, urgent=True)) == [], "it listens for its name again"
    if after_ms == 50:
        assert [when for when, _ in sent(run(heir, at, at + 250 * MS))] == [at + 200 * MS]
    else:
        heir.hear("eth0", at, of_my_name())
        assert heir.refused


@pytest.mark.parametrize(("holds", "since_ms"), [(True, 10), (False, 500)])
def test_one_that_takes_part_goes_on_and_tells(holds: bool, since_ms: int) -> None:
    """It holds a group, or the peer heard it for a deadtime."""
    one = heart(words=KNOWN)
    if holds:
        one.obey(START, Hold((HELD,)))
    else:
        one.hear("eth0", START, beat(1))
    at = START + since_ms * MS
    run(one, START, at)
    heir = born(at)
    heir.daemon_came(at)
    heir.inherit(one.leave(), at)
    heir.obey(at, Say(KNOWN))
    for each in (one, heir):
        assert each.hear("eth0", at, of_my_name()) == (Class.NAMESAKE, Tell(Namesake(at, refused=False)))
        assert each.hear("eth0", at + 99 * MS, of_my_name()) == (Class.NAMESAKE, None), "a flood is no more than one"
        assert sent(run(each, at, at + SECOND))[-1][1].words.mode is Mode.ONLINE


def test_one_that_refuses_does_not_drive_out_the_one_that_restarts() -> None:
    one = born()
    one.daemon_came(START)
    one.obey(START, Say(KNOWN))
    assert one.hear("eth0", START, of_my_name(mode=Mode.REFUSED)) == (Class.NAMESAKE, None)
    assert not one.refused and one.namesake == (START, (THEIRS.mac,)), "but it is told of"


def test_what_the_daemon_is_told_of_a_beat() -> None:
    one = heart()
    one.timer(START)
    for link, echo, echoed_ns, repeat in (("eth0", 1, START, False), ("eth1", 1, START, True), ("eth0", 99, 0, False)):
        told = one.hear(link, START + MS, beat(5 + (echo > 1), echo=echo))[1]
        assert told is not None and isinstance(told.event, Heard)
        assert (told.event.link, told.event.echo_sent_ns, told.event.repeat) == (link, echoed_ns, repeat)


def test_a_beat_that_comes_again_by_another_link_does_not_undo_a_farewell() -> None:
    """Only the peer's absence makes a neighbour proof enough."""
    for words in (WORDS, replace(WORDS, mode=Mode.BYE)):
        one = heart()
        one.obey(START, Hold((HELD,)))
        one.hear("eth0", START, beat(5, words=words))
        one.hear("eth1", START, beat(5, words=WORDS))
        one.obey(START, Prove("web", "neighbour", START + 200 * MS))
        out = run(one, START, START + 400 * MS)
        lapsed = [e for _, e in out if isinstance(e, Tell) and isinstance(e.event, Lapsed)]
        assert bool(lapsed) is (words is WORDS)


def test_the_last_lives_and_the_last_own_beats_are_remembered_and_no_more() -> None:
    one = heart()
    for n in range(LIVES_KEPT):
        at = START - (LIVES_KEPT - n) * 200 * MS
        assert one.hear("eth0", at, beat(1, key=(50 + n, 0)))[0] is Class.ACCEPTED
    assert one.hear("eth0", START + SECOND, beat(2, key=(50, 0)))[0] is Class.REPLAYED, "the oldest of them"
    assert one.hear("eth0", START + SECOND, beat(1, key=(50 + LIVES_KEPT, 0)))[0] is Class.ACCEPTED
    assert one.hear("eth0", START + 2 * SECOND, beat(2, key=(50, 0)))[0] is Class.ACCEPTED, "it was forgotten"
    assert len(one._lives) == LIVES_KEPT
    for n in range(SENT_KEPT + 1):
        one.say_bye(START + n * MS)
    ages = [one.hear("eth0", START + 3 * SECOND, beat(n, key=(50, 0), echo=n - 3))[1] for n in (4, 5, SENT_KEPT + 4)]
    sent = [tell.event.echo_sent_ns for tell in ages if tell is not None and isinstance(tell.event, Heard)]
    assert sent == [0, START + MS, START + SENT_KEPT * MS]


def test_what_the_next_beat_says_of_the_peers_beat_and_of_the_daemon() -> None:
    one = heart(START - MS)
    one.obey(START, Say(WORDS))
    one.hear("eth0", START, beat(5))
    for after_ns, age_us, engine_ms in ((37 * MS, 37_000, 37), (4999 * SECOND, 2**32 - 1, 65535), (-MS, 0, 0)):
        (sent,) = one.say_bye(START + after_ns)
        assert isinstance(sent, Send)
        frame = sent.beat.frame
        assert (frame.your_nonce, frame.echo_seq, frame.echo_age_us) == (PEERS, 5, age_us)
        assert sent.beat.words.engine_age_ms == engine_ms


def test_who_wants_to_prove_itself_is_echoed_with_what_was_heard_of_it() -> None:
    one = heart()
    one.hear("eth0", START, beat(7, your=0))
    (sent,) = one.say_bye(START + 20 * MS)
    assert isinstance(sent, Send)
    frame = sent.beat.frame
    assert (frame.your_nonce, frame.echo_seq, frame.echo_age_us) == (PEERS, 7, 20_000)


def test_a_peer_that_is_late_is_echoed_beside_a_stranger() -> None:
    """It may hear this node all the time, and live by that."""
    one = heart()
    one.hear("eth0", START, beat(5))
    one.hear("eth0", START + 200 * MS, Beat(Frame(ID, 1, 51, 0, 1, 3333, 0), WORDS))
    sent = [e.beat.frame.your_nonce for _ in range(4) for e in one.say_bye(START + 200 * MS) if isinstance(e, Send)]
    assert sorted(sent) == [PEERS, PEERS, 3333, 3333]


def test_a_life_that_ended_is_not_echoed_again() -> None:
    one = heart()
    one.hear("eth0", START, beat(5, key=(50, 0)))
    one.hear("eth0", START + 200 * MS, Beat(Frame(ID, 1, 51, 0, 1, 3333, NONCE), WORDS))
    one.hear("eth0", START + SECOND, beat(6, key=(50, 0), your=0))
    sent = [e.beat.frame.your_nonce for n in range(4) for e in one.say_bye(START + SECOND) if isinstance(e, Send)]
    assert sent == [3333] * 4


def test_a_restart_of_the_peer_is_taken_soon_and_its_old_life_never_again() -> None:
    one = heart()
    assert one.hear("eth0", START, beat(500, key=(50, 0)))[0] is Class.ACCEPTED
    assert one.hear("eth0", START + 200 * MS, beat(1, key=(51, 0)))[0] is Class.ACCEPTED
    assert one.hear("eth0", START + 5 * SECOND, beat(501, key=(50, 0)))[0] is Class.REPLAYED
    assert one.hear("eth0", START + 5 * SECOND, beat(1, key=(51, 1)))[0] is Class.ACCEPTED
    assert one.hear("eth0", START + 5 * SECOND, beat(2, key=(51, 0)))[0] is Class.REPLAYED


def test_a_copy_of_a_peer_that_lives_is_neither_followed_nor_echoed() -> None:
    one = heart()
    for ms in range(0, 1000, 100):
        assert one.hear("eth0", START + ms * MS, beat(500 + ms, key=(50, 0)))[0] is Class.ACCEPTED
        at = START + (ms + 99) * MS
        copy = Beat(Frame(ID, 1, 51, 0, 1 + ms, 3333, NONCE), replace(WORDS, services=(THEIRS,)))
        assert one.hear("eth0", at, replace(copy, frame=replace(copy.frame, your_nonce=0)))[0] is Class.UNPROVEN
        assert {e.beat.frame.your_nonce for e in one.say_bye(at) + one.say_bye(at) if isinstance(e, Send)} == {PEERS}
        assert one.hear("eth0", at, copy)[0] is Class.REPLAYED
        assert one.beside == (at, (THEIRS.mac,))


def test_a_reinstalled_peer_with_a_lower_incarnation_waits_until_the_old_one_is_silent() -> None:
    one = heart()
    assert one.hear("eth0", START, beat(500, key=(50, 0)))[0] is Class.ACCEPTED
    assert one.hear("eth0", START + 500 * MS - 1, beat(1, key=(3, 0)))[0] is Class.REPLAYED
    assert one.hear("eth0", START + 500 * MS, beat(2, key=(3, 0)))[0] is Class.ACCEPTED


def test_two_lives_of_one_second_are_told_apart_and_the_second_waits_likewise() -> None:
    one = heart()
    assert one.hear("eth0", START, beat(500))[0] is Class.ACCEPTED
    twin = Beat(Frame(ID, 1, 50, 0, 1, PEERS + 1, NONCE), WORDS)
    assert one.hear("eth0", START + 100 * MS, twin)[0] is Class.REPLAYED
    assert one.hear("eth0", START + 500 * MS, twin)[0] is Class.ACCEPTED


def test_everything_recorded_before_my_restart_is_void_after_it() -> None:
    before = heart()
    recorded = [beat(n, echo=n) for n in range(1, 50)]
    assert all(before.hear("eth0", START, b)[0] is Class.ACCEPTED for b in recorded)
    after = Heart(
        me=0, cluster=ID, incarnation=11, generation=0, nonce=NONCE + 1, timing=Timing(), pings=(), now_ns=START
    )
    assert {after.hear("eth0", START, b)[0] for b in recorded} == {Class.UNPROVEN}
    assert after.heard_ns == 0


def test_a_replay_cannot_make_me_echo_another_nonce_while_the_peer_speaks() -> None:
    one = heart()
    one.hear("eth0", START, beat(5))
    old = Beat(Frame(ID, 1, 40, 0, 900, 9999, 1), WORDS)
    assert one.hear("eth0", START + 50 * MS, old)[0] is Class.UNPROVEN
    sent = [e.beat for _, e in run(one, START + 50 * MS, START + 150 * MS) if isinstance(e, Send)]
    assert {b.frame.your_nonce for b in sent} == {PEERS}


def test_beats_come_once_a_keepalive_and_pings_too() -> None:
    one = heart()
    out = [e for _, e in run(one, START, START + SECOND)]
    for _ in range(8):  # the daemon lives
        one.obey(START + SECOND, Say(WORDS))
    assert 9 <= sum(isinstance(e, Send) for e in out) <= 11
    assert 9 <= sum(isinstance(e, AskPing) for e in out) <= 11
    seqs = [e.beat.frame.seq for e in out if isinstance(e, Send)]
    assert seqs == sorted(set(seqs))


def test_what_was_missed_is_not_made_up_for() -> None:
    one = heart()
    assert [type(e) for e in one.timer(START)] == [Send, AskPing]
    assert one.next_deadline(START) == START + 100 * MS
    assert [type(e) for e in one.timer(START + 180 * MS)] == [Send, Tell, AskPing]
    assert one.next_deadline(START + 180 * MS) == START + 230 * MS
    assert [type(e) for e in one.timer(START + 230 * MS)] == [Send, Tell, AskPing]
    assert one.next_deadline(START + 230 * MS) == START + 330 * MS


def test_a_gateway_that_is_found_later_is_asked_from_then_on() -> None:
    one = heart()
    one.watch(("10.0.0.1", "gw"), START + 50 * MS)
    asked = [e.ping for _, e in run(one, START, START + 60 * MS) if isinstance(e, AskPing)]
    assert sorted(asked) == ["10.0.0.1", "gw"]


def test_where_nobody_speaks_it_says_that_it_listens() -> None:
    """Once a keepalive; while anything is told anyway, that says so, too."""
    one = heart()
    out = run(one, START, START + SECOND)
    assert 9 <= sum(isinstance(e, Tell) and isinstance(e.event, Listened) for _, e in out) <= 10
    for n in range(10, 20):
        now = START + n * 100 * MS
        one.answered(Answered("gw", now, now + MS))
        assert not [e for _, e in run(one, now + MS, now + 100 * MS) if isinstance(e, Tell)]


def test_the_lease_ends_l_after_the_last_proof_and_is_final() -> None:
    one = heart()
    one.obey(START, Hold((HELD,)))
    one.answered(Answered("gw", START + 50 * MS, START + 51 * MS))
    out = run(one, START, START + SECOND)
    lapsed = [at for at, e in out if isinstance(e, Tell) and isinstance(e.event, Lapsed)]
    assert len(lapsed) == 1
    assert START + 350 * MS < lapsed[0] <= START + 362 * MS
    one.answered(Answered("gw", START + 900 * MS, START + 901 * MS))
    assert {type(e.event) for _, e in run(one, START + SECOND, START + 1200 * MS) if isinstance(e, Tell)} <= {Listened}


@pytest.mark.parametrize("kind", ["echo", "control", "base"])
def test_each_proof_renews(kind: str) -> None:
    one = heart()
    one.obey(START, Hold((HELD,)))
    lapses = []
    for n in range(20):
        now = START + n * 100 * MS
        out = run(one, now, now + 100 * MS)
        lapses += [e for _, e in out if isinstance(e, Tell) and isinstance(e.event, Lapsed)]
        sent = [e.beat.frame.seq for _, e in out if isinstance(e, Send)]
        if kind == "echo" and sent:
            one.hear("eth0", now + 100 * MS, beat(n + 1, echo=sent[-1]))
        elif kind == "control":
            one.answered(Answered("gw", now + 90 * MS, now + 91 * MS))
        elif kind == "base":
            one.obey(now + 99 * MS, Prove("web", "base", now + 90 * MS))
        one.obey(now + 99 * MS, Say(WORDS))
    assert not lapses


def test_without_a_control_nothing_can_be_asked_and_the_holder_goes_on() -> None:
    assert renewed_until(100, 30, Evidence(), alone=False, controlled=False) == 130
    assert renewed_until(100, 30, Evidence(echo_ns=50, control_ns=60), alone=False, controlled=True) == 90
    assert renewed_until(100, 30, Evidence(neighbour_ns=80), alone=False, controlled=True) == 30
    assert renewed_until(100, 30, Evidence(neighbour_ns=80), alone=True, controlled=True) == 110


def test_an_own_stall_is_told_and_lapses_what_was_held() -> None:
    one = heart()
    one.obey(START, Hold((HELD,)))
    run(one, START, START + 100 * MS)
    out = one.timer(START + SECOND)
    told = [e.event for e in out if isinstance(e, Tell)]
    assert [type(e) for e in told] == [Stalled, Lapsed, Listened]


def test_who_comes_a_keepalive_late_did_not_stand_still() -> None:
    for late_ns in (100 * MS, 100 * MS + 1):
        one = heart()
        one.timer(START)
        told = [e.event for e in one.timer(START + 100 * MS + late_ns) if isinstance(e, Tell)]
        assert [e for e in told if isinstance(e, Stalled)] == [Stalled(START + 100 * MS, START + 200 * MS + 1)] * (
            late_ns > 100 * MS
        )


def test_a_stall_and_the_end_of_the_vouching_are_both_told() -> None:
    one = heart()
    one.daemon_went(START)
    run(one, START, START + 100 * MS)
    told = [type(e.event) for e in one.timer(START + 2 * SECOND) if isinstance(e, Tell)]
    assert told == [Stalled, Abandoned, Listened]


def test_to_a_new_daemon_silence_counts_from_the_end_of_an_own_stall() -> None:
    one = heart()
    run(one, START, START + 100 * MS)
    one.timer(START + SECOND)
    assert one.silence_ns == 0, "the peer was never heard"
    one.hear("eth0", START + 900 * MS, beat(1))  # it waited in the queue
    assert one.silence_ns == START + SECOND
    one.hear("eth0", START + 1100 * MS, beat(2))
    assert one.silence_ns == START + 1100 * MS


def test_what_a_new_daemon_does_not_know_yet_goes_on() -> None:
    """One group is found running before the other: its lease must not cost the other's."""
    one = heart()
    web, db = replace(HELD, control=""), replace(HELD, group="db", control="")
    one.obey(START, Hold((web, db)))
    assert one.obey(START + MS, Hold((), ("web", "db"))) == []
    assert one.obey(START + 2 * MS, Hold((web,), ("db",))) == []
    assert set(one.leases.by_group) == {"web", "db"}
    one.obey(START + 3 * MS, Hold((web,), ("db", "new")))
    one.obey(START + 4 * MS, Hold((web,)))
    assert set(one.leases.by_group) == {"web"}, "it does not run here"


def test_a_newer_right_begins_a_new_lease() -> None:
    """Stopped and started again in one breath: its gate was lifted in between, so it has to be opened, not renewed."""
    one = Heart(
        me=0, cluster=ID, incarnation=9, generation=0, nonce=NONCE, timing=Timing(), pings=(), now_ns=START, guard=""
    )
    held = replace(HELD, control="", gated=True, opened_ns=START)
    one.obey(START, Hold((held,)))
    (first,) = (e for e in one.leases.renew(START, 0, {}, left=False) if isinstance(e, Renew))
    assert first.fresh
    one.gated(START, first, Answer.DONE)
    one.obey(START + 90 * MS, Hold((replace(held, opened_ns=START + 90 * MS),)))
    (again,) = (e for e in one.leases.renew(START + 91 * MS, 0, {}, left=False) if isinstance(e, Renew))
    assert again.fresh


def test_a_daemon_that_is_gone_is_vouched_for_one_second_then_abandoned() -> None:
    one = heart()
    one.obey(START, Hold((replace(HELD, control=""),)))
    one.daemon_went(START)
    out = run(one, START, START + 3 * SECOND)
    (off,) = [(at, e) for at, e in out if isinstance(e, TakeOff)]
    assert START + SECOND <= off[0] <= START + SECOND + 20 * MS and off[1].groups == ("web",)
    last = [e.beat for at, e in out if isinstance(e, Send) and at >= off[0]]
    assert len(last) == 3, "the release is said three times, then silence"
    (word,) = {word for b in last for word in b.words.groups}
    assert {b.words.mode for b in last} == {Mode.UNMANAGED}
    assert (word.stand, word.epoch, word.ready) == (Stand.RELEASED, 6, False)
    told = [e.event for _, e in out if isinstance(e, Tell)]
    assert [e for e in told if not isinstance(e, Listened)] == [Abandoned((("web", 6),))]


def test_a_daemon_that_hangs_is_vouched_for_five_seconds() -> None:
    one = heart()
    one.obey(START, Hold((replace(HELD, control=""),)))
    out = run(one, START, START + 8 * SECOND)
    (at,) = [at for at, e in out if isinstance(e, TakeOff)]
    assert START + 5 * SECOND <= at <= START + 5 * SECOND + 20 * MS


def test_the_vouching_ends_on_the_nanosecond() -> None:
    one = heart()
    assert one.vouches(START + HUNG_NS - 1) and not one.vouches(START + HUNG_NS)
    one.daemon_went(START)
    assert one.vouches(START + GONE_NS - 1) and not one.vouches(START + GONE_NS)


def test_a_silent_daemon_does_not_live_on_by_a_stall() -> None:
    one = heart()
    run(one, START, START + 4000 * MS)
    one.timer(START + 6000 * MS)
    assert one.vouches(START + 6850 * MS) and not one.vouches(START + 7000 * MS)


def test_an_own_stop_is_not_the_daemons_silence() -> None:
    one = heart()
    run(one, START, START + 100 * MS)
    told = [e.event for e in one.timer(START + 3600 * SECOND) if isinstance(e, Tell)]
    assert not [e for e in told if isinstance(e, Abandoned)] and one.vouches(START + 3601 * SECOND)


def test_an_own_stop_is_not_the_daemons_life_either() -> None:
    """After an hour's stop what the daemon had said before it is read first, and then the stop is counted out: a daemon
    that hangs from then on was vouched for for one hour more."""
    one = heart()
    run(one, START, START + 100 * MS)
    woken = START + 3600 * SECOND
    one.obey(woken, Hold((replace(HELD, control=""),)))
    one.timer(woken)
    (at,) = [at for at, e in run(one, woken, woken + 8 * SECOND) if isinstance(e, TakeOff)]
    assert woken + 5 * SECOND <= at <= woken + 5 * SECOND + 20 * MS


def test_a_daemon_back_within_a_second_is_no_news() -> None:
    one = heart()
    one.obey(START, Hold((replace(HELD, control=""),)))
    one.daemon_went(START)
    run(one, START, START + 900 * MS)
    one.daemon_came(START + 900 * MS)
    out = run(one, START + 900 * MS, START + 4 * SECOND)
    assert not [e for _, e in out if isinstance(e, TakeOff)]


def test_heavy_groups_stay_and_are_said_to_be_unmanaged() -> None:
    one = heart()
    one.obey(START, Hold((replace(HELD, control="", light=False),)))
    one.daemon_went(START)
    out = run(one, START, START + 2 * SECOND)
    assert [e.groups for _, e in out if isinstance(e, TakeOff)] == [()]
    last = [e.beat for _, e in out if isinstance(e, Send)][-1]
    assert last.words.mode is Mode.UNMANAGED and last.words.groups[0].stand is Stand.HOLDS
    assert not last.words.groups[0].ready, "nothing is handed over to a node without a daemon"


def test_each_farewell_is_one_beat_more_of_what_was_said_last() -> None:
    one = heart()
    one.obey(START, Say(replace(WORDS, mode=Mode.BYE)))
    sent = [e.beat for _ in range(3) for e in one.say_bye(START) if isinstance(e, Send)]
    assert [beat.words.mode for beat in sent] == [Mode.BYE] * 3
    assert [beat.frame.seq for beat in sent] == [1, 2, 3]
    mute = Heart(me=0, cluster=ID, incarnation=1, generation=0, nonce=1, timing=Timing(), pings=(), now_ns=START)
    assert mute.say_bye(START) == []


def test_it_never_beats_without_a_daemon_that_spoke() -> None:
    one = Heart(me=0, cluster=ID, incarnation=1, generation=0, nonce=1, timing=Timing(), pings=(), now_ns=START)
    assert not [e for _, e in run(one, START, START + SECOND) if isinstance(e, Send)]
    one.obey(START + SECOND, Say(WORDS))
    assert not [e for _, e in run(one, START + SECOND, START + 2 * SECOND) if isinstance(e, Send)], "nor before it came"


def test_the_arithmetic_of_safety_1() -> None:
    standard = lease_of(Timing())
    assert (standard.lease_ns, standard.claim_ns) == (300 * MS, 200 * MS)
    for h, d in ((100, 500), (1000, 30_000), (2000, 5000), (200, 1000)):
        lease = lease_of(Timing(h * MS, d * MS // 2, d * MS))
        total = lease.lease_ns + lease.ticket_ns + lease.keepalive_ns + lease.slack_ns
        assert total <= d * MS and lease.lease_ns >= lease.keepalive_ns + lease.ticket_ns
    with pytest.raises(ValueError, match="lease"):
        lease_of(Timing(100 * MS, 100 * MS, 300 * MS))


def test_an_heir_is_the_same_life_and_keeps_what_was_proved() -> None:
    """What the former knew goes through the pipe; the peer sees but the next beat of whom it knows."""
    old = heart()
    old.hear("eth0", START, beat(5))
    old.obey(START, Hold((HELD,)))
    sent = [e.beat.frame.seq for _, e in run(old, START, START + 250 * MS) if isinstance(e, Send)]
    now = START + 260 * MS
    message = pipe.decode(pipe.encode(pipe.Inheritance(old.leave(), (), (), (), 0, False)))
    assert isinstance(message, pipe.Inheritance)
    heir = Heart(me=0, cluster=ID, incarnation=0, generation=0, nonce=7, timing=Timing(), pings=("gw",), now_ns=now)
    heir.inherit(message.legacy, now)
    assert heir.leave() == old.leave()
    (frame, *_) = [e.beat.frame for _, e in run(heir, now, now + 50 * MS) if isinstance(e, Send)]
    assert (frame.incarnation, frame.nonce, frame.your_nonce, frame.seq) == (10, NONCE, PEERS, sent[-1] + 1)
    assert heir.hear("eth0", now, beat(5))[0] is Class.REPLAYED, "what the former had heard is no news"
    assert heir.hear("eth0", now, beat(6, echo=sent[-1]))[0] is Class.ACCEPTED
    abandoned = [t for t, e in run(heir, now, now + 2 * SECOND) if isinstance(e, TakeOff)]
    assert abandoned[0] >= now + 200 * MS, "it is good for what was proved, and vouches for a daemon that is to come"


def test_an_older_release_can_be_succeeded() -> None:
    """What it does not tell is what is true of one that has taken part for long."""
    one = heart(words=KNOWN)
    name, told = msgspec.msgpack.decode(pipe.encode(pipe.Inheritance(one.leave(), (), (), (), 0, False)))
    for newer in ("speaks_ns", "proved_ns"):
        del told["legacy"][newer]
    message = pipe.decode(msgspec.msgpack.encode((name, told)))
    assert isinstance(message, pipe.Inheritance)
    heir = born()
    heir.inherit(message.legacy, START)
    heir.daemon_came(START)
    assert heir.obey(START, Say(KNOWN, urgent=True)), "and goes on at once"
    assert heir.hear("eth0", START, of_my_name()) == (Class.NAMESAKE, Tell(Namesake(START, refused=False)))
