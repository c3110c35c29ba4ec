"""Pulse's leases and the renewal of a gate, step by step: each rule of safety.md 6 on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.beat import GroupWord, Mode, Stand, Words
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.effects import Held, Hold, Say
from hbcore.engine.events import Guarded, Lapsed
from hbcore.engine.heart import Heart
from hbcore.engine.lease import lease_of
from hbcore.engine.leases import REFRESH_NS, Answer, Leases, Swap, Ticket, renewal
from hbcore.engine.pulse_effects import PulseEffect, Rebuild, Refresh, Renew, Shut, TakeOff, Tell

LEASE = lease_of(Timing())
START = 1000 * SECOND
WEB = Held("web", 7, "gw", alone=False, light=True, gated=True, opened_ns=START)


def kept(held: Held = WEB, guard: str = "") -> Leases:
    leases = Leases(LEASE, grace_ns=LEASE.lease_ns, guard=guard)
    leases.hold(START, (held,))
    return leases


def renew(leases: Leases, now_ns: int, proof_ns: int = 0) -> list[PulseEffect]:
    """`proof_ns`: when the newest answered question to the control was asked. What concerns the gate."""
    effects = leases.renew(now_ns, 0, {"gw": proof_ns}, left=False)
    return [e for e in effects if isinstance(e, Renew | Tell | TakeOff)]


def test_a_renewal_is_ticket_clock_swap() -> None:
    steps = renewal(Renew("web", START + 300 * MS, False), 50 * MS)
    assert next(steps) == Ticket(50 * MS)
    assert steps.send((Answer.DONE, START + 100 * MS)) == Swap(200 * MS, False), "for what is left of the lease"
    with pytest.raises(StopIteration) as end:
        steps.send((Answer.DONE, START + 101 * MS))
    assert end.value.value is Answer.DONE


def test_a_renewal_that_was_stopped_before_its_clock_until_the_lease_is_over_swaps_nothing() -> None:
    steps = renewal(Renew("web", START + 300 * MS, True), 50 * MS)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send((Answer.DONE, START + 300 * MS))
    assert end.value.value is Answer.LAPSED


@pytest.mark.parametrize(("fresh", "tries"), [(False, 2), (True, 1)])
def test_a_refused_swap_is_tried_once_more_unless_it_would_open_a_gate_that_was_shut(fresh: bool, tries: int) -> None:
    steps = renewal(Renew("web", START + 300 * MS, fresh), 50 * MS)
    step = next(steps)
    for n in range(tries):
        assert step == Ticket(50 * MS)
        assert steps.send((Answer.DONE, START + n * 60 * MS)) == Swap((300 - n * 60) * MS, fresh)
        if n < tries - 1:
            step = steps.send((Answer.LAPSED, START + 60 * MS))
    with pytest.raises(StopIteration) as end:
        steps.send((Answer.LAPSED, START + 120 * MS))
    assert end.value.value is Answer.LAPSED


def test_a_renewal_whose_second_try_lands_is_done() -> None:
    steps = renewal(Renew("web", START + 300 * MS, False), 50 * MS)
    next(steps)
    for answer in (Answer.DONE, Answer.LAPSED, Answer.DONE):
        steps.send((answer, START + 60 * MS))
    with pytest.raises(StopIteration) as end:
        steps.send((Answer.DONE, START + 60 * MS))
    assert end.value.value is Answer.DONE


def test_a_new_right_opens_the_gate_once_and_proofs_keep_it_open() -> None:
    leases = kept()
    (first,) = renew(leases, START + MS, START)
    assert first == Renew("web", START + 300 * MS, True)
    leases.answered(START + MS, Renew("web", START + 300 * MS, True), Answer.DONE)
    assert renew(leases, START + 60 * MS, START + 40 * MS) == [], "half a beat is not worth a transaction"
    assert renew(leases, START + 120 * MS, START + 100 * MS) == [Renew("web", START + 400 * MS, False)]


def test_half_a_beat_is_worth_a_transaction() -> None:
    leases = kept()
    leases.answered(START + MS, Renew("web", START + 300 * MS, True), Answer.DONE)
    assert renew(leases, START + 60 * MS, START + 50 * MS - 1) == []
    assert renew(leases, START + 60 * MS, START + 50 * MS) == [Renew("web", START + 350 * MS, False)]


def test_the_same_right_named_again_is_the_same_lease() -> None:
    leases = kept(replace(WEB, gated=False))
    for at in (0, 100, 200):
        leases.hold(START + at * MS, (replace(WEB, gated=False),))
    assert leases.next_ns() == [START + 300 * MS + 1]
    assert [type(e) for e in renew(leases, START + 301 * MS)] == [Tell, TakeOff] and leases.next_ns() == []
    late = Leases(LEASE, grace_ns=LEASE.lease_ns, guard="")
    late.hold(START + 100 * MS, (WEB,))
    assert late.next_ns() == [START + 300 * MS + 1], "from when the right was given, not from when it was named"


def test_each_of_several_groups_has_its_own_lease() -> None:
    """One that lapsed before, one that lapses, and two that go on, in each order."""
    names = ("gone", "going", "one", "two")
    for order in (names, names[::-1]):
        leases = Leases(LEASE, grace_ns=LEASE.lease_ns, guard="")
        leases.hold(START, tuple(replace(WEB, group=name, control=name, word=n) for n, name in enumerate(order)))
        asked = dict.fromkeys(("one", "two"), START + 280 * MS)
        leases.answered(START + 100 * MS, Renew("gone", START + 300 * MS, False), Answer.LAPSED)
        out = leases.renew(START + 301 * MS, 0, asked, left=False)
        told = [e.event.group for e in out if isinstance(e, Tell) and isinstance(e.event, Lapsed)]
        renewed = [e.group for e in out if isinstance(e, Renew)]
        assert told == ["going"] and renewed == [name for name in order if name in asked]
        assert [e.groups for e in out if isinstance(e, TakeOff)] == [("going",)]


def test_only_a_light_groups_second_layer_is_refreshed_and_not_more_often_than_need_be() -> None:
    for light in (True, False):
        leases = kept(replace(WEB, light=light, gated=False, control=""))
        at = [ns for ns in range(START, START + 5 * SECOND, 50 * MS)
              if any(isinstance(e, Refresh) for e in leases.renew(ns, 0, {}, left=False))]  # fmt: skip
        assert at == [START + n * REFRESH_NS for n in range(5 * SECOND // REFRESH_NS)] * light
    leases = kept(replace(WEB, control=""))
    for ns in range(START, START + REFRESH_NS, 50 * MS):
        leases.renew(ns, 0, {}, left=False)
    assert not any(isinstance(e, Refresh) for e in leases.renew(START + REFRESH_NS - 1, 0, {}, left=False))
    assert any(isinstance(e, Refresh) for e in leases.renew(START + REFRESH_NS, 0, {}, left=False))


def test_a_renewal_that_failed_changes_nothing() -> None:
    leases = kept()
    asked = Renew("web", START + 300 * MS, True)
    assert leases.answered(START + MS, asked, Answer.FAILED) == []
    assert renew(leases, START + 2 * MS, START) == [asked]


def test_what_was_found_running_is_kept_and_never_opened() -> None:
    leases = kept(replace(WEB, opened_ns=0))
    assert renew(leases, START + MS, START) == [Renew("web", START + 300 * MS, False)]


def test_a_lapse_takes_light_addresses_off_and_is_final() -> None:
    leases = kept()
    assert renew(leases, START + 301 * MS, START) == [
        Tell(Lapsed("web", START + 301 * MS)), TakeOff(("web",)),
    ]  # fmt: skip
    assert renew(leases, START + 400 * MS, START + 390 * MS) == [], "no proof brings it back"
    told = leases.hold(START + 500 * MS, (WEB,))
    assert told == [Tell(Lapsed("web", START + 301 * MS))], "whoever holds it may not have heard"
    assert renew(leases, START + 510 * MS, START + 500 * MS) == []
    leases.hold(START + 600 * MS, (replace(WEB, opened_ns=START + 600 * MS),))
    assert renew(leases, START + 601 * MS, START + 600 * MS) == [Renew("web", START + 900 * MS, True)], (
        "a new right does"
    )


def test_a_heavy_group_that_lapses_keeps_its_addresses_until_the_daemon_stops_it() -> None:
    leases = kept(replace(WEB, light=False, gated=False))
    assert renew(leases, START + 301 * MS, START) == [Tell(Lapsed("web", START + 301 * MS))]


def test_a_renewal_the_kernel_refused_is_a_lapse() -> None:
    leases = kept()
    said = leases.answered(START + 100 * MS, Renew("web", START + 300 * MS, False), Answer.LAPSED)
    assert said == [Tell(Lapsed("web", START + 100 * MS, True)), TakeOff(("web",))]
    assert renew(leases, START + 101 * MS, START + 100 * MS) == []


def test_who_gives_a_group_up_shuts_its_gate() -> None:
    assert kept().hold(START + 100 * MS, ()) == [Shut(("web",))]
    assert kept(replace(WEB, gated=False)).hold(START + 100 * MS, ()) == []


def test_a_guard_that_was_lost_is_rebuilt_and_opened_only_where_the_lease_is_good() -> None:
    leases = kept()
    first = Renew("web", START + 300 * MS, True)
    leases.answered(START, first, Answer.DONE)
    assert leases.answered(START + 100 * MS, first, Answer.LOST) == [Rebuild()]
    assert leases.lost(START + 110 * MS) == leases.mend(START + 119 * MS) == [], "not more often than every 20 ms"
    assert START + 120 * MS in leases.next_ns(), "and not forgotten: nobody tells it again"
    assert leases.mend(START + 120 * MS) == [Rebuild()]
    assert leases.mend(START + 121 * MS) == [] and START + 120 * MS not in leases.next_ns()
    told = [Tell(Guarded("lost")), Tell(Guarded(""))]
    assert leases.rebuilt(START + 121 * MS, "") == [*told, first], "it was open, and opened again"
    found = kept(replace(WEB, opened_ns=0))
    found.answered(START, first, Answer.DONE)
    assert found.rebuilt(START + 121 * MS, "") == [*told, first], "it was open, whoever opened it"
    lapsed = kept()
    lapsed.answered(START, first, Answer.DONE)
    lapsed.answered(START + 100 * MS, first, Answer.LAPSED)
    assert lapsed.rebuilt(START + 121 * MS, "") == told
    late = kept()
    late.answered(START, first, Answer.DONE)
    assert late.rebuilt(START + 301 * MS, "") == told
    bare = kept()
    bare.answered(START, first, Answer.DONE)
    assert bare.rebuilt(START + 121 * MS, "ENOENT")[1:] == [Tell(Guarded("ENOENT"))], "nothing to open"


def test_what_was_not_known_to_be_open_is_not_opened_by_a_rebuild() -> None:
    """What was found running may be shut in the kernel: it is only renewed, and the kernel refuses what had lapsed."""
    (_, _, *found) = kept(replace(WEB, opened_ns=0)).rebuilt(START + 100 * MS, "")
    assert found == [Renew("web", START + 300 * MS, False)]
    (_, _, *new) = kept().rebuilt(START + 100 * MS, "")
    assert new == [Renew("web", START + 300 * MS, True)], "its own right opens it, as before"
    again = kept(replace(WEB, opened_ns=0))
    again.answered(START, Renew("web", 1, False), Answer.DONE)
    (_, _, *known) = again.rebuilt(START + 300 * MS, "")
    assert known == [Renew("web", START + 300 * MS, True)], "until the very end of the lease"


def test_a_guard_that_could_not_be_rebuilt_is_tried_again_and_opens_then() -> None:
    """One refusal, be it of the look after the commit, left the address silent for good."""
    leases = kept()
    first = Renew("web", START + 300 * MS, True)
    leases.answered(START, first, Answer.DONE)
    leases.lost(START + 100 * MS)
    assert leases.rebuilt(START + 130 * MS, "EEXIST") == [Tell(Guarded("lost")), Tell(Guarded("EEXIST"))]
    assert renew(leases, START + 140 * MS, START + 130 * MS) == [], "there is nothing to renew"
    assert leases.mend(START + 399 * MS) == [], "it took 30 ms: a tenth of the time"
    assert START + 400 * MS in leases.next_ns() and leases.mend(START + 400 * MS) == [Rebuild()]
    assert leases.rebuilt(START + 401 * MS, "EEXIST") == [], "told once"
    assert leases.mend(START + 421 * MS) == [Rebuild()]
    opened = leases.rebuilt(START + 422 * MS, "")
    assert opened == [Tell(Guarded("")), Renew("web", START + 430 * MS, True)]
    assert leases.mend(START + 1000 * MS) == []


def test_pulse_wakes_to_rebuild_the_guard_also_where_it_vouches_for_nobody() -> None:
    heart = Heart(me=0, cluster=b"cluster!", incarnation=10, generation=0, nonce=1, timing=Timing(), pings=(),
                  now_ns=START, guard="")  # fmt: skip
    heart.timer(START)
    heart.leases.lost(START + MS)
    heart.leases.rebuilt(START + MS, "EBUSY")
    assert heart.next_deadline(START + MS) == START + 21 * MS
    assert Rebuild() in heart.timer(START + 21 * MS)
    assert heart.next_deadline(START + 21 * MS) > START + 21 * MS


def test_without_a_control_only_a_pause_ends_a_lease() -> None:
    leases = kept(replace(WEB, control="", gated=False))
    for at in range(100, 2000, 100):
        assert renew(leases, START + at * MS) == []
    assert [type(e) for e in renew(leases, START + 2400 * MS)] == [Tell, TakeOff]


def test_a_neighbour_proves_something_only_to_who_is_alone() -> None:
    for alone in (False, True):
        leases = kept(replace(WEB, alone=alone, gated=False))
        leases.prove("web", "neighbour", START + 200 * MS)
        assert bool(renew(leases, START + 400 * MS)) is not alone


def test_after_the_vouching_ended_no_gate_is_renewed() -> None:
    heart = Heart(me=0, cluster=b"cluster!", incarnation=10, generation=0, nonce=1, timing=Timing(), pings=(),
                  now_ns=START, guard="")  # fmt: skip
    heart.daemon_came(START)
    heart.obey(START, Say(Words(Mode.ONLINE, groups=(GroupWord(7, Stand.HOLDS, 5),))))
    heart.obey(START, Hold((replace(WEB, control=""),)))
    heart.daemon_went(START)
    kinds = []
    for n in range(1, 200):
        kinds += [type(e) for e in heart.timer(START + n * 20 * MS) if isinstance(e, Renew | TakeOff)]
    assert kinds[0] is Renew and kinds[-1] is TakeOff and kinds.count(TakeOff) == 1


def test_a_pulse_that_follows_a_dead_one_gives_no_grace() -> None:
    for resumed, grace in ((False, True), (True, False)):
        heart = Heart(
            me=0, cluster=b"cluster!", incarnation=10, generation=0, nonce=1, timing=Timing(), pings=("gw",),
            now_ns=START, resumed=resumed,
        )  # fmt: skip
        heart.leases.hold(START, (replace(WEB, opened_ns=0, gated=False),))
        assert (renew(heart.leases, START + 50 * MS) == []) is grace
