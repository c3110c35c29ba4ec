"""What is wrong with a node, and with two that are to be one cluster: facts in, findings out.

Owns those judgements and how bad each is. Invariant: pure; each finding has a sentence and a way to mend it, both by
its code. What `hbctl check` says is passed on, not judged again. Must not know how a fact was found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hbcore.cli.facts import Checked, Facts, Service
from hbcore.engine.config import SECOND, Severity

CLOCK_NS = SECOND  # logs are read side by side, and rules expire by the wall clock; no lease knows it
FIXES = {
    "node-not-here": "name", "authkeys-mode": "mode", "guard-impossible": "guard", "fast-needs-realtime": "realtime",
    "file-missing": "init", "directory-missing": "init", "file-unreadable": "root",
}  # fmt: skip
ABSENT = ("script-missing", "agent-missing", "unit-missing")


@dataclass(frozen=True, slots=True)
class Finding:
    """About `node`. `code`: "dr-..." of words, or check's own; `fix`: "fix-..." of words. `text`: check's sentence."""

    node: str
    severity: Severity
    code: str
    fix: str
    args: Mapping[str, object] = field(default_factory=dict)
    text: str = ""


def alone(here: Facts, other: Facts | None = None) -> Iterator[Finding]:
    """What one node's facts show by themselves. `other`: to tell what is missing on one node only."""
    yield from _checked(here, other)
    if here.namesake:
        yield Finding(here.node, Severity.ERROR, "dr-namesake-heard", "fix-namesake", text=here.namesake)
    yield from _name(here)
    yield from _services(here)
    for manager in here.managers:
        code = "manager-runs" if manager.runs else "manager-enabled"
        yield _error(here, code, "manager", name=manager.name)
    for one in here.taken:
        yield _error(here, "port-taken", "port-taken", port=one.port, program=one.program or "?")
    for shut in here.shut:
        yield _error(here, "port-shut", "port-shut", port=shut.port, device=shut.device, chain=shut.chain)
    for folder in here.folders:
        fix = "folder" if other is None or any(f.path == folder.path for f in other.folders) else "folder-as-there"
        yield _error(here, "folder", fix, group=folder.group, path=folder.path, other=other.node if other else "")
    for what in here.unseen:
        yield Finding(here.node, Severity.NOTE, f"dr-unseen-{what}", f"fix-unseen-{what}")


def together(here: Facts, there: Facts, offset_ns: int, unsure_ns: int) -> Iterator[Finding]:
    """What only two nodes side by side show. `offset_ns`: its clock minus ours, give or take `unsure_ns`."""
    if here.macs and here.macs == there.macs:
        yield _error(here, "peer-is-self", "peer-is-self", node=here.node)
        return
    if here.node == there.node:
        macs = {"here": ", ".join(here.macs) or "?", "there": ", ".join(there.macs) or "?"}
        yield _error(here, "namesake", "namesake", node=here.node, **macs)
    elif here.nodes and there.node not in here.nodes:
        yield _error(there, "stranger", "stranger", node=there.node, nodes=", ".join(here.nodes))
    if abs(offset_ns) - unsure_ns > CLOCK_NS:
        word = "ahead of" if offset_ns > 0 else "behind"
        seconds = f"{abs(offset_ns) / SECOND:.1f}"
        yield _warning(there, "clock", "clock", node=there.node, other=here.node, word=word, seconds=seconds)
    yield from _users(here, there)
    for one, other in ((here, there), (there, here)):
        for ping in one.pings:
            if ping in other.addresses:
                yield _error(one, "ping-member", "ping-member", ping=ping, node=other.node)
        if one.daemon and other.daemon:
            for link in one.links:
                if link.state in ("down", "one-way"):
                    yield _error(one, "link", "link", link=link.name, state=link.state, other=other.node)


def sorted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; what two looks found alike once."""
    order = list(Severity)
    seen: dict[tuple[object, ...], Finding] = {}
    for one in findings:
        seen.setdefault((one.node, one.code, one.text, tuple(one.args.items())), one)
    return sorted(seen.values(), key=lambda one: order.index(one.severity))


def wrong(findings: Iterable[Finding]) -> bool:
    return any(one.severity is not Severity.NOTE for one in findings)


def _checked(here: Facts, other: Facts | None) -> Iterator[Finding]:
    for one in here.problems:
        fix = FIXES.get(one.code, "place")
        if other is not None and one.code.startswith(ABSENT) and not _lacks(other, one):
            fix = "as-there"
        args = {
            "config": here.config,
            "place": one.place,
            "kind": one.kind,
            "node": here.node,
            "other": other.node if other else "",
        }
        yield Finding(here.node, Severity(one.severity), one.code, f"fix-{fix}", args, f"{one.place}: {one.text}")


def _lacks(other: Facts, one: Checked) -> bool:
    return any(p.code.startswith(ABSENT) and p.kind == one.kind for p in other.problems)


def _name(here: Facts) -> Iterator[Finding]:
    if here.uname.lower() != here.node:
        yield _warning(here, "name", "uname", node=here.node, uname=here.uname)
    if not here.resolved:
        yield _warning(here, "unresolved", "hosts", node=here.node, address=_address(here))
    elif all(ip.startswith("127.") or ip == "::1" for ip in here.resolved):
        yield _warning(here, "loopback", "hosts", node=here.node, ip=here.resolved[0], address=_address(here))


def _address(here: Facts) -> str:
    """One that others can reach."""
    alone = ("127.", "fe80:", "::1")
    return next((ip for ip in here.addresses if not ip.startswith(alone)), "ADDRESS")


def _services(here: Facts) -> Iterator[Finding]:
    for one in here.services:
        args = {"unit": one.unit, "group": one.group, "resource": one.resource}
        runs = one.runs and one.group not in here.held
        if one.enabled:
            code, fix = ("enabled-runs", "disable-now") if runs else ("enabled", "disable")
            yield _error(here, code, fix if _is_unit(one) else "rc", **args)
        elif runs:
            yield _error(here, "runs" if here.daemon else "runs-before", "stop" if _is_unit(one) else "kill", **args)


def _is_unit(one: Service) -> bool:
    return "." in one.unit


def _users(here: Facts, there: Facts) -> Iterator[Finding]:
    others = {user.name: user for user in there.users}
    for user in here.users:
        other = others.get(user.name)
        if other is not None and (user.uid, user.gid) != (other.uid, other.gid):
            yield _error(
                there, "user", "user", user=user.name, node=here.node, other=there.node,
                uid=user.uid, gid=user.gid, other_uid=other.uid, other_gid=other.gid,
            )  # fmt: skip


def _error(about: Facts, code: str, fix: str, **args: object) -> Finding:
    return Finding(about.node, Severity.ERROR, f"dr-{code}", f"fix-{fix}", args)


def _warning(about: Facts, code: str, fix: str, **args: object) -> Finding:
    return Finding(about.node, Severity.WARNING, f"dr-{code}", f"fix-{fix}", args)
