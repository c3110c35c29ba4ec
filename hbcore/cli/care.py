"""How the resources of a cluster are looked after, for hbctl explain: one sentence for all that fare alike.

Owns which of them do, and what hbcore.yaml says otherwise. Invariant: what fares as all others is not named; an address
is not asked after by a script, so it is none of these. Must not know the sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from hbcore.engine.config import CARE, Care, GroupDef, OnFail
from hbcore.formats.values import show
from hbcore.words import say

Said = tuple[str, Mapping[str, object]]  # a code of words with its arguments


def failing(groups: Sequence[GroupDef]) -> list[Said]:
    """What follows when a service dies."""
    return [_failing(care, who) for care, who in _alike(groups, _fate)]


def _fate(care: Care) -> Hashable:
    if not care.monitor_ns:
        return ()
    return care.monitor_ns, care.on_fail, (care.restarts, care.forget_ns) if care.on_fail is OnFail.RESTART else ()


def _failing(care: Care, who: str) -> Said:
    args = {"who": who, "every": show(care.monitor_ns), "restarts": care.restarts, "forget": show(care.forget_ns)}
    if not care.monitor_ns:
        return "x-service-never", args
    if care.on_fail is OnFail.IGNORE:
        return "x-service-ignore", args
    if care.on_fail is OnFail.MOVE or not care.restarts:
        return "x-service-move", args
    return "x-service", args


def hanging(code: str, groups: Sequence[GroupDef], limit: Callable[[Care], int]) -> list[Said]:
    """When an operation that does not end has failed. `limit`: nanoseconds."""
    return [(code, {"who": who, "limit": show(limit(care))}) for care, who in _alike(groups, limit)]


def _alike(groups: Sequence[GroupDef], by: Callable[[Care], Hashable]) -> list[tuple[Care, str]]:
    """For each way to fare one of them, and who they are: "" where that is all."""
    found: dict[Hashable, tuple[Care, list[str]]] = {}
    for group in groups:
        for resource in (r for r in group.resources if r.address is None):
            name = resource.name if len(groups) == 1 else say("explain-of", resource=resource.name, group=group.name)
            found.setdefault(by(resource.care), (resource.care, []))[1].append(name)
    if len(found) == 1:
        return [(care, "") for care, _ in found.values()]
    return [(care, say("explain-who", names=", ".join(names))) for care, names in found.values()]


def own(group: GroupDef) -> Iterator[tuple[str, str]]:
    """A resource, and what hbcore.yaml says of it, with what would be without in brackets."""
    for resource in group.resources:
        listed = [f"{name} {mine} ({ours})" for name, mine, ours in _fields(resource.care) if mine != ours]
        if listed:
            yield resource.name, ", ".join(listed)


def _fields(care: Care) -> Iterator[tuple[str, str, str]]:
    """By hbcore.yaml's names."""
    for name in ("monitor", "start", "stop", "status", "forget"):
        mine, ours = getattr(care, f"{name}_ns"), getattr(CARE, f"{name}_ns")
        yield name, show(mine) if mine else "never", show(ours)
    yield "restarts", str(care.restarts), str(CARE.restarts)
    yield "on_fail", str(care.on_fail), str(CARE.on_fail)
