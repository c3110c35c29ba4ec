"""What runs here and would have no manager any more after a restart with other files.

Owns that comparison. Invariant: what is not known to be stopped counts as running. Must not know how a restart is made.
"""

from __future__ import annotations

from collections.abc import Iterable

from hbcore.engine.config import GroupDef, Resource
from hbcore.engine.group import Group
from hbcore.engine.member import Res


def orphaned(groups: Iterable[Group], named: Iterable[GroupDef]) -> list[tuple[str, tuple[str, ...]]]:
    """(group, names of its resources) of all that may run by `groups` and is not in `named`, the groups of the new
    files. How a resource is looked after, and where its address stands, may be another there.
    """
    known = {group.name: {_what(r) for r in group.resources} for group in named}
    found = []
    for group in groups:
        there = known.get(group.name, set())
        lost = [m.resource for m in group.members if m.state is not Res.STOPPED and _what(m.resource) not in there]
        if lost:
            found.append((group.name, tuple(resource.name for resource in lost)))
    return found


def _what(resource: Resource) -> tuple[str, ...]:
    """What makes it the same service."""
    if resource.address is not None:
        return ("address", resource.address.ip)
    return (resource.agent, resource.kind, *resource.args)
