"""What this node says: the words of its beats, and the leases pulse is to keep.

Owns the translation of the world into Words and Held. Invariant: pure; a word says no more than the disk has confirmed
(Group.stand). Must not know when anything is sent.
"""

from __future__ import annotations

from hbcore.engine.beat import GroupWord, Words
from hbcore.engine.effects import Held
from hbcore.engine.group import Group, Phase
from hbcore.engine.world import World

READY = (Phase.IDLE, Phase.CLAIMING, Phase.STARTING, Phase.RUNNING, Phase.MENDING, Phase.FOUND)


def words(world: World, now_ns: int) -> Words:
    """The engine's half of the next beats."""
    differ = world.peer.words.rules_digest != world.book.digest()
    return Words(
        mode=world.mode(now_ns),
        config=world.config_digest,
        deadtime_ms=world.lease.deadtime_ns // 1_000_000,
        groups=tuple(_word(world, g, now_ns) for g in world.groups.values()),
        services=world.services,
        rules_digest=world.book.digest(),
        rules=world.book.share(now_ns // world.lease.keepalive_ns) if differ else (),
        release=world.version,
    )


def _word(world: World, group: Group, now_ns: int) -> GroupWord:
    control = world.controls.get(group.facts.control)
    return GroupWord(
        group=group.number,
        stand=group.stand,
        epoch=group.shown_epoch,
        digest=group.digest,
        failed=group.failed,
        state=group.state,
        ready=group.phase in READY and not world.cannot_here(group, now_ns),
        control=world.verdict(group, now_ns),
        control_age_ms=control.age_ms(now_ns) if control is not None else 0,
    )


def weighty(said: Words) -> object:
    """The part of the words that the peer should hear at once when it changes."""
    groups = [(w.group, w.stand, w.epoch, w.failed, w.state, w.ready) for w in said.groups]
    return said.mode, groups, said.rules_digest, said.config


def held(world: World) -> tuple[Held, ...]:
    """The groups whose leases run: mine or found running, and not lapsed."""
    return tuple(_held(world, g) for g in world.groups.values() if g.holding and not g.lapsed_ns)


def unsure(world: World) -> tuple[str, ...]:
    """The groups that are still asked whether they run here."""
    return tuple(g.name for g in world.groups.values() if g.phase is Phase.PROBING)


def _held(world: World, group: Group) -> Held:
    control = world.controls.get(group.facts.control)
    alone = group.settled or world.peer.left or (control is not None and control.suspended)
    opened_ns = 0 if group.phase in (Phase.FOUND, Phase.CLAIMING) else group.opened_ns
    removable = group.definition.can_be_gated
    return Held(group.name, group.number, group.facts.control, alone, removable, group.gated, opened_ns)
