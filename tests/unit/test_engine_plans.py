"""What an operator is shown before an order, in every state of two nodes that matters (test_engine_orders.py: it
comes true).

    python -m tests.unit.test_engine_plans      writes tests/data/plans.txt anew: read `git diff` before you commit it

In that file an answer that is the same as at home is left out. Must not know sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hbcore.engine.beat import Service
from hbcore.engine.config import SECOND, GroupDef, Resource, Weight
from hbcore.engine.events import Actor, Asked, Facts, GroupFacts
from hbcore.engine.planner import MAX_TICKETS, Line, Order, Plan
from hbcore.engine.rules import PIN_S
from tests.unit.duo import NAMES, PING, Duo, config

A, B = NAMES
FILE = Path(__file__).parents[1] / "data/plans.txt"


def two_groups(home: str = B) -> Duo:
    """web (an address and a script) at home on node1, job (a script that may not run twice) on `home`. Both up."""
    other = A if home == B else B
    job = GroupDef("job", (home, other), (Resource("cron", "script", "cron"),), Weight.HEAVY)
    web = config()
    duo = Duo(replace(web, groups=(*web.groups, job)))
    duo.boot(0)
    duo.boot(1)
    duo.until(lambda: at(duo) == (({"web"}, {"job"}) if home == B else ({"web", "job"}, set())), 5)
    duo.run(2)
    return duo


def at(duo: Duo) -> tuple[set[str], set[str]]:
    """The groups with something running, of each node."""
    one, two = ({g for g, _ in m.kernel.services} if m.powered else set() for m in duo.world.machines)
    return one, two


def shown(duo: Duo, plan: Plan) -> list[str]:
    """All of a plan, in short."""

    def args(pairs: tuple[tuple[str, str], ...]) -> str:
        return "".join(f" {name}={value}" for name, value in pairs)

    if plan.refused:
        assert (plan.lines, plan.sets, plan.expect, plan.level, plan.undo) == ((), (), (), 0, "")
        return [f"refused {plan.refused}{args(plan.refused_args)}"]
    lines = []
    for line in plan.lines:
        ms = f" {line.outage_ns // 1_000_000} ms" if line.outage_ns >= 0 else ""
        way = f" {line.node}" + (f" > {line.to}" if line.to else "")
        lines.append(f"{line.kind} {line.subject}{way}{ms} {line.code}{args(line.args)}".rstrip())
    lines += [f"warns {code}{args(pairs)}" for code, pairs in plan.warnings]
    for kind, subject, value, expires_s in plan.sets:
        hours = f" for {(expires_s - now_s(duo)) / 3600:.1f} h" if expires_s else ""
        lines.append(f"sets {kind} {subject} '{value}'{hours}")
    lines += [f"expects {group} on {node or 'none'}" for group, node in plan.expect]
    return [*lines, f"level {plan.level}" + (f", undo: {plan.undo}" if plan.undo else "")]


def now_s(duo: Duo) -> int:
    engine = duo.boxes[1].engine or duo.boxes[0].engine
    assert engine is not None
    return engine.world.unix_s(duo.world.machines[1].now)


def nothing(duo: Duo) -> None:
    pass


def ordered(*orders: tuple[str, ...]) -> Callable[[Duo], None]:
    def do(duo: Duo) -> None:
        for verb, *rest in orders:
            assert not duo.order(0, verb, *rest).refused
            duo.run(3)

    return do


def off(duo: Duo) -> None:
    duo.power_off(0)
    duo.run(5)


def cut(duo: Duo) -> None:
    duo.cut()
    duo.run(3)


def stopped_unheard(duo: Duo) -> None:
    """node1 runs web and does not hear of it."""
    duo.order(1, "group-stop", "", "web")
    duo.run(1)


def failed(duo: Duo) -> None:
    """node1 cannot start web any more: it is on node2."""
    duo.boxes[0].fails = {"start httpd"}
    duo.order(0, "group-stop", "", "web")
    duo.run(3)
    duo.order(0, "group-start", "", "web")
    duo.run(10)


def then(*steps: Callable[[Duo], None]) -> Callable[[Duo], None]:
    def do(duo: Duo) -> None:
        for step in steps:
            step(duo)

    return do


STATES: dict[str, Callable[[Duo], None]] = {
    "at home": nothing,
    "node1 in standby": ordered(("standby", A)),
    "node2 in standby": ordered(("standby", B)),
    "web moved to node2": ordered(("group-move", "", "web")),
    "web moved to node2, node1 in standby": ordered(("group-move", "", "web"), ("standby", A)),
    "job moved to node1": ordered(("group-move", "", "job")),
    "web stopped": ordered(("group-stop", "", "web")),
    "node1 off": off,
    "beats cut": cut,
    "web fails on node1": failed,
    "web stopped on node2": ordered(("group-move", "", "web"), ("group-stop", "", "web")),
    "beats cut, web stopped by node2": then(cut, stopped_unheard),
    "web stopped, node1 off": then(ordered(("group-stop", "", "web")), off),
    "web stopped, beats cut": then(ordered(("group-stop", "", "web")), cut),
    "node1 in standby and off": then(ordered(("standby", A)), off),
}
ASKED = (
    "standby node1", "standby node2", "standby", "standby node1 local", "standby node1 foreign",
    "standby node2 failback", "online node1", "online node2", "online", "takeover node1", "takeover node2",
    "takeover", "takeover node1 local", "takeover node1 foreign", "takeover node2 failback", "move web",
    "move web node1", "move web node2", "move job", "move job node1", "move lost", "start web", "stop web",
    "stop job", "stop lost", "clear web", "clear job", "cleanup web", "fence node1", "fence node2", "fence node3",
)  # fmt: skip


def order_of(text: str) -> Order:
    verb, *rest = text.split()
    if verb == "cleanup":
        return Order(verb, "", *rest)
    if verb in ("move", "start", "stop", "clear"):
        group, node = [*rest, ""][:2]
        return Order(f"group-{verb}", node, group)
    node, scope = [*rest, *["", "all"][len(rest) :]]
    return Order(verb, node, "", scope)


def in_state(state: str) -> Duo:
    duo = two_groups()
    STATES[state](duo)
    return duo


def plans(duo: Duo, number: int) -> dict[str, Plan]:
    """What node `number` answers to each of ASKED."""
    machine = duo.world.machines[number]
    assert machine.engine is not None
    answers = {text: machine.engine.plan(machine.now, order_of(text)) for text in ASKED}
    assert all(plan.order == order_of(text) for text, plan in answers.items())
    return answers


def told(state: str) -> str:
    """Of each node that runs: what it answers, but what it answers at home as well."""
    out = []
    home, duo = in_state("at home"), in_state(state)
    for number in [n for n in (0, 1) if duo.boxes[n].engine is not None]:
        out.append(f"== {state}, asked on {NAMES[number]}")
        known = {text: shown(home, plan) for text, plan in plans(home, number).items()}
        for text, plan in plans(duo, number).items():
            if state == "at home" or shown(duo, plan) != known[text]:
                out += [text, *(f"    {line}" for line in shown(duo, plan))]
        out.append("")
    return "\n".join(out)


@pytest.mark.parametrize("state", STATES)
def test_a_plan_is_shown_as_it_was_read(state: str) -> None:
    text = told(state)
    assert text in FILE.read_text(), text


def test_an_order_that_cannot_be_met_says_what_is_missing_and_old_tickets_are_forgotten() -> None:
    duo = two_groups()
    duo.boxes[1].fails = {"start httpd"}
    duo.order(0, "group-move", B, "web")
    duo.run(1)
    engine = duo.boxes[0].engine
    assert engine is not None
    (ticket,) = engine.tickets.values()
    assert ticket.missing == [("not-there-yet", (("group", "web"), ("node", B), ("state", "started")))]
    assert not ticket.done_ns
    duo.boxes[1].fails = set()
    machine = duo.world.machines[0]
    for number in range(2 * MAX_TICKETS):
        verb = "group-start" if number % 2 else "group-stop"
        plan, _ = engine.ask(machine.now, Order(verb, "", "job"), Asked(number, verb, "", "job", "all", Actor(7)))
        assert not plan.refused and len(engine.tickets) <= MAX_TICKETS
    assert set(engine.tickets) >= {2 * MAX_TICKETS - 1} and 0 not in engine.tickets
    last = engine.tickets[2 * MAX_TICKETS - 1]
    assert last.expect == (("job", B),) and last.begun_ns == machine.now


@pytest.mark.parametrize(
    ("asked", "order", "group", "there", "missing"),
    [
        (0, ("group-move", "", "web"), "web", {1}, "not-there-yet"),
        (1, ("group-move", "", "web"), "web", {1}, "not-there-yet"),
        (0, ("group-stop", "", "web"), "web", set(), "not-stopped-yet"),
        (1, ("group-stop", "", "web"), "web", set(), "not-stopped-yet"),
        (0, ("group-stop", "", "job"), "job", set(), "not-stopped-yet"),
    ],
)
def test_an_order_is_done_when_it_is_so(
    asked: int, order: tuple[str, ...], group: str, there: set[int], missing: str
) -> None:
    duo = two_groups()
    engine = duo.boxes[asked].engine
    assert engine is not None
    duo.order(asked, *order)
    duo.run(0.003)
    (ticket,) = engine.tickets.values()
    assert [code for code, _ in ticket.missing] == [missing]
    so_ns = 0
    while not ticket.done_ns and duo.now < ticket.begun_ns + 5 * SECOND:
        if so_ns == 0 and {n for n, groups in enumerate(at(duo)) if group in groups} == there:
            so_ns = duo.now
        duo.run(0.001)
    assert 0 < so_ns <= ticket.done_ns < so_ns + SECOND // 2 and not ticket.missing


def test_the_word_that_a_node_is_off_is_kept_for_the_life_that_was_lost() -> None:
    duo = in_state("node1 off")
    engine = duo.boxes[1].engine
    assert engine is not None and not engine.world.peer.fenced
    for order, fenced in (
        (("group-stop", "", "job"), False),
        (("group-start", "", "job"), False),
        (("fence", A), True),
    ):
        assert not duo.order(1, *order).refused
        duo.run(0.1)
        assert engine.world.peer.fenced is fenced
    about = [(note.code, note.about) for note in duo.boxes[1].notes if note.code.startswith("asked-")]
    assert about == [("asked-group-stop", "job"), ("asked-group-start", "job"), ("asked-fence", A)]


def test_an_order_with_a_scope_does_that_and_no_more() -> None:
    duo = two_groups()
    duo.order(0, "standby", A, "", "local")
    duo.run(3)
    engine = duo.boxes[0].engine
    assert engine is not None
    assert [(r.kind, r.subject, r.value) for r in engine.world.book.all()] == [("pin", "web", B)]


def test_nobody_waits_for_the_word_of_a_node_that_died_before_it_stopped() -> None:
    duo = two_groups()
    duo.order(1, "group-stop", "", "web")
    duo.power_off(0)
    duo.run(2)
    engine = duo.boxes[1].engine
    assert engine is not None
    (ticket,) = engine.tickets.values()
    assert ticket.expect == (("web", ""),) and ticket.done_ns and not ticket.missing


def test_what_is_forgotten_or_lifted_does_not_hide_what_is_in_the_way_behind_it() -> None:
    duo = in_state("web fails on node1")
    machine = duo.world.machines[0]
    told = [GroupFacts(name, "eth0", machine.base, PING, "script-missing-here") for name in ("web", "job")]
    machine.tell(Facts((Service(machine.mac, machine.base),), tuple(told)))
    assert machine.engine is not None
    plan = machine.engine.plan(machine.now, Order("group-clear", "", "web"))
    assert [(line.kind, line.code) for line in plan.lines][-1] == ("blocked", "script-missing-here")
    assert not plan.expect


def test_all_groups_of_who_comes_back_from_standby_are_expected_there() -> None:
    duo = two_groups(home=A)
    ordered(("standby", A))(duo)
    assert at(duo) == (set(), {"web", "job"})
    assert duo.order(0, "online", A).expect == (("web", A), ("job", A))


@pytest.mark.parametrize("what", ["failures-go", "failback-again"])
def test_a_clear_says_what_it_forgets_where_that_is_all(what: str) -> None:
    duo = two_groups()
    engine = duo.boxes[0].engine
    assert engine is not None
    group = engine.world.groups["web"]
    if what == "failures-go":
        group.members[0].failures = 1
    else:
        group.manual = True
    plan = engine.plan(duo.world.machines[0].now, Order("group-clear", "", "web"))
    assert plan.lines == (Line("rule", "web", A, "", -1, what),)


def test_a_clear_forgets_failures_and_tries_alike() -> None:
    duo = in_state("web fails on node1")
    engine = duo.boxes[0].engine
    assert engine is not None
    members = engine.world.groups["web"].members
    members[-1].failures = members[-1].tries = 2
    duo.order(0, "group-clear", "", "web")
    assert [(m.failures, m.tries) for m in members] == [(0, 0)] * len(members)


def test_a_cleanup_forgets_on_both_nodes_and_leaves_the_group_where_it_was_moved() -> None:
    duo = two_groups()
    ordered(("group-move", "", "web"))(duo)
    engines = [machine.engine for machine in duo.world.machines]
    assert all(engines)
    groups = [engine.world.groups["web"] for engine in engines if engine]
    for group in groups:
        group.members[-1].failures = 3
    assert not duo.order(0, "cleanup", "", "web").refused
    duo.run(3)
    assert [group.members[-1].failures for group in groups] == [0, 0]
    assert at(duo) == (set(), {"web", "job"})
    assert [(rule.kind, rule.value) for rule in engines[1].world.book.all() if rule.subject == "web"] == [  # type: ignore[union-attr]
        ("clear", "cleared"), ("pin", B),
    ]  # fmt: skip


def test_an_order_writes_who_gave_it_and_for_how_long() -> None:
    duo = two_groups()
    engine = duo.boxes[0].engine
    assert engine is not None
    now = duo.world.machines[0].now
    order = Order("group-move", B, "web")
    actor = Actor(1000, name="", reason="a test")
    plan, effects = engine.ask(now, order, Asked(1, "group-move", B, "web", "all", actor))
    assert plan.expect == (("web", B),) and effects
    (rule,) = [r for r in engine.world.book.all() if r.kind == "pin" and r.value]
    assert (rule.subject, rule.value, rule.by, rule.reason) == ("web", B, "1000", "a test")
    assert rule.expires_s - engine.world.unix_s(now) == PIN_S == 8 * 3600
    refused, none = engine.ask(now, Order("online", B), Asked(2, "online", B, "", "all", actor))
    assert refused.refused == "not-standby" and none == [] and list(engine.tickets) == [1]


if __name__ == "__main__":
    FILE.write_text("\n".join(map(told, STATES)))
