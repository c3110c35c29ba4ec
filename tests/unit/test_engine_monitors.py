"""Resources that fail by themselves: noticed, mended in place, moved when that does not help."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.beat import Mode, Stand, State
from hbcore.engine.config import MS, SECOND, Address, Care, OnFail, Resource
from hbcore.engine.effects import Run
from hbcore.engine.events import Done, Outcome
from hbcore.engine.group import Phase
from hbcore.engine.member import STATUS_RETRY_NS, Member, Res
from tests.unit.lone import Lone, owner

EVERY_MS = 10_000
BEHIND = Resource("mailer", "script", "mailer")


def member(lone: Lone, name: str = "httpd") -> Member:
    return next(m for m in lone.group.members if m.resource.name == name)


def care(lone: Lone, **wanted: object) -> None:
    """For httpd, from now on."""
    one = member(lone)
    one.resource = replace(one.resource, care=replace(one.resource.care, **wanted))  # type: ignore[arg-type]


def proved(**more: object) -> Lone:
    """It runs, and its status said so."""
    lone = owner(**more)  # type: ignore[arg-type]
    lone.run(EVERY_MS + 100, lone.beat(epoch=4))
    assert member(lone).proved
    lone.out.clear()
    return lone


def dies(lone: Lone, name: str = "httpd") -> None:
    """By itself, and one monitor passes."""
    lone.up.discard(name)
    lone.run(EVERY_MS, lone.beat(epoch=4))


def begun(lone: Lone) -> list[str]:
    return [f"{e.operation} {e.resource.name}" for e in lone.out if isinstance(e, Run) and e.operation != "status"]


def test_what_runs_is_asked_every_ten_seconds_but_not_its_address() -> None:
    lone = owner()
    lone.out.clear()
    lone.run(3 * EVERY_MS + 100, lone.beat(epoch=4))
    asked = [e for e in lone.out if isinstance(e, Run)]
    assert [(e.operation, e.resource.name, e.timeout_ns) for e in asked] == [("status", "httpd", 20 * SECOND)] * 3


def test_what_is_not_to_be_monitored_is_never_asked() -> None:
    lone = proved()
    care(lone, monitor_ns=0)
    member(lone).plan_monitor(lone.now)
    lone.run(3 * EVERY_MS, lone.beat(epoch=4))
    assert lone.ran("status") == []


def test_a_service_that_died_is_started_again_in_its_place_and_the_address_stays() -> None:
    lone = proved()
    dies(lone)
    assert begun(lone) == ["stop httpd", "start httpd"]
    assert lone.codes == ["resource-failed", "group-started"] and member(lone).failures == 1
    assert lone.group.owner and lone.group.token.epoch == 4 and lone.group.phase is Phase.RUNNING
    assert not lone.group.failed


def test_all_that_started_after_it_is_stopped_first() -> None:
    lone = proved(more=(BEHIND,))
    lone.up |= {"mailer"}
    dies(lone)
    assert begun(lone) == ["stop mailer", "stop httpd", "start httpd", "start mailer"]
    lone.out.clear()
    dies(lone, "mailer")
    assert begun(lone) == ["stop mailer", "start mailer"], "what stands before it is not touched"


def test_an_address_behind_it_stays_on_too() -> None:
    """No client is better off without, and its gate would ask for a new right."""
    address = Resource("192.168.100.101", "address", "IPaddr", (), Address("192.168.100.101", 24, "eth0"))
    lone = proved(more=(address,))
    dies(lone)
    assert begun(lone) == ["stop httpd", "start httpd"]


def test_while_it_is_mended_the_group_is_held_and_said_to_be_starting() -> None:
    lone = proved()
    lone.slow = True
    dies(lone)
    (asked,) = [e for e in lone.out if isinstance(e, Run)]
    lone.step(Done(asked.op, Outcome.STOPPED))
    assert lone.group.phase is Phase.MENDING
    assert (lone.said().stand, lone.said().state) == (Stand.HOLDS, State.STARTING)


def test_the_fourth_failure_in_ten_minutes_moves_it() -> None:
    lone = proved()
    for _ in range(3):
        dies(lone)
        assert lone.group.phase is Phase.RUNNING
    lone.out.clear()
    dies(lone)
    assert "moving" in lone.codes and begun(lone) == ["stop httpd", "stop 192.168.100.100"]
    assert not lone.group.owner and lone.group.failed and lone.group.token.epoch == 5


def test_failures_of_long_ago_do_not_count() -> None:
    lone = proved()
    care(lone, forget_ns=15 * SECOND)
    for _ in range(6):
        dies(lone)
        lone.run(2 * EVERY_MS, lone.beat(epoch=4))
    assert lone.group.owner and member(lone).failures == 6 and "moving" not in lone.codes


def test_where_the_other_cannot_take_it_it_is_mended_here_however_often_it_failed() -> None:
    lone = proved()
    for _ in range(6):
        lone.up.discard("httpd")
        lone.run(EVERY_MS, lone.beat(epoch=4, mode=Mode.STANDBY))
    assert lone.codes.count("resource-failed") == 6 == lone.codes.count("group-started")
    assert lone.group.phase is Phase.RUNNING and not lone.group.failed, "it runs: nothing is held against this node"


def test_on_fail_move_moves_at_the_first_failure() -> None:
    lone = proved()
    care(lone, on_fail=OnFail.MOVE)
    dies(lone)
    assert "moving" in lone.codes and not lone.group.owner


def test_on_fail_ignore_tells_and_does_nothing() -> None:
    lone = proved()
    care(lone, on_fail=OnFail.IGNORE)
    for _ in range(5):
        dies(lone)
    assert set(lone.codes) == {"resource-failed"} and begun(lone) == [] and member(lone).failures == 5


def test_a_status_that_never_said_yes_is_not_believed_when_it_says_no() -> None:
    lone = owner()
    lone.sure = member(lone).proved = False  # as after a start whose first monitor said no
    lone.out.clear()
    for _ in range(3):
        dies(lone)
    assert lone.codes == ["monitor-blind"] and begun(lone) == [], "told once"
    lone.up.add("httpd")
    lone.run(EVERY_MS, lone.beat(epoch=4))
    dies(lone)
    assert begun(lone) == ["stop httpd", "start httpd"], "from its first yes on"


def test_an_agent_with_exit_codes_is_believed_from_the_start() -> None:
    lone = owner()
    member(lone).proved = False
    dies(lone)
    assert "resource-failed" in lone.codes


def test_an_answer_that_says_nothing_is_asked_again_soon_and_counts_the_second_time() -> None:
    lone = proved()
    lone.status = Outcome.UNKNOWN
    due = member(lone).monitor_ns
    lone.run((due - lone.now) // MS + 40, lone.beat(epoch=4))
    assert lone.codes == ["status-unknown"] and begun(lone) == []
    assert member(lone).monitor_ns - due <= STATUS_RETRY_NS + 20 * MS
    lone.run(STATUS_RETRY_NS // MS + 40, lone.beat(epoch=4))
    assert begun(lone)[:1] == ["stop httpd"], "unknown is not stopped: it is stopped before it is started"


def test_a_monitor_under_way_holds_nothing_up_and_its_late_answer_counts_for_nothing() -> None:
    lone = proved()
    lone.slow = True
    lone.run(EVERY_MS, lone.beat(epoch=4))
    (asked,) = [e for e in lone.out if isinstance(e, Run)]
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(40, lone.beat(epoch=4))
    assert begun(lone) == ["stop httpd"]
    lone.step(Done(asked.op, Outcome.STOPPED))
    assert member(lone).state is Res.STOPPING and "resource-failed" not in lone.codes


def test_a_stop_that_fails_while_it_is_mended_is_tried_again_and_blocks_in_the_end() -> None:
    lone = proved()
    lone.stop = Outcome.FAILED
    lone.status = Outcome.UNKNOWN
    lone.run(60_000, lone.beat(epoch=4))
    assert lone.group.phase is Phase.BLOCKED and lone.ran("start") == [] and lone.group.token.mine


def test_each_operation_has_the_time_its_care_gives_it() -> None:
    timing = Care(start_ns=SECOND, stop_ns=2 * SECOND, status_ns=3 * SECOND)
    lone = owner(more=(replace(BEHIND, care=timing),))
    lone.run(EVERY_MS + 100, lone.beat(epoch=4))
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(200, lone.beat(epoch=4))
    given = {e.operation: e.timeout_ns for e in lone.out if isinstance(e, Run) and e.resource.name == "mailer"}
    assert given == {"start": SECOND, "stop": 2 * SECOND, "status": 3 * SECOND}


@pytest.mark.parametrize("spent", [False, True])
def test_clear_forgets_failures(spent: bool) -> None:
    lone = proved()
    for _ in range(3 + spent):
        dies(lone)
    lone.engine.world.book.put("clear", "web", "cleared", now_s=0)
    lone.run(100, lone.beat(epoch=5))
    assert member(lone).failures == 0 and member(lone).failed_ns == () and not lone.group.failed


def test_a_start_that_hung_is_not_one_that_worked() -> None:
    lone = Lone()
    lone.start = Outcome.UNKNOWN
    lone.run(200, lone.beat(Stand.RELEASED, 4))
    lone.run(1000, lone.beat(epoch=4))
    assert "start-failed" in lone.codes and "group-started" not in lone.codes and lone.ran("stop")
