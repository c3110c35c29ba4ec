"""The decision table, row by row: each row has an input that only it takes, and the order is the one of safety.md 4."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbcore.engine.beat import Verdict
from hbcore.engine.table import OTHER, OWNER, Act, Inputs, Peer, Vip, decide

CALM = Inputs(peer=Peer.TWO_WAY, control=Verdict.OK, vip=Vip.FREE, machine=False, light=True, control_steady=True)
ALONE = replace(CALM, peer=Peer.LOST)
HALF = replace(CALM, peer=Peer.ONE_WAY, one_way_steady=True)

OWNER_CASES = [
    ("O1", Act.KEEP, CALM),
    ("O1", Act.KEEP, replace(CALM, control=Verdict.NO)),
    ("O1", Act.KEEP, replace(CALM, peer_holds=True)),
    ("O2", Act.YIELD, replace(CALM, peer_holds=True, peer_outranks=True)),
    ("O2", Act.YIELD, replace(HALF, peer_holds=True, peer_outranks=True)),
    ("O3", Act.HAND_OVER, replace(CALM, control=Verdict.NO, peer_control_beats=2, peer_ready=True)),
    ("O1", Act.KEEP, replace(CALM, control=Verdict.NO, peer_control_beats=1, peer_ready=True)),
    ("O1", Act.KEEP, replace(CALM, control=Verdict.NO, peer_control_beats=2)),
    ("O4", Act.KEEP, ALONE),
    ("O4", Act.KEEP, replace(HALF, control=Verdict.NO, base_answers=True)),
    ("O4", Act.KEEP, replace(ALONE, control=Verdict.NONE)),
    ("O5", Act.RELEASE, replace(HALF, peer_claims=True)),
    ("O5", Act.RELEASE, replace(HALF, peer_claims=True, claim_knows=True, one_way_steady=False)),
    ("O4", Act.KEEP, replace(HALF, peer_claims=True, one_way_steady=False)),
    ("O6", Act.AWAIT_LAPSE, replace(ALONE, control=Verdict.NO)),
    ("O6", Act.AWAIT_LAPSE, replace(HALF, control=Verdict.NO)),
    ("O6", Act.AWAIT_LAPSE, replace(ALONE, control=Verdict.SUSPENDED)),
    ("O7", Act.KEEP_ALARMED, replace(ALONE, control=Verdict.NO, settled=True, neighbour=True)),
    ("O7", Act.ISOLATED, replace(ALONE, control=Verdict.NO, settled=True)),
    ("O7", Act.ISOLATED, replace(ALONE, peer=Peer.BYE, control=Verdict.NO)),
    ("O8", Act.KEEP, replace(ALONE, control=Verdict.SUSPENDED, neighbour=True)),
]

OTHER_CASES = [
    ("S1", Act.WAIT, CALM),
    ("S1", Act.START, replace(CALM, token=True)),
    ("S2", Act.START, replace(CALM, released=True)),
    ("S2", Act.START, replace(ALONE, peer=Peer.BYE, released=True)),
    ("S3", Act.CLAIM, HALF),
    ("S3", Act.WAIT, replace(HALF, peer_holds=True)),
    ("S3", Act.WAIT, replace(HALF, peer_claims=True)),
    ("S3", Act.WAIT, replace(HALF, one_way_steady=False)),
    ("S3", Act.WAIT, replace(HALF, vip=Vip.PEER)),
    ("S3", Act.WAIT, replace(HALF, light=False, machine=True)),
    ("S3", Act.WAIT, replace(HALF, peer=Peer.NEVER)),
    ("S4", Act.WITHHOLD, replace(ALONE, control=Verdict.NO)),
    ("S4", Act.WITHHOLD, replace(ALONE, control_steady=False)),
    ("S5", Act.CLAIM, ALONE),
    ("S5", Act.CLAIM, replace(ALONE, control=Verdict.SUSPENDED, control_steady=False, neighbour=True)),
    ("S4", Act.WITHHOLD, replace(ALONE, control=Verdict.SUSPENDED)),
    ("S5", Act.CLAIM, replace(ALONE, machine=True)),
    ("S5", Act.CLAIM, replace(ALONE, light=False)),
    ("S6", Act.VETO, replace(ALONE, vip=Vip.PEER)),
    ("S6", Act.VETO, replace(ALONE, vip=Vip.PEER, control=Verdict.NO)),
    ("S7", Act.BLOCK, replace(ALONE, light=False, machine=True)),
    ("S7", Act.BLOCK, replace(ALONE, vip=Vip.NONE, machine=True)),
    ("S8", Act.CLAIM, replace(ALONE, vip=Vip.NONE)),
    ("S9", Act.CONFLICT, replace(ALONE, vip=Vip.FOREIGN)),
    ("S0", Act.WAIT, replace(ALONE, vip=Vip.UNKNOWN)),
    ("S0", Act.WAIT, replace(ALONE, machine=None)),
    ("F1", Act.CLAIM, replace(ALONE, fenced=True, vip=Vip.UNKNOWN, control=Verdict.NO)),
    ("F1", Act.CLAIM, replace(ALONE, fenced=True, vip=Vip.PEER, peer_known=False)),
    ("S6", Act.VETO, replace(ALONE, fenced=True, vip=Vip.PEER)),
]


@pytest.mark.parametrize(("name", "act", "inputs"), OWNER_CASES)
def test_owner(name: str, act: Act, inputs: Inputs) -> None:
    row = decide(True, inputs)
    assert (row.name, row.act) == (name, act)


@pytest.mark.parametrize(("name", "act", "inputs"), OTHER_CASES)
def test_other(name: str, act: Act, inputs: Inputs) -> None:
    row = decide(False, inputs)
    assert (row.name, row.act) == (name, act)


def test_every_row_is_reached_by_a_case() -> None:
    assert {row.name for row in OWNER} == {name for name, _, _ in OWNER_CASES}
    assert {row.name for row in OTHER} == {name for name, _, _ in OTHER_CASES}


def test_the_order_is_that_of_safety_4() -> None:
    def order(rows: tuple[object, ...]) -> list[str]:
        return list(dict.fromkeys(getattr(row, "name", "") for row in rows))

    assert order(OWNER) == ["O2", "O5", "O3", "O1", "O7", "O8", "O4", "O6"]
    assert [n for n in order(OTHER) if n not in ("F1", "S0")] == ["S2", "S1", "S3", "S6", "S4", "S9", "S7", "S8", "S5"]


ANY = st.builds(
    Inputs,
    peer=st.sampled_from(Peer),
    control=st.sampled_from(Verdict),
    vip=st.sampled_from(Vip),
    machine=st.sampled_from([True, False, None]),
    light=st.booleans(),
    token=st.booleans(),
    released=st.booleans(),
    control_steady=st.booleans(),
    peer_holds=st.booleans(),
    peer_claims=st.booleans(),
    peer_outranks=st.booleans(),
    peer_control_beats=st.integers(0, 3),
    peer_ready=st.booleans(),
    base_answers=st.booleans(),
    neighbour=st.booleans(),
    settled=st.booleans(),
    one_way_steady=st.booleans(),
    fenced=st.booleans(),
)


@given(ANY)
def test_no_claim_on_the_unknown_or_against_an_answer(i: Inputs) -> None:
    if decide(False, i).act is Act.CLAIM and not i.fenced:
        assert i.peer in (Peer.LOST, Peer.ONE_WAY)
        assert i.vip in (Vip.FREE, Vip.NONE) and i.machine is not None
        assert (i.control is Verdict.SUSPENDED and i.neighbour) or (i.control_ok and i.control_steady)
        assert i.light or i.machine is False, "a heavy group never starts beside a machine that answers"
        assert not (i.peer is Peer.ONE_WAY and (i.peer_holds or i.peer_claims))


@given(ANY)
def test_while_both_hear_each_other_ping_stops_nothing_but_a_planned_hand_over(i: Inputs) -> None:
    if i.peer is Peer.TWO_WAY and not (i.peer_holds and i.peer_outranks):
        assert decide(True, i).act in (Act.KEEP, Act.HAND_OVER)


@given(ANY)
def test_every_input_has_a_row(i: Inputs) -> None:
    assert decide(True, i) in OWNER and decide(False, i) in OTHER
