"""Operator's orders: what one would do, and doing exactly that.

Owns the plan (effects first, then the key), the rules an order sets, and when it has settled. Invariant: `run` sets
what `plan` showed for the same world; nothing is planned by anything else. Must not know sentences, roles or sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace

from hbcore.engine.beat import Stand, State
from hbcore.engine.effects import Note
from hbcore.engine.events import Asked
from hbcore.engine.group import Group, Phase
from hbcore.engine.member import Res
from hbcore.engine.rules import PIN_S
from hbcore.engine.table import Peer, Vip
from hbcore.engine.world import World

MAX_TICKETS = 64
FORGOTTEN = ("start-failed-here", "start-failed-peer")  # by `group clear`
LIFTED = ("standby-here", "peer-standby")  # by `online`
HEARD = (Peer.TWO_WAY, Peer.ONE_WAY)

Args = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """verb: standby | online | takeover | group-start | group-stop | group-move | group-clear | cleanup | fence."""

    verb: str
    node: str = ""
    group: str = ""
    scope: str = "all"


@dataclass(frozen=True, slots=True)
class Line:
    """One effect: kind stop | start | move | keep | rule | mode | blocked."""

    kind: str
    subject: str
    node: str = ""
    to: str = ""
    outage_ns: int = -1
    code: str = ""
    args: Args = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`sets`: (kind, subject, value, expires_s) of the rules it writes; `expect`: where each group should come to
    run.
    """

    order: Order
    lines: tuple[Line, ...] = ()
    warnings: tuple[tuple[str, Args], ...] = ()
    refused: str = ""
    refused_args: Args = ()
    level: int = 2
    undo: str = ""
    sets: tuple[tuple[str, str, str, int], ...] = ()
    expect: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Ticket:
    """An order under way. `done`: every expectation was met."""

    begun_ns: int
    expect: tuple[tuple[str, str], ...]
    done_ns: int = 0
    missing: list[tuple[str, Args]] = field(default_factory=list)


class Refused(Exception):
    """An order that makes no sense now: (code, args)."""

    def __init__(self, code: str, **args: str) -> None:
        super().__init__(code)
        self.code, self.args_shown = code, tuple(args.items())


def plan(world: World, order: Order, now_ns: int) -> Plan:
    """What `order` would do in this state."""
    try:
        return PLANS[order.verb](world, order, now_ns)
    except Refused as refused:
        return Plan(order, refused=refused.code, refused_args=refused.args_shown, level=0)


def run(world: World, tickets: dict[int, Ticket], event: Asked, now_ns: int) -> None:
    """Carry out the plan of an order that was asked (and not refused)."""
    order = Order(event.verb, event.node, event.group, event.scope)
    todo = plan(world, order, now_ns)
    if todo.refused:
        return
    now_s = world.unix_s(now_ns)
    actor = event.actor
    for kind, subject, value, expires_s in todo.sets:
        world.book.put(
            kind, subject, value, now_s=now_s, by=actor.name or str(actor.uid), reason=actor.reason, expires_s=expires_s
        )
    if order.verb == "fence":
        world.peer.fenced_incarnation = world.peer.incarnation
    about = order.group or order.node or world.me
    args = (("verb", order.verb), ("about", about), ("scope", order.scope))
    world.notes.append(Note(f"asked-{order.verb}", args, "info", NOTE_KIND.get(order.verb, "other"), about, actor))
    while len(tickets) >= MAX_TICKETS:
        del tickets[min(tickets)]
    tickets[event.ticket] = Ticket(now_ns, todo.expect)


def settle(world: World, tickets: dict[int, Ticket], now_ns: int) -> None:
    """Mark the orders whose expectations are met."""
    for ticket in tickets.values():
        if not ticket.done_ns:
            ticket.missing = _missing(world, ticket, now_ns)
            if not ticket.missing:
                ticket.done_ns = now_ns


def _missing(world: World, ticket: Ticket, now_ns: int) -> list[tuple[str, Args]]:
    out: list[tuple[str, Args]] = []
    for name, node in ticket.expect:
        group = world.groups[name]
        if not _is_at(world, group, node, now_ns):
            code = "not-there-yet" if node else "not-stopped-yet"
            out.append((code, (("group", name), ("node", node), ("state", group.state.name.lower()))))
    return out


def _is_at(world: World, group: Group, node: str, now_ns: int) -> bool:
    word = world.peer.word(group.number)
    if node == world.me:
        return group.phase is Phase.RUNNING
    here_idle = group.phase is Phase.IDLE
    if node:
        return here_idle and word is not None and word.stand is Stand.HOLDS and word.state is State.STARTED
    heard = world.peer.state(now_ns) in HEARD
    elsewhere = heard and whereabouts(world, group) == world.peer.name  # else its last word may be of long ago
    return here_idle and (word is None or not elsewhere or word.state in (State.STOPPED, State.FAILED))


def obey_clears(world: World, now_ns: int) -> None:
    """`group clear` is a rule, so that both nodes forget, whichever was told."""
    for group in world.groups.values():
        rule = world.book.get("clear", group.name)
        if rule is not None and rule.version > group.cleared:
            group.cleared = rule.version
            _forget(group, now_ns)


def _forget(group: Group, now_ns: int) -> None:
    """Failures, a damped failback and a blocked stop are forgotten; the state is asked anew."""
    group.failed = group.manual = False
    group.failbacks = ()
    for member in group.members:
        member.failures = member.tries = member.retry_ns = 0
        member.failed_ns = ()
    if group.phase is Phase.BLOCKED:
        for member in group.members:
            member.state = Res.UNKNOWN
        group.token.confirmed = False
        group.enter(Phase.PROBING, now_ns)


NOTE_KIND = {"standby": "standby", "online": "node", "fence": "fence", "takeover": "move", "group-move": "move"}


# -- where things are --------------------------------------------------------------------------------------------------


def whereabouts(world: World, group: Group) -> str:
    """The node that holds the group as far as I know, "" = none."""
    if group.owner or group.holding:
        return world.me
    word = world.peer.word(group.number)
    if word is not None and word.stand is Stand.HOLDS and not world.peer.left:
        return world.peer.name
    return ""


def outage_ns(group: Group) -> int:
    """What a move costs by the last stop and start seen here; -1 = never measured."""
    scripts = [m for m in group.members if m.resource.agent != "address"]
    if not scripts:
        return 20_000_000
    took = [(m.stop_took_ns, m.start_took_ns) for m in scripts]
    if any(stop == 0 and start == 0 for stop, start in took):
        return -1
    return sum(stop + start for stop, start in took)


def _line(world: World, group: Group, node: str, to: str, now_ns: int, but: Container[str] = ()) -> Line:
    """Moving `group` from where it is to `to`, or what blocks that, `but` what the order itself does away with."""
    cannot = world.cannot_peer if to == world.peer.name else world.cannot_here
    code = cannot(group, now_ns, but)
    if to == world.me and not code and node == world.peer.name and world.peer.state(now_ns) is not Peer.TWO_WAY:
        code = "peer-not-two-way"
    if not code and world.mismatch(group):
        code = "config-differs"  # no planned move of what the nodes define differently
    if code in ("standby-here", "peer-standby") and to != node:
        code = "target-standby"
    if code:
        return Line("blocked", group.name, node, to, -1, code, (("node", to),))
    return Line("move", group.name, node, to, outage_ns(group))


def _homecoming(world: World, group: Group, now_ns: int, but: Container[str]) -> Line | None:
    """What failback will do, or what still forbids it; None where it has nothing to do."""
    home, at = world.home(group), whereabouts(world, group)
    if at in ("", home) or not world.config.auto_failback:
        return None
    way = _line(world, group, at, home, now_ns, but)
    return replace(way, code="by-failback") if way.kind == "move" else way


def _groups(world: World, order: Order, node: str) -> list[Group]:
    """The groups of a scope, from the viewpoint of `node` (heartbeat: local = its own, foreign = the others')."""
    groups = list(world.groups.values())
    if order.scope == "local":
        return [g for g in groups if world.home(g) == node]
    if order.scope in ("foreign", "failback"):
        return [g for g in groups if world.home(g) != node]
    return groups


def _other(world: World, node: str) -> str:
    return world.peer.name if node == world.me else world.me


# -- the orders --------------------------------------------------------------------------------------------------------


def _standby(world: World, order: Order, now_ns: int) -> Plan:
    node = order.node or world.me
    other = _other(world, node)
    whole = order.scope == "all"
    if whole and world.standby(node, now_ns):
        raise Refused("already-standby", node=node)
    if whole and world.standby(other, now_ns):
        raise Refused("other-standby", node=node, other=other)
    here = [g for g in _groups(world, order, node) if whereabouts(world, g) == node]
    lines = [_line(world, g, node, other, now_ns) for g in here]
    if any(line.kind == "blocked" for line in lines):
        bad = next(line for line in lines if line.kind == "blocked")
        raise Refused("no-other-node", node=node, other=other, group=bad.subject, why=bad.code)
    if node != world.me and world.peer.state(now_ns) is not Peer.TWO_WAY:
        raise Refused("not-two-way", node=node)
    if not whole and not here:
        raise Refused("nothing-to-move", node=node, scope=order.scope)
    if whole:
        lines.append(Line("mode", node, node, "", -1, "mode-standby", (("node", node),)))
        sets = [("mode", node, "standby", 0)]
        undo = f"hbctl online {node}"
    else:
        sets = [("pin", g.name, other, world.unix_s(now_ns) + PIN_S) for g in here]
        undo = f"hbctl group move {here[0].name} {node}"
    warnings: list[tuple[str, Args]] = []
    if whole:
        warnings.append(("no-backup-left", (("node", other),)))
    return Plan(order, tuple(lines), tuple(warnings), sets=tuple(sets), undo=undo,
                expect=tuple((g.name, other) for g in here))  # fmt: skip


def _online(world: World, order: Order, now_ns: int) -> Plan:
    node = order.node or world.me
    if not world.standby(node, now_ns):
        raise Refused("not-standby", node=node)
    lines = [Line("mode", node, node, "", -1, "mode-online", (("node", node),))]
    expect = []
    for group in world.groups.values():
        if world.home(group) != node or world.pin(group.name, now_ns):
            continue
        if way := _homecoming(world, group, now_ns, LIFTED):
            lines.append(way)
            expect += [(group.name, node)] if way.kind == "move" else []
    return Plan(
        order, tuple(lines), level=1, sets=(("mode", node, "", 0),), undo=f"hbctl standby {node}", expect=tuple(expect)
    )


def _takeover(world: World, order: Order, now_ns: int) -> Plan:
    """hb_takeover: bring groups here, to the node that is asked (or named)."""
    node = order.node or world.me
    scope = _groups(world, order, node)
    if order.scope == "failback":  # heartbeat: what is at home here comes home
        scope = [g for g in world.groups.values() if world.home(g) == node]
    away = [g for g in scope if whereabouts(world, g) != node]
    if not away:
        raise Refused("all-here-already", node=node, scope=order.scope)
    return _moves(world, order, away, node, now_ns)


def _moves(world: World, order: Order, groups: list[Group], node: str, now_ns: int) -> Plan:
    lines, sets, expect = [], [], []
    for group in groups:
        line = _line(world, group, whereabouts(world, group), node, now_ns)
        lines.append(line)
        if line.kind != "blocked":
            sets.append(("pin", group.name, node, world.unix_s(now_ns) + PIN_S))
            expect.append((group.name, node))
    if not sets:
        raise Refused("cannot-move", group=lines[0].subject, node=node, why=lines[0].code)
    lines += [Line("rule", name, node, "", -1, "pin-for", (("hours", str(PIN_S // 3600)), ("node", node)))
              for name, _ in expect]  # fmt: skip
    undo = f"hbctl group clear {expect[0][0]}"
    return Plan(order, tuple(lines), undo=undo, sets=tuple(sets), expect=tuple(expect))


def _named(world: World, order: Order) -> Group:
    group = world.groups.get(order.group)
    if group is None:
        raise Refused("no-such-group", group=order.group, known=", ".join(world.groups))
    return group


def _group_move(world: World, order: Order, now_ns: int) -> Plan:
    group = _named(world, order)
    at = whereabouts(world, group)
    node = order.node or _other(world, at or world.home(group))
    if at == node:
        raise Refused("already-there", group=group.name, node=node)
    return _moves(world, order, [group], node, now_ns)


def _group_start(world: World, order: Order, now_ns: int) -> Plan:
    group = _named(world, order)
    if world.wanted(group.name, now_ns):
        raise Refused("not-stopped", group=group.name)
    told, at = world.peer.state(now_ns) is Peer.TWO_WAY, whereabouts(world, group)
    word = world.peer.word(group.number)
    line = Line("start", group.name, at or world.home(group))
    expect: tuple[tuple[str, str], ...] = ((group.name, line.node),)
    if not told and at != world.me:
        expect = ()
        if not at or word is None or word.state in (State.STOPPED, State.FAILED):
            line = Line("start", group.name, world.me, code="start-if-free", args=(("other", world.peer.name),))
    return Plan(order, (line,), level=1, sets=(("run", group.name, "", 0),),
                undo=f"hbctl group stop {group.name}", expect=expect)  # fmt: skip


def _group_stop(world: World, order: Order, now_ns: int) -> Plan:
    group = _named(world, order)
    if not world.wanted(group.name, now_ns):
        raise Refused("already-stopped", group=group.name)
    at = whereabouts(world, group)
    lines = [Line("stop", m.resource.name, at, "") for m in reversed(group.members)]
    expect: tuple[tuple[str, str], ...] = ((group.name, ""),)
    warnings: list[tuple[str, Args]] = [("service-down", (("group", group.name),))]
    if world.peer.state(now_ns) is not Peer.TWO_WAY:
        if at == world.peer.name:
            lines = [Line("rule", group.name, at, "", -1, "stop-when-heard", (("node", at),))]
            expect = ()
        elif group.light:
            warnings.append(("may-start-there", (("other", world.peer.name), ("group", group.name))))
    return Plan(order, tuple(lines), tuple(warnings), level=3, sets=(("run", group.name, "stopped", 0),),
                undo=f"hbctl group start {group.name}", expect=expect)  # fmt: skip


def _clear(world: World, order: Order, now_ns: int) -> Plan:
    """`group clear`, and `cleanup`, which lets the group stay where an operator moved it."""
    group = _named(world, order)
    lines = []
    pinned = world.pin(group.name, now_ns)
    stays = order.verb == "cleanup"
    if pinned and not stays:
        lines.append(Line("rule", group.name, pinned, "", -1, "pin-goes", (("node", pinned),)))
    word = world.peer.word(group.number)
    if group.failed or any(m.failures for m in group.members):
        lines.append(Line("rule", group.name, world.me, "", -1, "failures-go"))
    if word is not None and (word.failed or word.state is State.BLOCKED):
        lines.append(Line("rule", group.name, world.peer.name, "", -1, "failures-go"))
    if group.manual:
        lines.append(Line("rule", group.name, world.me, "", -1, "failback-again"))
    home = world.home(group)
    way = None if stays and (pinned or not lines) else _homecoming(world, group, now_ns, FORGOTTEN)
    if stays and not lines and whereabouts(world, group) == world.peer.name:  # its count is not in its beats
        there = world.peer.name
        lines.append(Line("rule", group.name, there, "", -1, "failures-there-go", (("node", there),)))
    if way is not None and (lines or way.kind == "move"):
        lines.append(way)
    failed = group.failed if home == world.me else word is not None and word.failed
    comes = way is not None and way.kind == "move" and not failed  # where it failed, it may fail again
    expect = ((group.name, home),) if comes else ()
    if not lines:
        raise Refused("nothing-to-clean" if stays else "nothing-to-clear", group=group.name)
    unpinned = () if stays else (("pin", group.name, "", 0),)
    sets = (*unpinned, ("clear", group.name, "cleared", 0))
    return Plan(order, tuple(lines), level=1, sets=sets, expect=expect)


def _fence(world: World, order: Order, now_ns: int) -> Plan:
    """The operator's word that a node is off; there are no devices yet."""
    if order.node != world.peer.name:
        raise Refused("fence-self" if order.node == world.me else "no-such-node", node=order.node)
    state = world.peer.state(now_ns)
    if state is not Peer.LOST:
        raise Refused("fence-heard", node=order.node, heard=state.value)
    for group in world.groups.values():
        if world.peer_macs and group.probing.vip(now_ns) is Vip.PEER:
            raise Refused("fence-answers", node=order.node, group=group.name, ip=", ".join(group.probing.ips))
    lines = [Line("mode", order.node, order.node, "", -1, "declared-off", (("node", order.node),))]
    expect = []
    for group in world.groups.values():
        if not group.owner:
            code = world.cannot_here(group, now_ns)
            kind = "blocked" if code else "start"
            lines.append(Line(kind, group.name, world.me, "", -1, code, (("node", world.me),)))
            if not code:
                expect.append((group.name, world.me))
    return Plan(order, tuple(lines), (("fence-word", (("node", order.node),)),), level=4, expect=tuple(expect))


PLANS: dict[str, Callable[[World, Order, int], Plan]] = {
    "standby": _standby,
    "online": _online,
    "takeover": _takeover,
    "group-move": _group_move,
    "group-start": _group_start,
    "group-stop": _group_stop,
    "group-clear": _clear,
    "cleanup": _clear,
    "fence": _fence,
}
