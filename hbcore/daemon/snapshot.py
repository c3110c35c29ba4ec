"""The control API's Status, made from what the engine knows.

Owns which fact is shown where and in which words. Invariant: reads only; every code has its sentence beside it.
Must not decide anything.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hbcore import __version__
from hbcore.control import schema
from hbcore.control.schema import API, Protection, Said
from hbcore.engine import classic
from hbcore.engine.beat import Mode, State, Verdict
from hbcore.engine.config import MS, SECOND
from hbcore.engine.engine import Engine
from hbcore.engine.group import CONFLICT_OVER_NS, Group, Phase
from hbcore.engine.holes import holes, level
from hbcore.engine.member import Member, Res
from hbcore.engine.placement import place
from hbcore.engine.planner import whereabouts
from hbcore.engine.table import Peer
from hbcore.engine.world import World
from hbcore.host.files import Kept
from hbcore.words import say

CONTROL = {Verdict.NONE: "none", Verdict.OK: "ok", Verdict.NO: "no", Verdict.SUSPENDED: "suspended"}
LEVELS = ("none", "classic", "address", "full")


@dataclass(slots=True)
class Extra:
    """What pulse counts and the daemon adds."""

    key_bits: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    troubles: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    refused: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)  # by link: what came instead
    causes: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)  # by link: verdicts.py
    realtime: str = ""
    incarnation: int = 0
    alarms: dict[tuple[str, str], float] = field(default_factory=dict)  # (code, about) -> unix seconds it began
    disk_error: str = ""
    namesake: tuple[bytes, ...] = ()  # MACs of a machine that beats in this node's name
    beside: tuple[bytes, ...] = ()  # and of one in the peer's
    lost: list[Kept] = field(default_factory=list)


def said(code: str, **args: str) -> Said:
    return Said(code=code, text=say(code, **args))


def snapshot(engine: Engine, extra: Extra, now_ns: int) -> schema.Status:
    """One immutable Status of this moment."""
    world = engine.world
    shields = {g.name: _protection(world, g, extra, now_ns) for g in world.groups.values()}
    worst = min((shield.level for shield in shields.values()), key=LEVELS.index, default="none")
    seen = {hole.code: hole for shield in shields.values() for hole in shield.holes}
    state = world.peer.state(now_ns)
    votes = 2 if state is Peer.TWO_WAY else 1
    fields = {
        "api": API,
        "cluster": world.config.cluster,
        "node": world.me,
        "coordinator": None,
        "generation": engine.generation,
        "quorum": {"quorate": True, "votes": votes, "expected": 2, "mode": "classic"},
        "protection": {"level": worst, "holes": list(seen.values())},
        "nodes": [_node(world, name, extra, now_ns) for name in world.config.nodes],
        "links": [_link(world, name, extra, now_ns) for name in world.peer.paths if name not in extra.own],
        "groups": [_group(world, g, shields[g.name], now_ns) for g in world.groups.values()],
        "rules": [r for g in world.groups.values() if (r := _rule(world, g, now_ns))],
        "at": time.time(),
        "version": __version__,
        "pings": [_ping(world, name, now_ns) for name in world.controls],
        "alarms": _alarms(world, extra, now_ns),
        "values": _values(world),
        "counters": dict(extra.counters),
        "pending": sum(1 for t in engine.tickets.values() if not t.done_ns),
    }
    return msgspec.convert(fields, schema.Status)


def _since(at_ns: int, now_ns: int) -> float | None:
    return time.time() - (now_ns - at_ns) / SECOND if at_ns else None


# -- nodes and links ---------------------------------------------------------------------------------------------------


def _node(world: World, name: str, extra: Extra, now_ns: int) -> dict[str, object]:
    mine = name == world.me
    state = world.peer.state(now_ns)
    mode = world.mode(now_ns) if mine else world.peer.words.mode
    if not mine and state in (Peer.LOST, Peer.BYE, Peer.NEVER):
        shown = "joining" if state is Peer.NEVER else "offline"
    elif mode is Mode.UNMANAGED:
        shown = "unclean"
    elif mode in (Mode.JOINING, Mode.REFUSED):
        shown = "joining"
    else:
        shown = "standby" if world.standby(name, now_ns) or mode is Mode.STANDBY else "online"
    if mine:
        verdicts = [world.verdict(g, now_ns) for g in world.groups.values()]
        failures = sum(m.failures for g in world.groups.values() for m in g.members)
    else:
        verdicts = [w.control for w in world.peer.words.groups] if shown != "offline" else []
        failures = sum(w.failed for w in world.peer.words.groups)
    worst = max(verdicts, key=lambda v: (v is Verdict.NO, v), default=Verdict.NONE)
    why = []
    rule = world.book.get("mode", name)
    if shown == "standby" and rule is not None:
        code = "standby-because" if rule.reason else "standby-by"
        why.append(said(code, by=rule.by or "-", reason=rule.reason))
    if not mine and world.peer.fenced and state is Peer.LOST:
        why.append(said("declared-off", node=name))
    return {
        "name": name,
        "state": shown,
        "heard": "self" if mine else state.value,
        "incarnation": extra.incarnation if mine else world.peer.incarnation,
        "version": __version__ if mine else world.peer.words.release,
        "why": why,
        "failures": failures,
        "control": CONTROL[worst],
    }


def _link(world: World, name: str, extra: Extra, now_ns: int) -> dict[str, object]:
    path = world.peer.paths[name]
    trouble, args = extra.troubles.get(name, ("", {}))
    state = path.state(now_ns, world.config.timing, world.lease)
    if state != "up" and name in extra.causes:
        trouble, args = extra.causes[name]
    reason = say(trouble, **args) if trouble else say(f"link-is-{state}") if state != "up" else None
    return {
        "name": name,
        "peer": world.peer.name,
        "state": state,
        "rtt_ms": path.rtt_ns / MS if path.two_way_ns and state in ("up", "late") else None,
        "reason": reason,
        "media": path.media,
        "age_ms": (now_ns - path.heard_ns) / MS if path.heard_ns else None,
        "late": path.late_in_window(now_ns),
    }


def _answers(world: World, name: str, now_ns: int) -> bool:
    """A ping node is called down after deadping, as written; its say in decisions ends after one lease already."""
    control = world.controls[name]
    return control.asked_ns > 0 and now_ns - control.asked_ns < world.config.timing.deadping_ns


def _ping(world: World, name: str, now_ns: int) -> dict[str, object]:
    control = world.controls[name]
    ok = _answers(world, name, now_ns)
    return {
        "name": name,
        "state": "up" if ok else "down",
        "rtt_ms": control.rtt_ns / MS if ok else None,
        "age_ms": (now_ns - control.asked_ns) / MS if control.asked_ns else None,
    }


# -- groups ------------------------------------------------------------------------------------------------------------


def _protection(world: World, group: Group, extra: Extra, now_ns: int) -> Protection:
    found = holes(world, group, extra.key_bits, now_ns)
    spelled = [Said(code=code, text=say(f"hole-{code}", **dict(args))) for code, args in found]
    return msgspec.convert({"level": level(found, group), "holes": spelled}, Protection)


def _group(world: World, group: Group, shield: Protection, now_ns: int) -> dict[str, object]:
    definition = group.definition
    at = whereabouts(world, group)
    state = _state(world, group, at, now_ns)
    return {
        "name": group.name,
        "state": state,
        "node": (at or None) if state != "stopped" else None,
        "prefer": list(definition.prefer),
        "protection": shield,
        "why": _why(world, group, at, now_ns),
        "resources": [_resource(world, group, m, at, now_ns) for m in group.members],
        "weight": definition.weight.value,
        "weight_why": said(definition.weight_why, of=definition.weight_of),
        "epoch": group.token.epoch,
        "since": _since(group.since_ns, now_ns),
        "wanted": "started" if world.wanted(group.name, now_ns) else "stopped",
        "failback": "auto" if world.config.auto_failback and not group.manual else "manual",
    }


def _state(world: World, group: Group, at: str, now_ns: int) -> str:
    word = world.peer.word(group.number)
    asked_there = word is not None and word.state is State.UNKNOWN and group.state is State.STOPPED
    if at == world.me or (not at and not asked_there):
        return group.state.name.lower()
    if world.peer.state(now_ns) in (Peer.LOST, Peer.NEVER) or word is None:
        return "unknown"  # it may run there: nobody can see it
    return word.state.name.lower()


def _resource(world: World, group: Group, member: Member, at: str, now_ns: int) -> dict[str, object]:
    mine = at == world.me or member.state not in (Res.STOPPED,)
    state, node = member.state.value, world.me
    if not mine:
        state, node = _state(world, group, at, now_ns) if at else "stopped", at
    elif member.state is Res.STOPPED:
        node = ""
    return {
        "name": member.resource.name,
        "agent": "address" if member.resource.address else f"{member.resource.agent}:{member.resource.kind}",
        "state": state,
        "node": node or None,
        "failcount": member.failures,
        "detail": member.detail if mine else "",
        "since": _since(member.since_ns, now_ns),
        "why": [],
    }


def _args(world: World, group: Group) -> dict[str, str]:
    """What the sentences about a group may name."""
    return {
        "group": group.name,
        "peer": world.peer.name,
        "node": world.me,
        "home": world.home(group),
        "control": group.facts.control or "-",
        "ip": ", ".join(group.probing.ips) or "-",
        "mac": _macs(group.probing.foreign_macs) or "-",
        "holder": _macs(group.probing.answered_macs) or "-",
    }


def _why(world: World, group: Group, at: str, now_ns: int) -> list[Said]:
    """Why it is where it is, or why it is not here."""
    args = _args(world, group)
    if group.phase is Phase.BLOCKED:
        return [said("group-blocked", **args)]
    if group.phase is Phase.STOPPING:
        return [said("stopping-because", why=say(f"why-{group.why[0]}", **args), **args)]
    if group.owner:
        code = place(world, group, now_ns).code
        out = [said(f"why-{code}", **args)] if code else []
        if group.row == "O7":
            out.append(said("why-alone-no-control", **args))
        return out
    code = classic.why_not(world, group, now_ns)
    return [said(f"why-{code}", **args)] if code else []


def _rule(world: World, group: Group, now_ns: int) -> dict[str, object] | None:
    node = world.pin(group.name, now_ns)
    rule = world.book.get("pin", group.name)
    if not node or rule is None:
        return None
    return {
        "group": group.name, "node": node, "kind": "pin", "by": rule.by, "at": _iso(rule.at_s),
        "expires": _iso(rule.expires_s) if rule.expires_s else None, "reason": rule.reason or None,
    }  # fmt: skip


def _iso(unix_s: int) -> str:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- what must be seen now ---------------------------------------------------------------------------------------------

ALARMING = {
    "vip-answers": "critical", "machine-answers": "critical", "vip-foreign": "critical", "control-lost": "critical",
    "start-failed-here": "critical", "config-differs": "warning", "script-missing-here": "warning", "one-way":
    "warning", "failback-damped": "warning",
}  # fmt: skip


def namesakes(world: World, extra: Extra) -> Iterator[tuple[str, str, str]]:
    """(code, node, MACs) of another live machine of a node's name. What names the peer's own cards alone is an earlier
    life of it, or a recording.
    """
    if extra.namesake:
        yield "alarm-refused" if world.refused else "alarm-namesake", world.me, _macs(extra.namesake)
    if world.peer_macs and not set(extra.beside) <= set(world.peer_macs):
        yield "alarm-beside", world.peer.name, _macs(extra.beside)


def _macs(macs: Iterable[bytes]) -> str:
    return ", ".join(mac.hex(":") for mac in macs)


def _alarms(world: World, extra: Extra, now_ns: int) -> list[dict[str, object]]:
    out: list[dict[str, object]] = []

    def alarm(code: str, about: str, severity: str, since_ns: int = 0, **args: str) -> None:
        at = _since(since_ns, now_ns) or extra.alarms.get((code, about), time.time())
        out.append({"code": code, "text": say(code, **args), "since": at, "about": about, "severity": severity})

    peer, state = world.peer, world.peer.state(now_ns)
    if state is Peer.LOST and not world.refused:
        alarm("alarm-lost", peer.name, "critical", peer.heard_ns, node=peer.name)
    elif state is Peer.ONE_WAY and not peer.late(now_ns):
        alarm("alarm-one-way", peer.name, "warning", peer.two_way_ns, node=peer.name)
    elif peer.words.mode is Mode.UNMANAGED:
        alarm("alarm-unmanaged", peer.name, "critical", node=peer.name)
    if world.config_differs:
        alarm("alarm-config", peer.name, "warning", node=peer.name, where=_differing(world))
    for code, node, macs in namesakes(world, extra):
        alarm(code, node, "critical", node=node, macs=macs)
    if extra.disk_error:
        alarm("alarm-disk", world.me, "critical", error=extra.disk_error)
    for kept in extra.lost:
        alarm(kept.code, Path(kept.path).name, "warning", 0, **dict(kept.args))
    for name, control in world.controls.items():
        if not _answers(world, name, now_ns):
            alarm("alarm-control", name, "warning", control.asked_ns, control=name)
    for group in world.groups.values():
        _group_alarms(world, group, now_ns, alarm)
    extra.alarms = {(str(a["code"]), str(a["about"])): float(str(a["since"])) for a in out}
    return out


def _group_alarms(world: World, group: Group, now_ns: int, alarm: Callable[..., None]) -> None:
    name = group.name
    code = "" if group.owner else classic.why_not(world, group, now_ns)
    if group.failed:
        code = "start-failed-here"
    if code in ALARMING:
        alarm(f"why-{code}", name, ALARMING[code], 0, **_args(world, group))
    if group.phase is Phase.BLOCKED:
        alarm("group-blocked", name, "critical", group.since_ns, group=name, node=world.me)
    if group.contested:
        alarm("both-hold", name, "critical", 0, group=name, peer=world.peer.name)
    if group.manual:
        alarm("why-failback-damped", name, "warning", 0, group=name, home=world.home(group))
    if group.conflict_ns and now_ns - group.conflict_ns < CONFLICT_OVER_NS:
        alarm("vip-conflict", name, "critical", group.conflict_ns, group=name, mac=group.conflict_mac,
              ip=", ".join(group.probing.ips))  # fmt: skip


def _differing(world: World) -> str:
    """Which of my own lines the peer does not have like this."""
    lines = [f"{g.definition.where.file}:{g.definition.where.line}" for g in world.groups.values() if world.mismatch(g)]
    return ", ".join(lines) or "ha.cf"


def _shown(value_ns: int) -> str:
    return f"{value_ns / SECOND:g} s" if value_ns >= SECOND else f"{value_ns / MS:g} ms"


def _values(world: World) -> list[dict[str, object]]:
    chosen = {c.option: c for c in world.config.chosen}
    timing = world.config.timing
    actual = {
        "keepalive": _shown(timing.keepalive_ns), "warntime": _shown(timing.warntime_ns),
        "deadtime": _shown(timing.deadtime_ns), "initdead": _shown(timing.initdead_ns),
        "deadping": _shown(timing.deadping_ns), "auto_failback": "on" if world.config.auto_failback else "off",
    }  # fmt: skip
    out: list[dict[str, object]] = []
    for option, value in actual.items():
        ours = chosen.get(option)
        from_profile = {"heartbeats": ours.heartbeats, "profile": ours.profile} if ours else {}
        out.append({"option": option, "value": value, "source": "ours" if ours else "file", **from_profile})
    return out
