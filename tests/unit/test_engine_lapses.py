"""Leases that end, and what was given away without this daemon: each rule of safety.md 4 and 7 on its own."""

from __future__ import annotations

import pytest

from hbcore.engine.beat import Stand
from hbcore.engine.config import MS, Address, Resource, Weight
from hbcore.engine.effects import (
    Hold,
    Note,
    Run,
)
from hbcore.engine.events import (
    Abandoned,
    Done,
    Guarded,
    Lapsed,
    Outcome,
)  # fmt: skip
from hbcore.engine.group import Phase
from hbcore.engine.member import Res
from hbcore.engine.table import Peer
from tests.unit.duo import VIP
from tests.unit.lone import Lone, found, owner, shut


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


def test_a_lapse_of_the_lease_before_this_one_shuts_nothing() -> None:
    lone = owner()
    for before_ns in (1, 0):
        lone.step(Lapsed("web", lone.group.opened_ns - before_ns))
        assert (lone.group.phase is Phase.RUNNING) is (before_ns > 0)


def test_after_a_deadtime_a_lapse_is_a_release_whoever_hears_it() -> None:
    lone = shut()
    lone.control = False
    lone.run(480)
    assert lone.group.owner
    lone.run(100)
    assert lone.said().stand is Stand.RELEASED and not lone.group.owner


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
    assert (lone.group.licence == "found") is (phase is Phase.SHUT)


def test_a_lapse_before_it_is_known_what_runs_is_taken_up_then() -> None:
    lone = Lone(slow=True)
    lone.step(Lapsed("web", lone.now))
    assert lone.group.phase.value == "probing" and "lapsed" not in lone.codes
    lone.step(*(Done(e.op, Outcome.RUNNING, "", MS) for e in lone.out if isinstance(e, Run)))
    assert lone.group.phase is Phase.SHUT and lone.codes.count("lapsed") == 1


def test_a_lapse_while_it_stops_is_the_reason_from_then_on_and_its_addresses_go_first() -> None:
    lone = owner()
    lone.slow = True
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(100, lone.beat(epoch=4))
    assert (lone.group.phase, lone.group.why[0], lone.ran("stop")) == (Phase.STOPPING, "stopped-by-operator", ["httpd"])
    for _ in range(2):
        lone.step(Lapsed("web", lone.now))
    assert (lone.group.why[0], lone.ran("stop"), lone.codes.count("lapsed")) == ("lapsed", ["httpd", VIP], 1)
    other = owner()
    other.step(Lapsed("web", other.now, True))
    assert "lapsed-late" in other.codes and "lapsed" not in other.codes


SECOND_VIP = Resource("second", "address", "192.168.100.101", (), Address("192.168.100.101", 24, "eth0"))


def test_of_two_at_work_each_has_its_own_result() -> None:
    lone = owner(more=(SECOND_VIP,))
    lone.out.clear()
    lone.slow = True
    lone.step(Lapsed("web", lone.now))
    _, last = [e for e in lone.out if isinstance(e, Run)]
    lone.step(Done(last.op, Outcome.OK, "", MS))
    assert [m.state for m in lone.group.members] == [Res.STOPPING, Res.STARTED, Res.STOPPED]


def test_two_addresses_go_at_once_and_each_is_asked_after_a_stop_that_failed() -> None:
    lone = owner(more=(SECOND_VIP,))
    lone.out.clear()
    lone.slow = True
    lone.step(Lapsed("web", lone.now))
    lone.step(*(Done(e.op, Outcome.FAILED, "", MS) for e in lone.out if isinstance(e, Run)))
    assert (lone.ran("stop"), lone.ran("status")) == ([VIP, "second"], [VIP, "second"])


def test_what_pulse_gave_away_is_no_longer_mine() -> None:
    lone = owner()
    lone.step(Abandoned((("web", 9),)))
    assert not lone.group.owner and lone.group.token.epoch == 9 and "abandoned" in lone.codes
    lone.run(100, lone.beat(epoch=4))
    assert lone.group.phase is Phase.IDLE and lone.said().stand is Stand.RELEASED
    stopped = [e for e in lone.out if isinstance(e, Note) and e.code == "group-stopped"]
    assert dict(stopped[-1].args)["why"] == "abandoned"


def test_what_pulse_gave_away_before_it_is_known_to_run_is_stopped_then() -> None:
    lone = Lone(slow=True, status=Outcome.RUNNING)
    lone.step(Abandoned((("web", 9),)))
    lone.slow = False
    lone.step(*(Done(e.op, Outcome.RUNNING, "", MS) for e in lone.out if isinstance(e, Run)))
    stopped = [e for e in lone.out if isinstance(e, Note) and e.code == "group-stopped"]
    assert lone.ran("stop") == ["httpd", VIP] and dict(stopped[-1].args)["why"] == "abandoned"


def test_only_light_groups_are_gated() -> None:
    for weight in Weight:
        held = [e for e in owner(weight).out if isinstance(e, Hold)][-1].held
        assert [one.gated for one in held] == [weight is Weight.LIGHT]
