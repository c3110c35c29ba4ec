"""Two nodes, told as stories: boot, loss, cuts, isolation, heal, failback, orders. Nobody ever runs it twice."""

from __future__ import annotations

from dataclasses import replace

from hbcore.engine.beat import Verdict
from hbcore.engine.config import SECOND, Address, GroupDef, Resource, Weight
from hbcore.engine.effects import Stored
from hbcore.engine.events import Guarded, Wall
from hbcore.engine.group import UNSEEN, Phase
from hbcore.engine.table import Peer
from tests.unit.duo import NAMES, VIP, Duo, config


def up(duo: Duo | None = None) -> Duo:
    """Both boot; the preferred one serves."""
    duo = duo or Duo()
    duo.boot(0)
    duo.boot(1)
    duo.until(lambda: duo.where() == (0,), 5)
    duo.run(2)
    return duo


def group(duo: Duo, number: int):  # type: ignore[no-untyped-def]
    engine = duo.boxes[number].engine
    assert engine is not None
    return engine.world.groups["web"]


def row(duo: Duo, number: int) -> str:
    return str(group(duo, number).row)


def test_who_dies_just_after_a_planned_move_is_followed_as_soon_as_any_other() -> None:
    """It had not called the giver lost, so nothing has to be left to it for longer than a release is good."""
    duo = up()
    assert not duo.order(0, "group-move", NAMES[1], "web").refused
    duo.until(lambda: duo.where() == (1,), 5)
    duo.run(0.05)
    duo.power_off(1)
    assert duo.until(lambda: duo.where() == (0,), 5) < 1.3


def test_both_boot_and_the_preferred_one_serves_without_waiting_for_initdead() -> None:
    duo = Duo()
    duo.boot(0)
    duo.boot(1)
    assert duo.until(lambda: "httpd" in duo.boxes[0].running) < 1.0
    duo.run(20)
    assert duo.where() == (0,) and not duo.twice()


def test_a_lone_node_waits_for_initdead_and_the_less_preferred_one_a_deadtime_more() -> None:
    for number, extra in ((0, 0.0), (1, 0.5)):
        duo = Duo()
        duo.boot(number)
        took = duo.until(lambda: bool(duo.where()), 20)  # noqa: B023
        assert 12.0 + extra <= took <= 12.9 + extra


def test_power_off_takeover_and_failback() -> None:
    duo = up()
    begun = duo.now
    duo.power_off(0)
    assert duo.until(lambda: duo.where() == (1,), 5) <= 0.75
    duo.run(5)
    duo.boot(0)
    duo.until(lambda: duo.where() == (0,), 10)
    duo.run(5)
    assert duo.where() == (0,) and not duo.twice()
    assert duo.outage(begun) <= 0.75
    assert "failback" in [dict(n.args).get("why") for n in duo.boxes[1].notes]


def test_the_fourth_failback_in_ten_minutes_stays_and_says_why() -> None:
    duo = up()
    for _ in range(3):
        duo.power_off(0)
        duo.until(lambda: duo.where() == (1,), 5)
        duo.run(3)
        duo.boot(0)
        duo.until(lambda: duo.where() == (0,), 10)
        duo.run(3)
    duo.power_off(0)
    duo.until(lambda: duo.where() == (1,), 5)
    duo.boot(0)
    duo.run(20)
    assert duo.where() == (1,) and group(duo, 1).manual
    duo.order(0, "group-clear", group="web")  # on the node that knows nothing of the damping
    duo.until(lambda: duo.where() == (0,), 10)
    assert not duo.twice()


def test_heartbeats_cut_both_ways_the_owner_keeps_and_the_other_is_vetoed() -> None:
    duo = up()
    duo.cut()
    duo.run(15)
    assert duo.where() == (0,) and row(duo, 0) == "O4" and row(duo, 1) == "S6"
    duo.heal()
    duo.run(5)
    assert duo.where() == (0,) and row(duo, 1) == "S1" and len(duo.owners) == 1


def test_heartbeats_cut_one_way() -> None:
    for way, mine, theirs in (((0, 1), "O4", "S6"), ((1, 0), "O4", "S3")):
        duo = up()
        duo.cut(way)
        duo.run(15)
        assert duo.where() == (0,) and (row(duo, 0), row(duo, 1)) == (mine, theirs), way
        duo.heal()
        duo.run(3)
        assert duo.where() == (0,) and not duo.twice()


def test_the_ping_node_gone_for_a_minute_moves_nothing() -> None:
    duo = up()
    before = len(duo.owners)
    duo.control = {0: False, 1: False}
    duo.run(60)
    assert len(duo.owners) == before
    verdicts = [b.engine.world.verdict(group(duo, b.number), duo.now) for b in duo.boxes if b.engine]
    assert verdicts == [Verdict.SUSPENDED, Verdict.SUSPENDED]
    duo.heal()
    duo.run(3)
    assert len(duo.owners) == before


def test_only_the_owner_loses_the_ping_node_and_hands_over() -> None:
    duo = up()
    duo.control[0] = False
    duo.until(lambda: duo.where() == (1,), 3)
    assert row(duo, 1) in ("O1", "O4") and not duo.twice()


def test_an_owner_cut_off_from_everything_lets_go_before_the_other_takes_over() -> None:
    duo = up()
    begun = duo.now
    duo.cut()
    duo.control[0] = duo.lan = False
    duo.until(lambda: duo.where() == (1,), 5)
    assert not duo.twice(), "the lease ends before deadtime"
    assert duo.outage(begun) < 0.75
    duo.run(5)
    duo.heal()
    duo.until(lambda: duo.where() == (0,), 10)
    assert not duo.twice()


def test_a_frozen_owner_keeps_its_address_and_the_other_is_vetoed_then_all_is_well() -> None:
    duo = up()
    duo.freeze(0)
    duo.run(8)
    assert duo.where() == (0,) and row(duo, 1) == "S6"
    duo.thaw(0)
    duo.run(5)
    assert duo.where() == (0,) and not duo.twice()
    assert "stalled" in duo.boxes[0].codes() and "lapse-reopened" in duo.boxes[0].codes()


def test_a_frozen_heavy_owner_blocks_the_takeover() -> None:
    duo = up(Duo(config(Weight.HEAVY)))
    duo.freeze(0)
    duo.boxes[0].running.discard(VIP)  # even when the address does not answer, its machine does
    duo.run(8)
    assert duo.where() == () and row(duo, 1) == "S7"


def test_a_clean_leave_hands_over_at_once() -> None:
    duo = up()
    begun = duo.now
    duo.leave(0)
    duo.until(lambda: duo.where() == (1,), 2)
    assert duo.boxes[0].gone is True and duo.outage(begun) < 0.1 and not duo.twice()


def test_standby_and_online() -> None:
    duo = up()
    plan = duo.order(1, "standby", node="node1")
    assert [(line.kind, line.subject) for line in plan.lines] == [("move", "web"), ("mode", "node1")]
    duo.until(lambda: duo.where() == (1,), 2)
    duo.run(30)
    assert duo.where() == (1,), "standby lasts until online"
    duo.order(0, "online", node="node1")
    duo.until(lambda: duo.where() == (0,), 5)
    assert not duo.twice()


def test_takeover_pins_until_clear() -> None:
    duo = up()
    duo.order(1, "takeover")
    duo.until(lambda: duo.where() == (1,), 2)
    duo.run(30)
    assert duo.where() == (1,)
    duo.order(0, "group-clear", group="web")
    duo.until(lambda: duo.where() == (0,), 5)
    assert not duo.twice()


def test_a_pin_expires() -> None:
    duo = up()
    duo.order(1, "takeover")
    duo.until(lambda: duo.where() == (1,), 2)
    duo.run(5)
    assert duo.where() == (1,)
    for number in (0, 1):
        duo.step(number, Wall(1_700_000_000 * SECOND + duo.now + 8 * 3600 * SECOND))
    duo.until(lambda: duo.where() == (0,), 5)


def test_standby_of_the_last_node_is_refused() -> None:
    duo = up()
    duo.power_off(1)
    duo.run(2)
    plan = duo.order(0, "standby", node="node1")
    assert plan.refused == "no-other-node" and duo.where() == (0,)


def test_a_stopped_group_stays_stopped_also_over_a_loss() -> None:
    duo = up()
    duo.order(1, "group-stop", group="web")
    duo.until(lambda: duo.where() == () and not duo.boxes[0].running, 2)
    duo.power_off(0)
    duo.run(20)
    assert duo.where() == ()
    duo.order(1, "group-start", group="web")
    duo.until(lambda: duo.where() == (1,), 5)


def test_a_start_that_fails_goes_to_the_other_node_and_does_not_come_back() -> None:
    duo = Duo()
    duo.boxes[0].fails.add("start httpd")
    duo.boot(0)
    duo.boot(1)
    duo.until(lambda: "httpd" in duo.boxes[1].running, 5)
    duo.run(30)
    assert duo.where() == (1,) and not duo.twice()
    assert duo.boxes[0].codes().count("start-failed") == 1
    duo.boxes[0].fails.clear()
    duo.order(0, "group-clear", group="web")
    duo.until(lambda: duo.where() == (0,), 5)


def test_a_stop_that_fails_blocks_and_keeps_the_token() -> None:
    duo = up()
    duo.boxes[0].fails.add("stop httpd")
    duo.order(1, "standby", node="node1")
    duo.run(20)
    assert duo.where() == (0,) and group(duo, 0).phase is Phase.BLOCKED and "httpd" not in duo.boxes[1].running
    duo.boxes[0].fails.clear()
    duo.order(1, "group-clear", group="web")
    duo.until(lambda: duo.where() == (1,), 5)
    assert not duo.twice()


def test_a_new_daemon_adopts_what_runs() -> None:
    duo = up()
    before = len(duo.owners)
    duo.lose_daemon(0)
    duo.run(0.4)
    duo.new_daemon(0)
    duo.run(5)
    assert len(duo.owners) == before and group(duo, 0).phase is Phase.RUNNING


def test_a_daemon_that_stays_away_is_abandoned_by_pulse() -> None:
    duo = up()
    box = duo.boxes[0]
    assert box.heart is not None
    duo.lose_daemon(0)
    duo.until(lambda: duo.where() == (1,), 3)
    assert not duo.twice() and box.heart.released == {"web": group(duo, 1).token.epoch}


def test_both_boot_with_the_service_running_only_one_keeps_it() -> None:
    duo = Duo()
    duo.boot(0, running={"httpd"})
    duo.boot(1, running={"httpd"})
    duo.run(5)
    assert duo.where() == (0,) and "httpd" not in duo.boxes[1].running and not duo.twice()


def test_a_node_that_boots_with_the_service_running_does_not_disturb_the_owner() -> None:
    duo = up()
    duo.power_off(1)
    duo.run(3)
    duo.boot(1, running={"httpd"})
    duo.run(5)
    assert duo.where() == (0,) and "httpd" not in duo.boxes[1].running and not duo.twice()


def test_a_boot_in_the_dark_is_vetoed_by_the_living_owner() -> None:
    duo = up()
    duo.power_off(1)
    duo.cut()
    duo.boot(1)
    duo.run(30)
    assert duo.where() == (0,) and row(duo, 1) == "S6"


def test_a_foreign_holder_is_waited_for_three_seconds_and_named() -> None:
    duo = up()
    duo.foreign = True
    duo.power_off(0)
    assert 3.0 <= duo.until(lambda: duo.where() == (1,), 10) <= 4.5
    assert "vip-conflict" in duo.boxes[1].codes()


def test_an_isolated_standby_node_does_not_take_over() -> None:
    duo = up()
    duo.cut()
    duo.control[1] = duo.lan = False
    duo.run(30)
    assert duo.where() == (0,) and row(duo, 1) == "S4"


def test_no_control_configured_takes_over_and_owner_goes_on_alone() -> None:
    duo = up(Duo(config(pings=())))
    duo.power_off(1)
    duo.run(10)
    assert duo.where() == (0,)
    duo.boot(1)
    duo.run(5)
    duo.power_off(0)
    assert duo.until(lambda: duo.where() == (1,), 5) <= 0.75


def test_fence_confirm_off_frees_a_blocked_takeover() -> None:
    duo = up(Duo(config(Weight.HEAVY)))
    duo.freeze(0)
    duo.boxes[0].running.discard(VIP)
    duo.run(5)
    assert row(duo, 1) == "S7"
    duo.power_off(0)
    plan = duo.order(1, "fence", node="node1")
    assert plan.level == 4 and not plan.refused
    duo.until(lambda: duo.where() == (1,), 3)


def test_fencing_a_node_that_is_heard_is_refused() -> None:
    duo = up()
    assert duo.order(1, "fence", node="node1").refused == "fence-heard"


def test_auto_failback_off_stays() -> None:
    duo = up(Duo(config(failback=False)))
    duo.power_off(0)
    duo.until(lambda: duo.where() == (1,), 5)
    duo.boot(0)
    duo.run(30)
    assert duo.where() == (1,)


def test_both_lose_power_and_come_back_to_the_same_place() -> None:
    duo = up()
    duo.power_off(0)
    duo.power_off(1)
    duo.run(10)
    duo.boot(1)
    duo.run(0.05)
    duo.boot(0)
    duo.run(5)
    assert duo.where() == (0,) and not duo.twice()


def test_epochs_never_go_back_over_reboots() -> None:
    duo = up()
    seen = []
    for _ in range(3):
        duo.order(1, "group-move", group="web", node="node2")
        duo.run(3)
        seen.append(group(duo, 1).token.epoch)
        duo.order(1, "group-move", group="web", node="node1")
        duo.run(3)
        seen.append(group(duo, 0).token.epoch)
    assert seen == sorted(set(seen)) and not duo.twice()
    assert all(b.engine is not None and b.engine.world.peer.state(duo.now) is Peer.TWO_WAY for b in duo.boxes)


def test_a_full_disk_delays_a_takeover_by_no_more_than_200_ms() -> None:
    duo = up()
    duo.boxes[1].disk_ns = 60 * SECOND
    duo.power_off(0)
    assert duo.until(lambda: duo.where() == (1,), 5) <= 0.95


def test_files_that_differ_start_nothing_changed_but_the_last_agreed_may_be_taken_over() -> None:
    duo = Duo()
    other = config()
    changed = replace(other.groups[0], resources=(*other.groups[0].resources, Resource("new", "script", "new")))
    duo.configs[1] = replace(other, groups=(changed,))
    duo.boot(0)
    duo.boot(1)
    duo.run(20)
    assert duo.where() == (), "they never agreed on anything"
    duo.configs[1] = other
    duo.boot(1)
    duo.until(lambda: duo.where() == (0,), 5)
    duo.run(2)
    duo.power_off(1)
    duo.configs[1] = replace(other, groups=(changed,))
    duo.boot(1)
    duo.run(3)
    assert duo.order(1, "takeover").refused == "cannot-move"
    duo.leave(0)
    duo.until(lambda: duo.where() == (1,), 5)
    duo.run(1)
    assert duo.boxes[1].running.names() == {VIP, "httpd"}, "by the definition both had last"


OTHER = Resource("10.0.0.9", "address", "10.0.0.9", (), Address("10.0.0.9", 24, "eth0"))
MOVED = GroupDef("web", NAMES, (OTHER,), Weight.LIGHT)


def differing() -> Duo:
    """Node 1 came up again with files that give the group another address; node 0 runs what both had."""
    duo = up()
    duo.power_off(1)
    duo.configs[1] = replace(config(), groups=(MOVED,))
    duo.boot(1)
    duo.run(3)
    assert duo.where() == (0,)
    return duo


def test_who_would_take_over_the_definition_last_agreed_asks_for_its_address() -> None:
    """Files with another one made node 1 ask for that, which was free, and take what node 0 still had."""
    duo = differing()
    duo.cut()
    duo.run(10)
    assert duo.where() == (0,) and not duo.twice()
    duo.power_off(0)
    duo.until(lambda: duo.where() == (1,), 5)


def test_a_new_daemon_goes_on_with_the_definition_that_runs() -> None:
    duo = differing()
    duo.power_off(0)
    duo.until(lambda: duo.where() == (1,), 5)
    duo.run(1)
    duo.lose_daemon(1)
    duo.new_daemon(1)
    duo.run(5)
    assert duo.boxes[1].running.names() == {VIP, "httpd"}
    duo.leave(1)
    duo.run(3)
    assert duo.boxes[1].running.names() == set(), "and stops all of it"


def test_nothing_starts_by_a_definition_the_host_was_not_looked_at_for() -> None:
    """Pulse has to know the places, and the gates their addresses, before the first start may open one."""
    duo = up()
    engine = duo.boxes[1].engine
    assert engine is not None
    group = engine.world.groups["web"]
    group.use(MOVED)
    assert engine.definitions == (MOVED,) and engine.world.cannot_here(group, duo.now) == UNSEEN
    assert VIP in {a.ip for d in group.definitions for a in d.addresses}, "and it is still known as a virtual one"


def isolate(duo: Duo, number: int) -> None:
    """The node's only cable is out."""
    duo.cut()
    duo.control[number] = duo.lan = False


def test_of_two_stored_rights_only_the_newer_one_counts() -> None:
    for weight in Weight:
        duo = up(Duo(config(weight)))
        duo.power_off(0)
        duo.until(lambda: duo.where() == (1,), 5)  # noqa: B023
        duo.run(3)
        duo.power_off(1)
        duo.run(2)
        duo.boot(0)
        duo.boot(1)
        duo.run(5)
        assert duo.where() == (0,) and not duo.twice(), "home by failback, from the one that had the newer right"
        assert "yielded" not in duo.boxes[0].codes()


def test_an_isolated_owner_lets_the_address_go_though_a_script_takes_its_time() -> None:
    starting = Duo()
    starting.boxes[0].start_ns = 20 * SECOND
    starting.boot(0)
    starting.boot(1)
    starting.until(lambda: starting.where() == (0,), 5)
    starting.run(2)
    stopping = up()
    stopping.boxes[0].stop_ns = 20 * SECOND
    stopping.order(0, "standby", node="node1")
    stopping.run(1)
    blocked = up()
    blocked.boxes[0].fails.add("stop httpd")
    blocked.order(0, "standby", node="node1")
    blocked.run(20)
    for duo in (starting, stopping, blocked):
        assert duo.where() == (0,)
        isolate(duo, 0)
        duo.until(lambda: duo.where() == (1,), 5)  # noqa: B023
        assert not duo.twice()


def test_a_lapse_while_no_daemon_listens_is_told_to_the_next_one() -> None:
    for weight in Weight:
        duo = up(Duo(config(weight)))
        box = duo.boxes[0]
        assert box.heart is not None
        duo.lose_daemon(0)
        isolate(duo, 0)
        duo.run(0.6)
        duo.new_daemon(0)
        duo.run(5)
        assert not box.running, "shut, stopped and released"


def test_an_owner_left_alone_that_loses_the_ping_node_keeps_while_neighbours_answer() -> None:
    for leave in (Duo.power_off, Duo.leave):
        duo = up()
        leave(duo, 1)
        duo.neighbours = True
        duo.run(5.37)
        before = len(duo.owners)
        duo.control = {0: False, 1: False}
        duo.run(20)
        assert duo.where() == (0,) and len(duo.owners) == before and row(duo, 0) == "O7"
        duo.neighbours = False
        duo.run(3)
        assert duo.where() == (), "nobody answers: light shuts"


def test_a_node_that_lost_its_disk_can_still_hand_over() -> None:
    duo = up()
    for name in ("node2", "node1", "node2"):
        duo.order(0, "group-move", group="web", node=name)
        duo.run(3)
    duo.power_off(0)
    duo.run(2)
    duo.power_off(1)
    duo.boxes[1].disk = Stored()
    duo.boot(1)
    duo.until(lambda: duo.where() == (1,), 20)
    isolate(duo, 1)
    duo.run(5)
    duo.boot(0)
    duo.heal()
    duo.until(lambda: duo.where() != (), 20)
    assert not duo.twice()


def test_a_pin_that_expires_by_two_clocks_moves_once() -> None:
    duo = up()
    duo.order(1, "takeover")
    duo.until(lambda: duo.where() == (1,), 2)
    duo.step(1, Wall(1_700_000_000 * SECOND + duo.now + 9 * 3600 * SECOND))  # this clock is an hour ahead
    duo.run(10)
    assert duo.where() == (0,)
    assert [n.code for b in duo.boxes for n in b.notes].count("moving") == 2


def test_the_operators_word_ends_when_the_node_is_heard_again() -> None:
    duo = up(Duo(config(Weight.HEAVY)))
    duo.cut()
    duo.lan = False
    duo.freeze(0)
    duo.boxes[0].running.discard(VIP)
    duo.run(3)
    assert not duo.order(1, "fence", node="node1").refused
    duo.thaw(0)
    duo.heal()
    duo.run(10)
    duo.owners.clear()
    duo.cut()
    duo.run(10)
    assert not duo.twice()


def test_deadtimes_that_differ_are_judged_by_the_longer_one() -> None:
    duo = Duo()
    slow = replace(config(), timing=replace(config().timing, deadtime_ns=2 * SECOND))
    duo.configs[0] = slow
    duo.boot(0)
    duo.boot(1)
    duo.until(lambda: duo.where() == (0,), 5)
    duo.run(2)
    isolate(duo, 0)
    duo.until(lambda: duo.where() == (1,), 10)
    assert not duo.twice()


def test_one_unknown_status_keeps_only_its_own_group() -> None:
    two = config()
    other = replace(two.groups[0], name="other", resources=(Resource("other", "script", "other"),))
    duo = Duo(replace(two, groups=(*two.groups, other)))
    duo.boxes[0].fails.add("status other")
    duo.boot(0)
    duo.boot(1)
    duo.until(lambda: duo.where() == (0,), 5)
    duo.run(4)
    assert not any("other" in b.running for b in duo.boxes), "it may run there already"


def test_both_leave_at_once() -> None:
    duo = up()
    duo.leave(0)
    duo.run(0.005)
    duo.leave(1)
    duo.run(3)
    assert [b.gone for b in duo.boxes] == [True, True] and duo.where() == ()


def test_standby_of_both_is_refused_and_harmless_when_both_said_it_at_once() -> None:
    duo = up()
    duo.order(0, "standby", node="node1")
    duo.run(2)
    assert duo.order(1, "standby", node="node2").refused == "other-standby"
    both = up()
    both.order(0, "standby", node="node1")
    both.order(1, "standby", node="node2")
    both.run(5)
    assert len(both.where()) == 1 and not both.twice()


def test_a_loss_is_not_settled_before_the_other_could_have_claimed() -> None:
    duo = up()
    duo.neighbours = True
    duo.cut()
    duo.lan = False
    duo.run(0.6)
    duo.control[0] = False
    duo.run(0.5)
    assert 0 not in duo.where(), "the other may be taking over: a neighbour proves nothing yet"


def test_who_was_alone_is_not_for_ever() -> None:
    duo = up()
    duo.power_off(1)
    duo.run(3)
    duo.boot(1)
    duo.run(3)
    duo.neighbours = True
    isolate(duo, 0)
    duo.until(lambda: duo.where() == (1,), 3)
    assert not duo.twice()


def test_a_heavy_owner_alone_and_cut_off_stops_its_service_after_five_seconds() -> None:
    duo = up(Duo(config(Weight.HEAVY)))
    duo.power_off(1)
    duo.run(3)
    duo.control[0] = False
    took = duo.until(lambda: not duo.boxes[0].running, 10)
    assert 5.0 <= took <= 5.6


def test_a_pin_ends_with_the_node_it_names() -> None:
    duo = up(Duo(config(failback=False)))
    duo.order(1, "takeover")
    duo.until(lambda: duo.where() == (1,), 2)
    duo.power_off(1)
    duo.until(lambda: duo.where() == (0,), 5)
    duo.boot(1)
    duo.run(10)
    assert duo.where() == (0,)


def test_nothing_fails_back_to_files_that_differ() -> None:
    duo = up()
    duo.power_off(0)
    duo.until(lambda: duo.where() == (1,), 5)
    changed = replace(config().groups[0], resources=(*config().groups[0].resources, Resource("new", "script", "new")))
    duo.configs[0] = replace(config(), groups=(changed,))
    duo.boot(0)
    duo.run(10)
    assert duo.where() == (1,)


def test_a_guard_that_comes_back_after_a_failed_rebuild_is_told() -> None:
    duo = up()
    duo.step(0, Guarded(""))
    for trouble in ("lost", "EBUSY", ""):
        duo.step(0, Guarded(trouble))
    said = [code for code in duo.boxes[0].codes() if code.startswith("guard")]
    assert said[-3:] == ["guard-lost", "guard-none", "guard-restored"]


def test_names() -> None:
    assert up().config.nodes == NAMES
