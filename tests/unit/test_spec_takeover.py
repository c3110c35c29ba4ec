"""Cases of heartbeat's specification (tests/unit/cases.py): E5 scripts that fail or hang, E6 and E7 the death of a
peer, E8 starts at the same time and one after the other, E14 an end in the middle of something.

Told with two simulated nodes; what heartbeat did is in docs/heartbeat-cases.md.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.classic import why_not
from hbcore.engine.config import SECOND, Care, ClusterConfig, Resource, Weight
from hbcore.engine.events import Outcome
from hbcore.engine.group import STOP_RETRIES, Phase
from hbcore.engine.holes import holes
from tests.unit.active import A, active, comes, held, once, stays, until, up
from tests.unit.duo import VIP, Box, Duo, config
from tests.unit.lone import owner

WHOLE = {VIP, "httpd", "late"}
SHORT = Care(start_ns=3 * SECOND, stop_ns=SECOND)  # timeouts (60 s each, where nothing is said)
TRIES = STOP_RETRIES + 1


def middle() -> ClusterConfig:
    """A group of three: the script in the middle is the one that fails."""
    one = config()
    (web,) = one.groups
    vip, httpd = web.resources
    three = (vip, replace(httpd, care=SHORT), Resource("late", "script", "late"))
    return replace(one, groups=(replace(web, resources=three),))


def phase(duo: Duo, number: int, group: str = "web") -> Phase:
    engine = duo.boxes[number].engine
    assert engine is not None
    return engine.world.groups[group].phase


def reason(duo: Duo, number: int, group: str = "web") -> str:
    """Why it does not run here."""
    engine = duo.boxes[number].engine
    assert engine is not None
    return why_not(engine.world, engine.world.groups[group], duo.boxes[number].machine.now)


def shown_holes(duo: Duo, number: int, group: str = "web") -> set[str]:
    engine = duo.boxes[number].engine
    assert engine is not None
    found = holes(engine.world, engine.world.groups[group], 256, duo.boxes[number].machine.now)
    return {code for code, _ in found}


def ever(duo: Duo, box: Box, name: str, seconds: float) -> bool:
    """Whether this runs there at any moment of so long a time."""
    seen = False
    for _ in range(int(seconds * 100)):
        duo.leap(0.01)
        seen = seen or name in box.running
    return seen


# -- E5: scripts that fail or hang -------------------------------------------------------------------------------------


def test_e5_a_start_that_fails_in_the_middle_is_rolled_back_and_the_other_node_gets_it() -> None:
    """What stood before it is taken off, what would have come after it is never begun; the failure is told once."""
    duo = Duo(middle())
    duo.boxes[0].fails = {"start httpd"}
    duo.boot(0)
    duo.boot(1)
    assert not ever(duo, duo.boxes[0], "late", 3)
    assert duo.boxes[0].running.names() == set() and duo.boxes[1].running.names() == WHOLE
    assert duo.boxes[0].codes().count("start-failed") == 1
    once(duo)


def test_e5_a_start_that_fails_on_both_nodes_is_tried_once_on_each_and_waits_for_a_person() -> None:
    """heartbeat could send it back and forth for ever."""
    duo = Duo(middle())
    for box in duo.boxes:
        box.fails = {"start httpd"}
    duo.boot(0)
    duo.boot(1)
    duo.leap(60)
    assert [box.codes().count("start-failed") for box in duo.boxes] == [1, 1]
    assert [box.running.names() for box in duo.boxes] == [set(), set()]
    duo.boxes[1].fails = set()
    assert not duo.order(0, "group-clear", group="web").refused
    until(duo, lambda: duo.boxes[1].running.names() == WHOLE, 10)
    once(duo)


def test_e5_a_stop_that_fails_of_what_does_not_run_any_more_is_a_stop() -> None:
    """heartbeat asked only after eleven tries; here the status is asked after the first."""
    lone = owner()
    lone.stop = Outcome.FAILED
    lone.up.clear()  # it says that it failed, and yet nothing runs
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(300, lone.beat(epoch=4))
    assert lone.group.phase is Phase.IDLE and "stop-blocked" not in lone.codes
    assert lone.ran("stop") == ["httpd", VIP]


def test_e5_a_start_that_hangs_is_killed_at_its_timeout_rolled_back_and_given_to_the_other() -> None:
    duo = Duo(middle())
    duo.boxes[0].hangs = {"start httpd"}
    duo.boot(0)
    duo.boot(1)
    took = until(duo, lambda: duo.boxes[1].running.names() == WHOLE, 10)
    assert 3 <= took <= 4.5 and duo.boxes[0].running.names() == set()
    once(duo)


def test_e5_a_stop_that_hangs_is_never_passed_on_and_ends_in_a_blocked_group() -> None:
    """Eleven tries, a second apart, each killed at its timeout; then a person is asked, and nothing is rebooted."""
    duo = Duo(middle())
    duo.boot(0)
    duo.boot(1)
    until(duo, lambda: duo.boxes[0].running.names() == WHOLE, 5)
    duo.leap(2)
    duo.boxes[0].hangs = {"stop httpd"}
    duo.order(0, "standby", node=A)
    took = until(duo, lambda: phase(duo, 0) is Phase.BLOCKED, 30)
    assert 2 * TRIES - 1 <= took <= 2.1 * TRIES
    assert duo.boxes[0].codes().count("stop-failed") == TRIES
    assert not duo.boxes[1].running and "httpd" in duo.boxes[0].running


# -- E6: the peer dies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", list(Weight))
def test_e6_of_one_that_held_nothing_nothing_is_taken_and_nobody_is_asked(weight: Weight) -> None:
    duo = up(active(weight))
    assert not duo.order(1, "takeover", node=A).refused
    comes(duo, {"web", "ftp"}, set())
    duo.leap(2)
    duo.power_off(1)
    stays(duo, {"web", "ftp"}, set(), 10)
    assert not {"claiming", "taken-over"} & set(duo.boxes[0].codes())


@pytest.mark.parametrize("weight", list(Weight))
def test_e6_of_one_that_held_its_own_these_are_taken(weight: Weight) -> None:
    """A heavy group, too, on the presumption that a machine that does not answer is off: hole H1, and it is shown."""
    duo = up(active(weight))
    duo.power_off(1)
    assert comes(duo, {"web", "ftp"}, set()) < 1.5
    assert ("H1" in shown_holes(duo, 0, "ftp")) is (weight is Weight.HEAVY)
    assert "taken-over" in duo.boxes[0].codes()


@pytest.mark.parametrize("weight", list(Weight))
def test_e6_of_one_that_held_all_all_are_taken(weight: Weight) -> None:
    duo = up(active(weight))
    assert not duo.order(1, "takeover", node=A).refused
    comes(duo, {"web", "ftp"}, set())
    duo.leap(2)
    duo.power_off(0)
    assert comes(duo, set(), {"web", "ftp"}) < 1.5
    once(duo)


@pytest.mark.parametrize("had", ["local", "all"])
def test_e6_a_machine_that_still_answers_keeps_its_heavy_groups_until_somebody_looked(had: str) -> None:
    """Its address is gone, so it may be dead or deaf: without fencing nobody can tell. Blocked, and said why."""
    duo = up(active(Weight.HEAVY))
    if had == "all":
        duo.order(1, "takeover", node=A)
        comes(duo, {"web", "ftp"}, set())
        duo.leap(2)
    taken = {"local": {"web"}, "all": {"web", "ftp"}}[had]
    duo.freeze(0)
    duo.boxes[0].machine.kernel.addresses.clear()
    duo.leap(30)
    assert held(duo)[1] == {"web", "ftp"} - taken
    for name in taken:
        assert reason(duo, 1, name) == "machine-answers" and {"H1", "H4"} <= shown_holes(duo, 1, name)
    duo.power_off(0)
    assert not duo.order(1, "fence", node=A).refused
    assert comes(duo, set(), {"web", "ftp"}) < 3


def test_e6_a_light_group_is_taken_though_the_machine_answers() -> None:
    """It may run twice for a moment, and its address was silent."""
    duo = up()
    duo.freeze(0)
    duo.boxes[0].machine.kernel.addresses.clear()
    until(duo, lambda: "web" in held(duo)[1], 3)


# -- E7: the blocked takeover ends -------------------------------------------------------------------------------------


def test_e7_a_blocked_takeover_is_forgotten_when_the_peer_is_heard_again() -> None:
    """heartbeat went on trying to reset a node that had long come back."""
    duo = up(active(Weight.HEAVY))
    duo.freeze(0)
    duo.boxes[0].machine.kernel.addresses.clear()
    duo.leap(20)
    assert reason(duo, 1) == "machine-answers"
    duo.thaw(0)
    until(duo, lambda: "web" in held(duo)[0], 5)
    stays(duo, {"web"}, {"ftp"}, 10)
    assert "taken-over" not in duo.boxes[1].codes()
    once(duo)


# -- E8: who starts when -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("apart_ms", [0, 20, 240])
def test_e8_both_start_at_about_the_same_time(first: int, apart_ms: int) -> None:
    duo = Duo(active())
    duo.boot(first)
    duo.leap(apart_ms / 1000)
    duo.boot(1 - first)
    assert comes(duo, {"web"}, {"ftp"}) < 1
    stays(duo, {"web"}, {"ftp"}, 2)
    once(duo)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("apart", [3.0, 12.6, 20.0])
def test_e8_one_starts_within_initdead_of_the_other_or_after_it(first: int, apart: float) -> None:
    """Within it neither had anything yet; after it the lone one has all, and what is not its own goes home."""
    duo = Duo(active())
    duo.boot(first)
    duo.leap(apart)
    alone = held(duo)[first]
    assert alone == set() if apart < 12 else alone == {"web", "ftp"} or apart < 14
    duo.boot(1 - first)
    comes(duo, {"web"}, {"ftp"})
    stays(duo, {"web"}, {"ftp"}, 2)
    once(duo)


@pytest.mark.parametrize("into_ms", [0, 30, 990, 1030])
def test_e8_one_starts_while_the_other_is_shutting_down(into_ms: int) -> None:
    """node1 alone has all and needs a second for each stop; node2 comes up meanwhile, and gets what is stopped."""
    duo = Duo(active())
    duo.boot(0)
    comes(duo, {"web", "ftp"}, set(), 20)
    duo.boxes[0].stop_ns = SECOND
    duo.leap(1)
    duo.leave(0)
    duo.leap(into_ms / 1000)
    duo.boot(1)
    comes(duo, set(), {"web", "ftp"}, 20)
    assert duo.boxes[0].gone is True
    once(duo)


# -- E14: the end in the middle of something ---------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.3, 11.9])
def test_e14_sigterm_before_the_other_was_ever_heard(after: float) -> None:
    """heartbeat put it off until communication was up."""
    duo = Duo(active())
    duo.boot(0)
    duo.leap(after)
    duo.leave(0)
    assert until(duo, lambda: duo.boxes[0].gone is True, 3) < 1
    assert not duo.boxes[0].running


@pytest.mark.parametrize("into_ms", [1, 150, 205])
def test_e14_sigterm_during_a_takeover(into_ms: int) -> None:
    """While it announces, starts (its script takes a third of a second) or has just begun to serve."""
    duo = up()
    duo.boxes[1].start_ns = SECOND // 3
    duo.power_off(0)
    until(duo, lambda: phase(duo, 1) is Phase.CLAIMING, 2)
    duo.leap(into_ms / 1000)
    duo.leave(1)
    assert until(duo, lambda: duo.boxes[1].gone is True, 5) < 2
    assert not duo.boxes[1].running
    duo.boot(0)
    comes(duo, {"web", "ftp"}, set(), 20)


def test_e14_sigterm_with_a_stop_that_hangs_ends_in_bounded_time_and_gives_away_only_what_is_stopped() -> None:
    """The hung one is tried eleven times, then left as it is, and the other node does not start it."""
    duo = up(active(Weight.HEAVY, care=SHORT))
    duo.boxes[0].hangs = {"stop httpd"}
    duo.order(0, "takeover", node=A)
    comes(duo, {"web", "ftp"}, set())
    duo.leap(2)
    duo.leave(0)
    comes(duo, {"web"}, {"ftp"}, 5)
    took = until(duo, lambda: duo.boxes[0].gone is not None, 30)
    assert took <= 2.1 * TRIES and duo.boxes[0].gone is False
    duo.leap(15)
    assert held(duo)[1] == {"ftp"} and "httpd" in duo.boxes[0].running
    once(duo)
