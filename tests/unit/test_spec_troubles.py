"""Cases of heartbeat's specification (tests/unit/cases.py): E10 partitions and their heal, E12 what only one node can
ping, E15 clocks that are set, packets that are lost or repeated.

Two simulated nodes, both active, without the kernel's guard. What heartbeat did is in docs/heartbeat-cases.md.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.config import SECOND, ClusterConfig, Timing
from hbcore.engine.effects import Stored
from hbcore.engine.events import Wall
from hbcore.engine.lease import PROFILES
from hbcore.sim.daemon import UNIX
from hbcore.sim.faults import Fault, strike
from hbcore.sim.world import Noise
from tests.unit.active import HOME, active, comes, held, once, stays, up
from tests.unit.duo import Duo

NONE: set[str] = set()
ALL = {"web", "ftp"}
SPLIT = "H2"  # the hole: every direct path is cut, and both reach the ping node
HEARTBEAT = Timing(SECOND, 15 * SECOND, 30 * SECOND, 30 * SECOND, 30 * SECOND)  # what it took where nothing was said
MOVES = {"claiming", "taken-over", "moving", "lapsed", "group-stopped"}


def moved(duo: Duo) -> set[str]:
    return MOVES & {code for box in duo.boxes for code in box.codes()}


# -- E10: partition and heal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ms", [290])
@pytest.mark.parametrize("ways", [((0, 1), (1, 0)), ((0, 1),), ((1, 0),)], ids=["both ways", "one way", "the other"])
def test_e10_a_cut_that_is_shorter_than_the_deadtime(ways: tuple[tuple[int, int], ...], ms: int) -> None:
    duo = up()
    duo.cut(*ways)
    duo.leap(ms / 1000)
    duo.heal()
    stays(duo, *HOME, 3)
    assert not moved(duo) and not any("peer-lost" in box.codes() for box in duo.boxes)


@pytest.mark.parametrize("ways", [((0, 1), (1, 0)), ((0, 1),), ((1, 0),)], ids=["both ways", "one way", "the other"])
def test_e10_heartbeats_are_cut_for_longer_but_the_addresses_still_answer(ways: tuple[tuple[int, int], ...]) -> None:
    """heartbeat: both (with one way cut: the one that hears nothing) take everything, and restart at the heal."""
    duo = up()
    duo.cut(*ways)
    stays(duo, *HOME, 10)
    duo.heal()
    stays(duo, *HOME, 5)
    assert not moved(duo)
    assert any({"peer-lost", "peer-one-way"} & set(box.codes()) for box in duo.boxes), "it is on record"


@pytest.mark.parametrize("card", ["down", "silent", "no-tx", "no-rx"])
def test_e10_a_node_that_is_cut_off_lets_go_and_has_its_own_again_after_the_heal(card: str) -> None:
    """The outage is bounded on both ends, and never two serve."""
    duo = up()
    duo.world.network.cards[0, "eth0"] = card
    assert comes(duo, NONE, ALL, 3) < 2
    stays(duo, NONE, ALL, 5)
    duo.world.network.cards.clear()
    assert comes(duo, *HOME, 5) < 3
    stays(duo, *HOME, 3)
    once(duo)
    assert "taken-over" in duo.boxes[1].codes()


def test_e10_a_split_that_nobody_can_see_is_over_within_two_beats_of_the_heal_and_on_record() -> None:
    """Hole H2. heartbeat stopped everything on both nodes, and started again a deadtime later."""
    duo = up()
    duo.world.network.pairs_cut.add("eth0")
    comes(duo, ALL, ALL, 3)
    duo.leap(5)
    duo.world.network.pairs_cut.clear()
    healed = duo.now
    for _ in range(30):
        duo.leap(0.01)
        duo.judge.look()
    assert {overlap.hole for overlap in duo.judge.overlaps} == {SPLIT}
    took = [(overlap.until_ns - healed) / SECOND for overlap in duo.judge.overlaps]
    assert all(0 < seconds < 0.25 for seconds in took), took
    for box in duo.boxes:
        assert {"peer-lost", "taken-over", "yielded", "peer-two-way"} <= set(box.codes())
    comes(duo, *HOME)
    stays(duo, *HOME, 3)


# -- E12: ping nodes ---------------------------------------------------------------------------------------------------


def test_e12_only_the_peer_lost_it_and_hands_over() -> None:
    """1 to 0, seen from node1; and 0 to 1, seen from node2. When both reach it again, failback brings it home."""
    duo = up()
    duo.control[1] = False
    comes(duo, ALL, NONE, 3)
    stays(duo, ALL, NONE, 5)
    duo.control[1] = True
    comes(duo, *HOME, 5)
    once(duo)
    assert "isolated-handover" in {dict(note.args).get("why") for note in duo.boxes[1].notes}


def test_e12_who_has_nothing_and_loses_it_changes_nothing() -> None:
    duo = up()
    duo.order(1, "standby", node="node2", scope="local")
    comes(duo, ALL, NONE)
    duo.leap(2)
    duo.control[1] = False
    stays(duo, ALL, NONE, 10)


def test_e12_neither_reaches_it() -> None:
    duo = up()
    duo.control = {0: False, 1: False}
    stays(duo, *HOME, 10)
    assert not moved(duo)


@pytest.mark.parametrize("ms", [50, 100, 190])
def test_e12_it_flaps_for_less_than_two_keepalives(ms: int) -> None:
    """Ten times in a row."""
    duo = up()
    for _ in range(10):
        duo.control[0] = False
        duo.leap(ms / 1000)
        duo.control[0] = True
        duo.leap(0.5)
        assert held(duo) == HOME
    assert not moved(duo)


# -- E15: clocks and packets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("number", [0, 1])
def test_e15_a_clock_that_is_set_moves_nothing_and_loses_nobody(number: int, hours: int) -> None:
    duo = up()
    duo.step(number, Wall(UNIX + duo.now + hours * 3600 * SECOND))
    stays(duo, *HOME, 3)
    assert not moved(duo) and not any("peer-lost" in box.codes() for box in duo.boxes)
    duo.power_off(1 - number)
    comes(duo, *((ALL, NONE), (NONE, ALL))[number], 2)


def lossy(configuration: ClusterConfig, seconds: float) -> tuple[Duo, dict[str, list[int]]]:
    """Three of ten frames of every kind are lost. And how long each group was served nowhere, each time, in ms."""
    duo = Duo(configuration)
    duo.boot(0)
    duo.boot(1)
    comes(duo, *HOME, 20)
    duo.leap(2 * configuration.timing.deadtime_ns / SECOND)
    duo.world.noises[0] = Noise(loss=0.3)
    gaps: dict[str, list[int]] = {name: [0] for name in ALL}
    for _ in range(int(seconds * 50)):
        duo.leap(0.02)
        for name in ALL:
            if name not in held(duo)[0] | held(duo)[1]:
                gaps[name][-1] += 20
            elif gaps[name][-1]:
                gaps[name].append(0)
    return duo, gaps


@pytest.mark.parametrize("timing", [HEARTBEAT, PROFILES["vm"]], ids=["heartbeat's own times", "profile vm"])
def test_e15_a_third_of_the_packets_is_lost_and_the_deadtime_is_long(timing: Timing) -> None:
    duo, gaps = lossy(replace(active(), timing=timing), 30)
    assert not moved(duo) and set(map(tuple, gaps.values())) == {(0,)}
    assert not any("peer-lost" in box.codes() for box in duo.boxes)


def test_e15_a_third_of_the_packets_is_lost_and_the_deadtime_is_half_a_second() -> None:
    """Profile standard is not made for such a wire: leases lapse, and there are moves; but never two owners."""
    duo, gaps = lossy(active(), 30)
    once(duo)
    for name, all_gaps in gaps.items():
        assert max(all_gaps) <= 1000 and sum(all_gaps) <= 2000, (name, all_gaps)


def test_e15_what_was_recorded_is_sent_again_and_revives_nobody() -> None:
    """Every beat that node2 took comes again, and forged ones with the highest of numbers, while node1 is off."""
    duo = up()
    duo.power_off(0)
    comes(duo, NONE, ALL, 2)
    for _ in range(20):
        strike(duo.world, Fault(0, "replay", 1))
        duo.leap(0.05)
    stays(duo, NONE, ALL, 1)
    assert "peer-two-way" not in duo.boxes[1].codes()[duo.boxes[1].codes().index("taken-over") :]


def test_e15_a_node_whose_incarnation_is_lower_is_taken_once_its_old_life_is_silent() -> None:
    """Its clock was far ahead, and it was reinstalled. heartbeat called that a replay attack, for ever."""
    duo = Duo(active())
    kernel = duo.boxes[0].machine.kernel
    kernel.incarnation = UNIX // SECOND + 10**8
    duo.boot(0)
    duo.boot(1)
    comes(duo, *HOME)
    before = kernel.incarnation
    duo.power_off(0)
    comes(duo, NONE, ALL, 2)
    kernel.incarnation, kernel.stored = 0, Stored()
    duo.boot(0)
    comes(duo, *HOME, 5)
    assert kernel.incarnation < before
    once(duo)
