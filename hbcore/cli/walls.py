"""Does this machine's firewall drop beats? A walk through a ruleset of nftables as `nft -j list ruleset` prints it.

Owns that walk, for a packet that opens no connection known before. Invariant: "dropped" is said only where it is sure;
a rule that is not understood is taken to let the packet in. Pure. Schema: libnftables-json(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from hbcore.cli.firewall import Opening

Place = tuple[str, str, str]  # family, table, chain
Rules = Mapping[Place, Sequence[Any]]  # the expressions of each rule, in order
FAMILIES = ("inet", "ip")
DEEP = 16  # jumps; the kernel's own limit, NFT_JUMP_STACK_SIZE


def dropped(ruleset: Mapping[str, Any], wanted: Opening) -> str:
    """The chain ("FAMILY TABLE CHAIN") that drops these beats, "" where none surely does."""
    items = [item for item in ruleset.get("nftables", []) if isinstance(item, dict)]
    rules: dict[Place, list[Any]] = {}
    for rule in _of(items, "rule"):
        rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule.get("expr", []))
    for chain in _of(items, "chain"):
        if chain["family"] in FAMILIES and chain.get("hook") == "input" and chain.get("type") == "filter":
            place = (chain["family"], chain["table"], chain["name"])
            if (_walk(rules, place, wanted, DEEP) or chain.get("policy", "accept")) == "drop":
                return " ".join(place)
    return ""


def _of(items: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    return (item[kind] for item in items if kind in item)


def _walk(rules: Rules, place: Place, wanted: Opening, deep: int) -> str:
    """accept | drop | return, or "" at the end of the chain."""
    for expressions in rules.get(place, []):
        fits = [_fits(e["match"], wanted) for e in expressions if "match" in e]
        if False in fits:
            continue
        sure = None not in fits
        for expression in expressions:
            if "accept" in expression or "queue" in expression or "vmap" in expression:
                return "accept"
            if sure and ("drop" in expression or "reject" in expression):
                return "drop"
            if sure and "return" in expression:
                return "return"
            if sure and "goto" in expression and deep:
                return _walk(rules, (*place[:2], expression["goto"]["target"]), wanted, deep - 1)
            if "jump" in expression and deep:
                verdict = _walk(rules, (*place[:2], expression["jump"]["target"]), wanted, deep - 1)
                if verdict == "accept" or (verdict == "drop" and sure):
                    return verdict
    return ""


def _fits(match: Mapping[str, Any], wanted: Opening) -> bool | None:
    """None: that cannot be told."""
    left, right, op = match.get("left", {}), match.get("right"), match.get("op", "==")
    if op not in ("==", "in", "!=") or not isinstance(left, dict):
        return None
    found = _value(left, wanted)
    inside = None if found is None else _inside(found, right)
    return inside if inside is None or op != "!=" else not inside


def _value(left: Mapping[str, Any], wanted: Opening) -> str | int | None:
    match left:
        case {"meta": {"key": "iifname" | "iif"}}:
            return wanted.device
        case {"meta": {"key": "l4proto"}} | {"payload": {"protocol": "ip", "field": "protocol"}}:
            return "udp"
        case {"meta": {"key": "nfproto"}}:
            return "ipv4"
        case {"payload": {"protocol": "udp" | "th", "field": "dport"}}:
            return wanted.port
        case {"payload": {"protocol": "tcp" | "icmp" | "icmpv6" | "ip6" | "igmp"}}:
            return -1  # another protocol: nothing of it is in the packet
        case {"payload": {"protocol": "ip", "field": "saddr"}} if wanted.source:
            return wanted.source
        case {"payload": {"protocol": "ip", "field": "daddr"}} if wanted.group:
            return wanted.group
        case {"ct": {"key": "state"}}:
            return "new"
    return None


def _inside(found: str | int, right: Any) -> bool | None:
    match right:
        case {"set": list(several)} | list(several):
            fits = [_inside(found, one) for one in several]
            return True if True in fits else None if None in fits else False
        case {"range": [int(low), int(high)]}:
            return isinstance(found, int) and low <= found <= high
        case {"prefix": {"addr": str(address), "len": int(length)}} if isinstance(found, str) and "." in found:
            return ip_address(found) in ip_network(f"{address}/{length}", strict=False)
        case str(text) if text.startswith("@") or text.endswith("*"):
            return None  # a named set, a pattern
        case str() | int():
            return bool(found == right)
    return None
