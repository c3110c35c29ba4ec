"""What a group is not protected against is said, all of it, as long as it applies (safety.md 4); and how links look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hbcore.engine.classic import why_not
from hbcore.engine.config import MS, SECOND, Guard, Timing, Weight
from hbcore.engine.events import Carrier
from hbcore.engine.group import Phase
from hbcore.engine.holes import Hole, holes, level
from hbcore.engine.lease import STANDARD, lease_of, real_time
from hbcore.engine.peer import LATE_WINDOW_NS, Path
from tests.unit.duo import PING, Duo, config
from tests.unit.test_engine_stories import group, up


def said(duo: Duo, number: int, bits: int = 160) -> list[Hole]:
    engine = duo.boxes[number].engine
    assert engine is not None
    return holes(engine.world, group(duo, number), bits, duo.world.machines[number].now)


def guarded(duo: Duo) -> Duo:
    for machine in duo.world.machines:
        machine.kernel.capable = True
    return duo


def with_guard(guard: Guard) -> Duo:
    (web,) = config().groups
    return guarded(Duo(replace(config(), groups=(replace(web, guard=guard),))))


CONTROL = (("control", PING),)
CASES: dict[str, tuple[Callable[[], Duo], int, list[Hole], str]] = {
    "light": (lambda: guarded(Duo()), 160, [("H2", CONTROL), ("H5", ())], "classic"),
    "a short key": (lambda: guarded(Duo()), 127, [("H2", CONTROL), ("H5", ()), ("H7", (("bits", "127"),))], "classic"),
    "a key just long enough": (lambda: guarded(Duo()), 128, [("H2", CONTROL), ("H5", ())], "classic"),
    "guard: off": (
        lambda: with_guard(Guard.OFF),
        160,
        [("H2", CONTROL), ("H5", ()), ("H6", (("error", "guard: off"), ("seconds", "5")))],
        "classic",
    ),
    "no ping node": (lambda: guarded(Duo(config(pings=()))), 160, [("H3", ()), ("H5", ())], "classic"),
    "heavy": (
        lambda: guarded(Duo(config(Weight.HEAVY))),
        160,
        [("H1", (("why", "heavy"),)), ("H2", CONTROL), ("H4", ()), ("H5", ())],
        "classic",
    ),
    "no address": (
        lambda: guarded(Duo(config(bare=True))),
        160,
        [("H1", (("why", "no-address"),)), ("H2", CONTROL), ("H5", ())],
        "classic",
    ),
    "neither address nor ping node": (
        lambda: guarded(Duo(config(bare=True, pings=()))),
        160,
        [("H1", (("why", "no-address"),)), ("H3", ()), ("H5", ())],
        "none",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_hole_that_applies_is_said_and_no_other(case: str) -> None:
    make, bits, expected, weakest = CASES[case]
    duo = make()
    duo.boot(0)
    duo.boot(1)
    duo.run(12)
    for number in (0, 1):
        found = said(duo, number, bits)
        assert found == expected
        assert level(found, group(duo, number)) == weakest


def test_a_kernel_that_cannot_guard_is_named_with_its_reason() -> None:
    duo = up()
    (code, args), *_ = [hole for hole in said(duo, 0) if hole[0] == "H6"]
    engine = duo.boxes[0].engine
    assert engine is not None and engine.world.guard
    assert (code, dict(args)) == ("H6", {"error": engine.world.guard, "seconds": "5"})


def test_who_never_answers_for_its_address_cannot_veto() -> None:
    duo = guarded(Duo())
    duo.lan = False  # beats go by, questions for addresses do not
    duo.boot(0)
    duo.boot(1)
    duo.run(25)
    assert ("blind", (("peer", "node1"),)) in said(duo, 1)
    assert "blind" not in dict(said(duo, 0)), "its owner asks nobody"
    found = [hole for hole in said(duo, 1) if hole[0] != "H2"]
    assert level(found, group(duo, 1)) == "classic"
    assert level([*found, ("H3", ())], group(duo, 1)) == "none"
    probing = group(duo, 1).probing
    assert probing.expected_rounds > 1
    probing.expected_rounds = 1
    assert "blind" not in dict(said(duo, 1)), "one round may be lost"
    duo.lan = True
    duo.run(25)
    assert "blind" not in dict(said(duo, 1))


def test_a_suspended_veto_is_said_until_the_ping_node_answers() -> None:
    duo = up(guarded(Duo()))
    duo.control = {0: False, 1: False}
    duo.run(5)
    assert ("suspended", CONTROL) in said(duo, 0) and ("suspended", CONTROL) in said(duo, 1)
    duo.control = {0: True, 1: True}
    duo.run(5)
    assert "suspended" not in dict(said(duo, 0))


# -- links -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "two_way", "state"),
    [(0, 0, "up"), (249, 249, "up"), (250, 250, "late"), (499, 499, "late"), (500, 500, "down"), (499, 500, "late"),
     (0, 299, "up"), (0, 300, "one-way"), (249, 300, "one-way"), (250, 300, "late"), (0, 5000, "one-way")],
)  # fmt: skip
def test_a_link_is_up_late_one_way_or_down(heard: int, two_way: int, state: str) -> None:
    """By the ms since its last beat, and since the last that said we are heard; L is 300 ms."""
    timing = Timing(100 * MS, 250 * MS, 500 * MS, 1000 * MS, 500 * MS)
    now = 100 * SECOND
    path = Path("eth0", "mcast", heard_ns=now - heard * MS, two_way_ns=now - two_way * MS)
    assert path.state(now, timing, lease_of(timing)) == state


def test_a_link_that_was_never_heard_is_down_and_late_beats_are_counted_for_five_minutes() -> None:
    path = Path("eth0", "mcast")
    assert path.state(100 * MS, Timing(), lease_of(Timing())) == "down"
    now = 1000 * SECOND
    path.late.extend([now - LATE_WINDOW_NS, now - LATE_WINDOW_NS + 1, now])
    assert path.late_in_window(now) == 2


def test_a_carrier_is_told_once_each_way() -> None:
    duo = up()
    for is_up in (False, True):
        duo.step(0, Carrier("eth0", is_up))
        duo.run(0.2)
    told = [(n.code, n.severity, n.about) for n in duo.boxes[0].notes if n.code.startswith("carrier")]
    assert told == [("carrier-down", "warning", "eth0"), ("carrier-up", "info", "eth0")]


def test_real_time_scheduling_is_asked_for_by_a_short_ticket_or_a_short_slack() -> None:
    assert not real_time(STANDARD)
    assert real_time(replace(STANDARD, ticket_ns=STANDARD.ticket_ns - 1))
    assert real_time(replace(STANDARD, slack_ns=STANDARD.slack_ns - 1))


# -- why not here ------------------------------------------------------------------------------------------------------


def why(duo: Duo, number: int = 1) -> str:
    engine = duo.boxes[number].engine
    assert engine is not None
    return why_not(engine.world, group(duo, number), duo.world.machines[number].now)


def seen(duo: Duo, seconds: float, number: int = 1) -> list[str]:
    """What it says in turn while it does not run the group."""
    codes: list[str] = []
    for _ in range(round(seconds * 100)):
        duo.run(0.01)
        if duo.boxes[number].engine is not None and group(duo, number).phase is not Phase.RUNNING:
            code = why(duo, number)
            codes += [code] * (codes[-1:] != [code])
    return codes


def test_a_node_says_in_turn_why_it_does_not_run_a_group_yet() -> None:
    duo = Duo()
    duo.boot(1)
    duo.run(1)
    assert why(duo) == "initdead"
    assert seen(duo, 15)[:3] == ["initdead", "less-preferred-waits", "claiming-now"]


def test_a_veto_a_lost_ping_node_and_a_beat_in_one_direction_are_each_said() -> None:
    duo = up()
    assert why(duo) == ""
    duo.cut()
    duo.run(3)
    assert why(duo) == "vip-answers"
    duo = up()
    duo.control = {0: True, 1: False}
    duo.run(2)
    duo.power_off(0)
    duo.run(1)
    assert why(duo) == "control-lost"
    duo.control = {0: True, 1: True}
    assert "control-unsteady" in seen(duo, 1.0)
    duo = up()
    duo.cut((1, 0))
    assert "one-way" in seen(duo, 0.6)


def test_a_machine_that_answers_and_a_foreign_host_are_each_said() -> None:
    duo = Duo(config(bare=True))
    duo.boot(0)
    duo.boot(1)
    duo.run(14)
    duo.cut()
    duo.run(3)
    assert why(duo) == "machine-answers"
    duo = up()
    duo.foreign = True
    duo.power_off(0)
    assert "vip-foreign" in seen(duo, 4)
