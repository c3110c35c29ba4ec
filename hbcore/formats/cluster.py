"""What the files mean together: nodes, links, times and groups become one ClusterConfig.

Owns every check that needs more than one line's own words: how many nodes, which node a group names, which addresses
collide. Invariant: a ClusterConfig is returned only where no check failed. Pure; must not know files on disk, nor
sentences.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hbcore.engine import serial
from hbcore.engine.config import (
    Chosen,
    ClusterConfig,
    GroupDef,
    Guard,
    Link,
    Media,
    Problem,
    Resource,
    Timing,
    Weight,
    Where,
)
from hbcore.formats import timing, weights
from hbcore.formats.ha_cf import HaCf
from hbcore.formats.haresources import GroupLine, written
from hbcore.formats.hbcore_yaml import HbcoreYaml, Tag
from hbcore.formats.text import Findings, nearest
from hbcore.formats.values import spell

NODES = 2  # classic mode
FILES = ("ha.cf", "haresources", "hbcore.yaml")


@dataclass(frozen=True, slots=True)
class Texts:
    """What the parsers made of each file, and whether a file had errors (then an absence in it proves nothing)."""

    ha_cf: HaCf
    groups: tuple[GroupLine, ...]
    yaml: HbcoreYaml = field(default_factory=HbcoreYaml)
    ha_cf_failed: bool = False
    haresources_failed: bool = False


def assemble(
    texts: Texts, node: str | None = None, files: tuple[str, str, str] = FILES
) -> tuple[ClusterConfig | None, tuple[Problem, ...]]:
    """The configuration, or None where any check failed, and their problems. `node`: my own name, if known."""
    ha, res, yaml = (Findings(file) for file in files)
    nodes = tuple(n.word for n in texts.ha_cf.nodes)
    _nodes(texts, node, ha)
    _pings(texts.ha_cf, ha)
    times, chosen = timing.complete(
        timing.Source(texts.ha_cf.times, ha), timing.Source(texts.yaml.times, yaml), texts.yaml.profile,
        texts.yaml.profile_line,
    )  # fmt: skip
    if texts.ha_cf.auto_failback is None:
        chosen = (*chosen, Chosen("auto_failback", "on", "legacy", texts.yaml.profile or "standard"))
    if len(nodes) >= NODES:  # else that was told, and every group would follow from it
        _owners(texts.groups, nodes, res)
    _addresses(texts, res)
    _shared(texts.groups, res)
    _digests(texts.groups, res)
    if not texts.groups and not texts.haresources_failed:
        res.warning(0, "no-group")
    tags = _tags(texts, yaml)
    groups = tuple(_group(g, nodes, tags.get(g.name), files, yaml) for g in texts.groups)
    groups = _guarded(groups, texts, tags, yaml)
    doubtful = ha.failed or yaml.failed or texts.ha_cf_failed or texts.haresources_failed
    if not doubtful:  # else times or groups are not those meant
        _serial(texts.ha_cf.links, len(groups), times, ha)
    problems = (*ha.close(), *res.close(), *yaml.close())
    if ha.failed or res.failed or yaml.failed or len(nodes) != NODES:
        return None, problems
    config = ClusterConfig(
        cluster=texts.ha_cf.cluster,
        nodes=nodes,
        links=texts.ha_cf.links,
        pings=tuple(p.word for p in texts.ha_cf.pings),
        ping_groups=texts.ha_cf.ping_groups,
        groups=groups,
        timing=times,
        auto_failback=texts.ha_cf.auto_failback is not False,
        logfile=texts.ha_cf.logfile,
        debugfile=texts.ha_cf.debugfile,
        logfacility=texts.ha_cf.logfacility,
        chosen=chosen,
        respawn=texts.ha_cf.respawn,
    )
    return config, problems


def _group(
    group: GroupLine, nodes: Sequence[str], tag: Tag | None, files: tuple[str, str, str], found: Findings
) -> GroupDef:
    weight, why, of = weights.weigh(group.resources)
    if tag is not None and tag.weight is not None:
        weight, why, of = tag.weight, "weight-tagged", f"{files[2]}:{tag.weight_line}"
    prefer = (group.node, *(n for n in nodes if n != group.node))
    resources = group.resources if tag is None else _cared(group, tag, found)
    return GroupDef(group.name, prefer, resources, weight, why, of, Where(files[1], group.line))


def _cared(group: GroupLine, tag: Tag, found: Findings) -> tuple[Resource, ...]:
    """Its resources, each with the care it was given."""
    resources = {r.name: r for r in group.resources}
    for cared in tag.cares:
        resource = resources.get(cared.resource)
        if resource is None:
            near = nearest(cared.resource, resources, 0.0) or ", ".join(resources)
            found.error(cared.line, "care-resource", resource=cared.resource, group=group.name, near=near)
        elif resource.address is not None:
            found.error(cared.line, "care-address", resource=cared.resource)
        else:
            resources[cared.resource] = replace(resource, care=cared.care)
    return tuple(resources.values())


def _nodes(texts: Texts, me: str | None, found: Findings) -> None:
    placed = texts.ha_cf.nodes
    names = [n.word for n in placed]
    if len(placed) > NODES:
        found.error(placed[NODES].line, "node-third", node=placed[NODES].word, count=len(placed))
    elif len(placed) == 1 and not texts.ha_cf_failed:
        found.error(placed[0].line, "node-alone", node=placed[0].word)
    if me is not None and placed and not texts.ha_cf_failed and me.lower() not in names:
        short = [n for n in names if n.partition(".")[0] == me.lower().partition(".")[0]]
        near = short[0] if short else nearest(me, names, 0.0) or names[0]
        found.error(placed[0].line, "node-not-here", node=me, near=near, nodes=", ".join(names))


def _pings(ha: HaCf, found: Findings) -> None:
    peers = {link.target: link.where.line for link in ha.links if link.to_peer}
    for ping in ha.asked:
        if ping.word in peers:
            found.error(ping.line, "ping-is-peer", word=ping.word, other=peers[ping.word])


def _serial(links: Sequence[Link], groups: int, times: Timing, found: Findings) -> None:
    """A serial line alone can keep the cluster whole, or it is refused: a peer heard one-way now and then is worse."""
    for link in links:
        if link.media is not Media.SERIAL or serial.carries(times, groups, link.baud):
            continue
        least, faster = serial.least_timing(times, groups, link.baud), serial.least_baud(times, groups)
        found.error(
            link.where.line, "serial-slow" if faster else "serial-slow-only", device=link.device, baud=link.baud,
            groups=groups, keepalive=spell(times.keepalive_ns), deadtime=spell(times.deadtime_ns),
            longer=spell(least.keepalive_ns), later=spell(least.deadtime_ns), faster=faster,
        )  # fmt: skip


def _owners(groups: Sequence[GroupLine], nodes: Sequence[str], found: Findings) -> None:
    """The first word of a group is a node, the others are not."""
    for group in groups:
        if group.node not in nodes:
            short = [n for n in nodes if n.partition(".")[0] == group.node.partition(".")[0]]
            near = short[0] if short else nearest(group.node, nodes, 0.5)
            if group.continues and near is None:
                found.error(group.line, "group-continued", word=group.node, above=group.continues)
            elif near is not None:
                found.error(group.line, "group-node-near", node=group.node, near=near)
            else:
                found.error(group.line, "group-node", node=group.node, nodes=", ".join(nodes))
            continue
        for resource, line in zip(group.resources[:-1], group.places, strict=False):  # the last begins no new group
            if resource.kind.lower() in nodes:
                found.error(line, "resource-is-node", word=resource.kind)
                break


def _addresses(texts: Texts, found: Findings) -> None:
    """A virtual address belongs to one resource, and to nothing that must answer from one fixed machine."""
    pings = {p.word: p.line for p in texts.ha_cf.asked}
    peers = {link.target: link.where.line for link in texts.ha_cf.links if link.to_peer}
    seen: dict[str, int] = {}
    for group in texts.groups:
        for resource, line in zip(group.resources, group.places, strict=True):
            if resource.address is None:
                continue
            ip = resource.address.ip
            if ip in seen:
                found.error(line, "vip-twice", ip=ip, other=seen[ip])
            elif ip in pings:
                found.error(line, "vip-is-ping", ip=ip, other=pings[ip])
            elif ip in peers:
                found.error(line, "vip-is-link", ip=ip, other=peers[ip])
            seen.setdefault(ip, line)


def _shared(groups: Sequence[GroupLine], found: Findings) -> None:
    """One service in two groups: on one node, stopping it for the one stops it for the other."""
    seen: dict[str, str] = {}
    for group in groups:
        for resource, line in zip(group.resources, group.places, strict=True):
            if resource.address is not None:
                continue
            text = written(resource)
            if seen.get(text, group.name) != group.name:
                found.warning(line, "script-shared", word=text, group=group.name, other=seen[text])
            seen.setdefault(text, group.name)


def _digests(groups: Sequence[GroupLine], found: Findings) -> None:
    """Beats carry crc32 of a group's name (engine/beat.py): two that agree in it would be taken for one."""
    seen: dict[int, str] = {}
    for group in groups:
        digest = zlib.crc32(group.name.encode())
        if seen.get(digest, group.name) != group.name:
            found.error(group.line, "group-digest", group=group.name, other=seen[digest])
        seen.setdefault(digest, group.name)


def _tags(texts: Texts, found: Findings) -> dict[str, Tag]:
    names = [g.name for g in texts.groups]
    for tag in texts.yaml.tags:
        if tag.group not in names and not texts.haresources_failed:
            near = nearest(tag.group, names, 0.0)
            found.error(tag.line, "yaml-group-near" if near else "yaml-group", group=tag.group, near=near or "")
    return {tag.group: tag for tag in texts.yaml.tags}


def _guarded(groups: tuple[GroupDef, ...], texts: Texts, tags: dict[str, Tag], found: Findings) -> tuple[GroupDef, ...]:
    """The groups with their guard: the tag's, else the file's where it can hold. One that cannot work is refused."""
    asked = texts.yaml.guard or Guard.AUTO
    lost = texts.haresources_failed or not groups  # then that was told
    if asked is Guard.REQUIRED and not lost and not any(g.can_be_gated for g in groups):
        found.error(texts.yaml.guard_line, "guard-nothing")
    out = []
    for group in groups:
        tag = tags.get(group.name)
        guard = tag.guard if tag is not None and tag.guard is not None else asked
        if guard is Guard.REQUIRED and not group.can_be_gated:
            if tag is not None and tag.guard is guard:
                heavy = group.weight is Weight.HEAVY
                found.error(tag.guard_line, "guard-heavy" if heavy else "guard-no-address", group=group.name)
            guard = Guard.AUTO
        out.append(replace(group, guard=guard))
    return tuple(out)
