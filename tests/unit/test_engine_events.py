"""When the engine wakes by itself, events that come together or for one group of several, and who cannot hear."""

from __future__ import annotations

from copy import deepcopy

import pytest

from hbcore.engine import senses
from hbcore.engine.beat import Stand, State
from hbcore.engine.config import MS, SECOND
from hbcore.engine.effects import Probe
from hbcore.engine.events import Answered, Done, Listened, Outcome, Probed, Seen, Tick
from hbcore.engine.group import Phase
from hbcore.engine.table import Peer
from tests.unit.duo import PING, VIP
from tests.unit.lone import PEERS, Lone, owner, standby

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
    lone = standby().claims()
    lone.now += 10 * MS
    lone.step(Tick())
    assert 10 * MS < lone.engine.next_deadline() - lone.now <= lone.engine.world.lease.claim_ns


# -- several groups, several events ------------------------------------------------------------------------------------


def beside(lone: Lone) -> Lone:
    """Another group before it, of which no event is."""
    other = deepcopy(lone.group)
    other.probing.ips, other.probing.asked = ("192.168.100.77",), 0
    other.members.clear()
    lone.engine.world.groups = {"aside": other, **lone.engine.world.groups}
    return lone


def test_what_is_of_the_second_group_reaches_it() -> None:
    lone = beside(standby())
    probing = lone.group.probing
    probing.asked = 77
    lone.step(Probed(77, lone.now, lone.now))
    assert probing.asked != 77 and probing.round_end_ns == lone.now
    lone = standby().claims()
    lone.step(Seen("eth0", VIP, PEERS, "probe", lone.now))
    backed_off = lone.group.backoff_ns
    lone.group.backoff_ns, lone.group.phase = 0, Phase.CLAIMING
    senses.take(beside(lone).engine.world, Seen("eth0", VIP, PEERS, "probe", lone.now), lone.now)
    assert lone.group.backoff_ns == backed_off


def test_of_events_that_come_together_each_is_news_for_its_own_groups() -> None:
    lone = Lone()
    lone.run(100, lone.beat(epoch=4))
    lone.step(lone.beat(Stand.RELEASED, 9), Done(10**6, Outcome.OK))
    assert lone.group.owner


@pytest.mark.parametrize("bare", [False, True])
def test_a_result_is_news_at_once(bare: bool) -> None:
    lone = Lone(slow=True, bare=bare)
    lone.step(lone.beat(Stand.RELEASED, 5))
    assert lone.group.phase is Phase.PROBING
    for member in lone.group.members:
        lone.step(Done(member.op, Outcome.STOPPED))
    assert lone.group.owner


def test_the_round_a_claim_waits_for_is_news_at_once() -> None:
    lone = standby().claims()
    lone._probes.clear()
    lone.run(300)
    assert not lone.group.owner and lone.engine.next_deadline() == lone.now + MS, "it is due, and not all the time"
    lone.step(Probed(lone.group.probing.asked, lone.now - 90 * MS, lone.now))
    assert lone.group.owner


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


# -- deaf --------------------------------------------------------------------------------------------------------------


def test_who_cannot_hear_begins_nothing_and_asks_nothing() -> None:
    lone = owner()
    lone.run(300, lone.beat(epoch=4))
    heard_ns = lone.now
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.out.clear()
    for ms in (301, 400, 1000, 3000):
        lone.now = heard_ns + ms * MS
        lone.step(Tick())
        assert lone.ran("stop") == [] and not any(isinstance(e, Probe) for e in lone.out), ms
    lone.slow = True
    lone.run(20, lone.beat(epoch=4))
    assert lone.ran("stop") == ["httpd"]
    lone.now += 301 * MS
    httpd = lone.group.members[1]
    lone.step(Done(httpd.op, Outcome.OK))
    assert lone.ran("stop") == ["httpd"], "nor does it go on"
    lone.run(20, lone.beat(epoch=4))
    assert lone.ran("stop") == ["httpd", VIP]
