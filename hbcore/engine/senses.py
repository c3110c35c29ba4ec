"""What each fact changes in the world: a beat, an answer, a probe's end, a stall, a card, what the kernel saw.

Owns that it is written down before anybody judges by it. Invariant: own trouble only ever lengthens what is waited for.
Must not know placement, nor orders and the disk, which are the engine's own.
"""

from __future__ import annotations

from typing import assert_never

from hbcore.engine import classic, tokens
from hbcore.engine.beat import Stand, State, Verdict
from hbcore.engine.effects import Effect, Note, Prove
from hbcore.engine.events import (
    Abandoned,
    AddressGone,
    Answered,
    Carrier,
    Done,
    Facts,
    Guarded,
    Heard,
    Lapsed,
    Leave,
    Listened,
    Namesake,
    Probed,
    Seen,
    Sensed,
    Stalled,
    Tick,
    Wall,
)  # fmt: skip
from hbcore.engine.group import Phase
from hbcore.engine.table import Peer
from hbcore.engine.world import World


def take(world: World, event: Sensed, now_ns: int) -> list[Effect]:
    """Write down what happened. Effects: what an answer proves to pulse."""
    match event:
        case Heard():
            _heard(world, event, now_ns)
        case Answered(ping, sent_ns, at_ns):
            world.listened_ns = max(world.listened_ns, at_ns)
            if control := world.controls.get(ping):
                control.answered(sent_ns, at_ns)
        case Probed():
            return _probed(world, event, now_ns)
        case Done():
            for group in world.groups.values():
                if group.done(now_ns, event):
                    break
        case Listened(at_ns):
            world.listened_ns = max(world.listened_ns, at_ns)
        case Stalled(from_ns, to_ns):
            world.listened_ns = max(world.listened_ns, to_ns)
            _stalled(world, from_ns, to_ns)
        case Lapsed(name, at_ns, refused):
            if held := world.groups.get(name):
                tokens.lapse(world, held, at_ns, now_ns, refused=refused)
        case Guarded(trouble):
            _guarded(world, trouble)
        case Namesake(at_ns, refused):
            world.namesake_ns = max(world.namesake_ns, at_ns)
            world.refused = world.refused or refused
        case AddressGone(ip, _):
            for group in world.groups.values():
                running = group.phase is Phase.RUNNING  # one that is shut was taken off by pulse
                if group.address_gone(ip, now_ns) and running:
                    group.note("address-gone", "warning", "failure", ip=ip)
        case Abandoned(released):
            for name, epoch in released:
                if lost := world.groups.get(name):
                    tokens.abandoned(world, lost, epoch, now_ns)
        case Seen():
            _seen(world, event, now_ns)
        case Carrier(device, up):
            _carrier(world, device, up, now_ns)
        case Facts():
            _facts(world, event, now_ns)
        case Wall(unix_ns):
            world.wall_ns = unix_ns - now_ns
            world.book.expire(world.unix_s(now_ns), by=world.me)
        case Leave():
            if not world.leaving:
                world.leaving = True
                world.notes.append(Note("leaving", kind="node", about=world.me))
        case Tick():
            pass
        case _:
            assert_never(event)
    return []


def _heard(world: World, event: Heard, now_ns: int) -> None:
    peer = world.peer
    world.listened_ns = max(world.listened_ns, event.at_ns)
    before = peer.state(now_ns)
    if peer.hear(event):
        world.notes.append(Note("peer-restarted", (("node", peer.name),), kind="node", about=peer.name))
    if before is not Peer.TWO_WAY and peer.state(now_ns) is Peer.TWO_WAY:
        for group in world.groups.values():
            group.probing.heard_again()
    if event.repeat:
        return
    words = event.beat.words
    if words.services:
        world.peer_macs = words.macs
        world.peer_bases = tuple(s.ip for s in words.services if s.ip)
    if words.rules and world.book.merge(words.rules):
        world.notes.append(Note("rules-changed", (("node", peer.name),), kind="config"))
    differs = words.config != world.config_digest and words.config != 0
    if differs is not world.config_differs:
        world.config_differs = differs
        code = "config-differs-now" if differs else "config-agrees"
        world.notes.append(Note(code, (("node", peer.name),), "warning" if differs else "info", "config"))
    for group in world.groups.values():
        word = peer.word(group.number)
        control = world.controls.get(group.facts.control)
        if word is not None and word.digest == group.digest and group.agreed != group.written:
            group.agreed = group.written
        without = word is not None and word.stand is not Stand.HOLDS and word.state is not State.STOPPING
        group.peer_without_ns = (group.peer_without_ns or event.at_ns) if without else 0
        if word is None or control is None:
            continue
        answered_ns = event.at_ns - word.control_age_ms * 1_000_000
        later = word.control is Verdict.OK and answered_ns - control.silent_from_ns > world.lease.deadtime_ns
        if not later:
            group.peer_control_beats = 0
        elif answered_ns - group.peer_control_ns >= world.lease.keepalive_ns // 2:  # another answer, not the same
            group.peer_control_beats += 1
            group.peer_control_ns = answered_ns


def _probed(world: World, event: Probed, now_ns: int) -> list[Effect]:
    proofs: list[Effect] = []
    two_way = world.peer.state(now_ns) is Peer.TWO_WAY
    veto = event.begun_ns >= world.peer.lost_at_ns()  # before it is LOST, an owner that answers is as it should be
    for group in world.groups.values():
        probing = group.probing
        if not event.probe or probing.asked != event.probe:
            continue
        if event.failed:
            probing.failed(event.ended_ns)
            continue
        word = world.peer.word(group.number)
        runs_there = word is not None and word.stand is Stand.HOLDS and word.state is State.STARTED
        expected = runs_there and two_way and event.begun_ns > group.since_ns
        probing.take(event, world.member_macs, world.own_macs, veto=veto, expected=expected)
        probing.slow_down(now_ns)
        if probing.machine and group.holding:
            proofs.append(Prove(group.name, "base", event.begun_ns))
        if event.neighbours and group.holding:
            proofs.append(Prove(group.name, "neighbour", event.begun_ns))
        if group.owner:
            classic.looked_as_owner(world, group, now_ns)
    return proofs


def lengthen(world: World, from_ns: int, to_ns: int) -> None:
    """Own trouble only ever lengthens: silence, control and probes start over."""
    world.peer.stalled(from_ns, to_ns)
    for control in world.controls.values():
        control.broken(to_ns)
    for group in world.groups.values():
        group.probing.forget()


def _stalled(world: World, from_ns: int, to_ns: int) -> None:
    lengthen(world, from_ns, to_ns)
    if to_ns - from_ns > world.lease.keepalive_ns:  # shorter: pulse could not read all that came, and says so often
        args = (("ms", str((to_ns - from_ns) // 1_000_000)),)
        world.notes.append(Note("stalled", args, "warning", "node", world.me))


def _guarded(world: World, trouble: str) -> None:
    if trouble == "lost":
        world.notes.append(Note("guard-lost", (), "error", "failure", world.me))
    elif trouble:
        world.notes.append(Note("guard-none", (("error", trouble),), "warning", "failure", world.me))
    elif world.guard not in ("", "unknown"):
        world.notes.append(Note("guard-restored", (), "info", "other", world.me))
    world.guard = trouble


def _seen(world: World, event: Seen, now_ns: int) -> None:
    for group in world.groups.values():
        if event.ip not in group.probing.ips or event.mac in world.own_macs:
            continue
        peers = event.mac in world.member_macs or not world.member_macs  # never heard: it may be the other node
        claiming = peers and group.phase is Phase.CLAIMING
        if event.kind == "probe":
            if claiming and not world.preferred(group):
                group.backoff_ns = now_ns + world.lease.deadtime_ns
        elif group.holding:
            if event.mac not in world.peer_macs:
                group.conflict(now_ns, event.mac)
        elif claiming:
            group.claim_ns = now_ns  # it is taken: look again


def _carrier(world: World, device: str, up: bool, now_ns: int) -> None:
    code = "carrier-up" if up else "carrier-down"
    args = (("device", device),)
    world.notes.append(Note(code, args, "info" if up else "warning", "link", device))
    for group in world.groups.values():
        if group.facts.device == device:
            if up and group.phase is Phase.RUNNING:
                world.announce.add(group.name)
            group.probing.forget()
            if control := world.controls.get(group.facts.control):
                control.broken(now_ns)


def _facts(world: World, event: Facts, now_ns: int) -> None:
    world.services = event.services
    for facts in event.groups:
        if group := world.groups.get(facts.group):
            group.facts = facts
            if facts.control and facts.control not in world.controls:
                world.ask(facts.control, now_ns)
    world.answered.clear()  # of one that is found later it is old news
