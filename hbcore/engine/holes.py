"""What a group is not protected against: the holes of safety.md 4, where they apply.

Owns the level and the list. Invariant: a hole that applies is shown, whatever the mood; a group's level is that of its
weakest hole, the cluster's that of its weakest group. Must not know sentences.
"""

from __future__ import annotations

from hbcore.engine.beat import Verdict
from hbcore.engine.config import Weight
from hbcore.engine.group import Group
from hbcore.engine.lease import valid_s
from hbcore.engine.world import World

STRONG_BITS = 128
Hole = tuple[str, tuple[tuple[str, str], ...]]


def holes(world: World, group: Group, key_bits: int, now_ns: int) -> list[Hole]:
    """(code, args) of each hole that applies to this group on this node, as it stands now."""
    out: list[Hole] = []
    heavy = group.definition.weight is Weight.HEAVY
    controlled = bool(group.facts.control)
    addressed = bool(group.definition.addresses)
    if heavy or not addressed:
        out.append(("H1", (("why", "heavy" if heavy else "no-address"),)))
    out.append(("H2", (("control", group.facts.control),)) if controlled else ("H3", ()))
    if heavy:
        out.append(("H4", ()))
    out.append(("H5", ()))
    if group.definition.can_be_gated and (unguarded := world.guard if group.gated else "guard: off"):
        out.append(("H6", (("error", unguarded), ("seconds", str(valid_s(world.lease))))))
    if key_bits < STRONG_BITS:
        out.append(("H7", (("bits", str(key_bits)),)))
    if blind(world, group, now_ns):
        out.append(("blind", (("peer", world.peer.name),)))
    if world.verdict(group, now_ns) is Verdict.SUSPENDED:
        out.append(("suspended", (("control", group.facts.control),)))
    return out


def blind(world: World, group: Group, now_ns: int) -> bool:
    """The peer holds the address and was asked for it while all was well, yet never answered (safety.md 5)."""
    probing = group.probing
    return bool(probing.ips) and not group.owner and probing.expected_rounds > 1 and not probing.peer_ever_answered


def level(found: list[Hole], group: Group) -> str:
    """classic: presumed evidence with the vetoes; none: neither control nor an address that could veto."""
    codes = {code for code, _ in found}
    vetoes = bool(group.definition.addresses) and "blind" not in codes
    return "classic" if vetoes or "H3" not in codes else "none"
