"""Both hands on the guard, pulse's (Gates) and the daemon's (Gatekeeper), against a real kernel."""

from __future__ import annotations

from dataclasses import replace

from hbcore.daemon.gatekeeper import Gatekeeper
from hbcore.engine.config import Address, GroupDef, Resource, Timing, Weight
from hbcore.engine.config import Guard as Wanted
from hbcore.engine.leases import Answer
from hbcore.engine.pulse_effects import Renew
from hbcore.host import clock
from hbcore.host.guard import MS, Guard
from hbcore.host.pipe import Place
from hbcore.pulse.gates import Gates
from tests.unit.guard_net import OTHER4, V4, nft, owned_by_another, ruleset
from tests.unit.links_net import in_namespace

W = 800 * MS  # where a busy machine may not spoil a renewal
WEB = GroupDef("web", ("a", "b"), (Resource(V4, "address", "IPaddr2", (), Address(V4, 24)),), Weight.LIGHT)


def gates() -> Gates:
    made = Gates()
    made.put([Place("web", 1, ip, 24, gated=True) for ip in (V4, OTHER4)])
    return made


def renewed(hand: Gates, *, fresh: bool) -> Answer:
    return hand.renew(Renew("web", clock.now_ns() + 60_000 * MS, fresh), W)


@in_namespace
def test_an_address_that_is_lifted_leaves_the_rest_of_its_group_open() -> None:
    """It goes first, and the script between them takes its time: the other one is still served."""
    pulse, daemon = gates(), Guard()
    assert renewed(pulse, fresh=True) is Answer.DONE
    pulse.lifted([OTHER4])
    daemon.lift([OTHER4])
    assert pulse.stands(), "it is not missed"
    assert renewed(pulse, fresh=False) is Answer.DONE
    assert daemon.remaining(V4) and OTHER4 not in ruleset()
    pulse.lifted([V4])
    daemon.lift([V4])
    assert renewed(pulse, fresh=False) is Answer.FAILED and "hbcore" not in ruleset(), "none is put back"
    assert renewed(pulse, fresh=True) is Answer.DONE, "but by a new right"
    assert daemon.remaining(V4) and daemon.remaining(OTHER4)


@in_namespace
def test_a_gate_that_could_not_be_installed_is_no_gate() -> None:
    pulse = gates()
    with owned_by_another():
        assert renewed(pulse, fresh=True) is Answer.LOST, "then it is built again"
        assert not pulse.stands() and pulse.rebuild() != ""
    assert renewed(pulse, fresh=True) is Answer.DONE
    assert pulse.stands() and V4 in nft("list set inet hbcore_guard gated4")


@in_namespace
def test_the_daemon_gates_by_the_definition_in_use_and_says_where_it_cannot() -> None:
    uses = [replace(WEB, guard=Wanted.OFF)]
    told: list[str] = []
    daemon = Gatekeeper(Timing(), lambda: tuple(uses), told.extend)
    assert daemon.shut(V4) == "" and "hbcore" not in ruleset(), "no guard was asked for"
    uses[0] = WEB
    assert daemon.shut(V4) == "" and "hbcore" not in ruleset(), "pulse has none, so nobody would open it"
    daemon.told("")
    with owned_by_another():
        assert daemon.shut(V4) != ""
    daemon.told("EBUSY")
    assert daemon.shut(V4) == "" and daemon.silenced(V4), "what once stood has to stand again"
    assert daemon.valid_s("web") and daemon.valid_s("other") is None
    uses[0] = replace(WEB, guard=Wanted.OFF)
    assert not daemon.silenced(V4)
    daemon.lift(V4)
    assert "hbcore" not in ruleset() and told == [V4], "also what another definition put there"
