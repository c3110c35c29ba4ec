"""Whether this machine's own packet filter drops heartbeats: base chains for what comes in and goes out.

Owns the judgement of rules as nftables prints them (libnftables-json(5)), and their reading; xtables.py brings those of
the old iptables into the same form. Invariant: `sure` is said only where every condition of the rule that drops is
understood and holds, and nothing before it was left unread. Only looks: what bridges and other machines drop stays
unseen. Must not know links.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

import msgspec

from hbcore.host import xtables
from hbcore.host.asking import asked

DEPTH = 16  # chains that jump to chains; the kernel's own limit, NFT_JUMP_STACK_SIZE
_HOOKS = {"in": ("prerouting", "input"), "out": ("output", "postrouting")}
_DEVICE = {"in": ("iif", "iifname"), "out": ("oif", "oifname")}
# Statements that neither ask nor decide; others beside them (limit, quota, xt, ...) may let a packet pass or not.
_IDLE = {"counter", "log", "match", "mangle", "notrack"}
_VERDICTS = ("accept", "drop", "return")
_DECIDING = {"reject", *_VERDICTS, "jump", "goto", "vmap", "queue"}
ELSE = -1  # of another protocol: nothing of it is in the packet
Rule = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Packet:
    """A heartbeat by UDP as the filter sees it; both its ports are `port`. `source`, `target`: addresses, "" where they
    are not known.
    """

    way: Literal["in", "out"]
    device: str
    port: int
    six: bool
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Ruled:
    """`chain`: as nft names it, e.g. "inet filter input"; "iptables-legacy -t filter INPUT" of the old kind.
    `sure`: nothing before the verdict was left unread.
    """

    chain: str
    sure: bool


async def ruleset() -> list[dict[str, Any]] | None:
    """All rules in nft's form; None where some cannot be seen here (no right, no program)."""
    text = await asked("nft", "-j", "list", "ruleset")
    try:
        rules = msgspec.json.decode(text, type=dict[str, list[dict[str, Any]]]).get("nftables") if text else None
    except msgspec.DecodeError:
        return None
    old = None if rules is None else await xtables.ruleset()
    return None if rules is None or old is None else rules + old


def dropped(rules: Iterable[dict[str, Any]], packet: Packet) -> Ruled | None:
    """The base chain that drops this packet, None where none is seen to. The surest of several."""
    book = _Book(rules)
    found = [ruled for chain in book.base(packet) if (ruled := _base(book, chain, packet))]
    return max(found, key=lambda ruled: ruled.sure, default=None)


class _Book:
    """Chains and their rules, by family, table and name."""

    def __init__(self, rules: Iterable[dict[str, Any]]) -> None:
        self.chains: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.rules: dict[tuple[str, str, str], list[Rule]] = {}
        for item in rules:
            if chain := item.get("chain"):
                self.chains[chain["family"], chain["table"], chain["name"]] = chain
            elif rule := item.get("rule"):
                key = rule["family"], rule["table"], rule["chain"]
                self.rules.setdefault(key, []).append(rule.get("expr", []))

    def base(self, packet: Packet) -> list[tuple[str, str, str]]:
        families = ("inet", "ip6" if packet.six else "ip")
        return [
            key
            for key, chain in self.chains.items()
            if key[0] in families and chain.get("hook") in _HOOKS[packet.way] and chain.get("type") == "filter"
        ]


def _base(book: _Book, key: tuple[str, str, str], packet: Packet) -> Ruled | None:
    verdict, sure = _walk(book, key, packet, DEPTH)
    if not verdict:
        verdict = str(book.chains[key].get("policy", "accept"))
    shown = key[1:] if xtables.OLD in key[1] else key
    return Ruled(" ".join(shown), sure) if verdict == "drop" else None


def _walk(book: _Book, key: tuple[str, str, str], packet: Packet, depth: int) -> tuple[str, bool]:
    """ "accept", "drop" or "" (it ran through), and whether all on the way there was understood."""
    sure = True
    for rule in book.rules.get(key, []):
        holds = [_holds(expression["match"], packet) for expression in rule if "match" in expression]
        if False in holds:
            continue
        verdict, certain, known = "", True, None not in holds
        for expression in rule:
            kind = next(iter(expression), "")
            if kind in _DECIDING:
                verdict, certain = _verdict(book, key, expression, packet, depth)
                break
            known = known and kind in _IDLE
        if verdict == "return" and known:
            return "", sure
        sure = sure and certain and (known or verdict in ("", "drop"))
        if verdict in ("accept", "drop") and known:
            return verdict, sure
    return "", sure


def _verdict(
    book: _Book, key: tuple[str, str, str], statement: dict[str, Any], packet: Packet, depth: int
) -> tuple[str, bool]:
    """Of one statement, as `_walk`'s; "return" beside them."""
    match statement:
        case {"reject": _}:
            return "drop", True
        case {"jump": {"target": target}} | {"goto": {"target": target}}:
            verdict, sure = _walk(book, (*key[:2], target), packet, depth - 1) if depth else ("", False)
            return verdict or ("return" if "goto" in statement else ""), sure
        case {"vmap": {"key": dict(left), "data": {"set": list(pairs)}}}:
            for value, found in pairs:
                holds = _holds({"op": "==", "left": left, "right": value}, packet)
                if holds is not False:
                    return _verdict(book, key, found, packet, depth) if holds else ("", False)
            return "", True
        case {"vmap": _} | {"queue": _}:
            return "", False
        case _:
            return next((one for one in _VERDICTS if one in statement), ""), True


def _holds(match: dict[str, Any], packet: Packet) -> bool | None:
    """None: not understood."""
    left, right, operator = match.get("left", {}), match.get("right"), match.get("op")
    value = _value(left, packet) if isinstance(left, dict) else None
    if value == ELSE:
        return False
    found = None if value is None else _among(value, right)
    if found is None or operator not in ("==", "!=", "in"):
        return None
    return found is (operator != "!=")


def _value(left: dict[str, Any], packet: Packet) -> str | int | None:
    """What the packet has there; None: that cannot be told."""
    cast = "" if not packet.target else "multicast" if ip_address(packet.target).is_multicast else "broadcast"
    match left:
        case {"meta": {"key": key}} if key in _DEVICE[packet.way]:
            return packet.device
        case {"payload": {"protocol": "ip" | "ip6" as family}} if (family == "ip6") is not packet.six:
            return ELSE
        case {"meta": {"key": "l4proto"}} | {"payload": {"field": "protocol" | "nexthdr"}}:
            return "udp"
        case {"meta": {"key": "nfproto"}}:
            return "ipv6" if packet.six else "ipv4"
        case {"meta": {"key": "pkttype"}} | {"fib": {"result": "type", "flags": ["daddr"]}} if packet.way == "in":
            return cast or None
        case {"payload": {"protocol": "udp" | "th", "field": "dport" | "sport"}}:
            return packet.port
        case {"payload": {"protocol": "tcp" | "icmp" | "icmpv6" | "sctp" | "igmp"}}:
            return ELSE
        case {"payload": {"protocol": "ip" | "ip6", "field": "saddr"}}:
            return packet.source or None
        case {"payload": {"protocol": "ip" | "ip6", "field": "daddr"}}:
            return packet.target or None
        case {"ct": {"key": "state"}} if cast and packet.way == "in":
            return "new"  # nothing of ours ever went back to where it came from; to a peer it does, from the same port
    return None


def _among(value: str | int, right: Any) -> bool | None:
    match right:
        case {"set": list(items)} | list(items):
            each = [_among(value, item) for item in items]
            return True if True in each else None if None in each else False
        case {"range": [int(low), int(high)]} if isinstance(value, int):
            return low <= value <= high
        case {"prefix": {"addr": str(address), "len": int(length)}} if isinstance(value, str):
            return ip_address(value) in ip_network(f"{address}/{length}", strict=False)
        case str(word) if word.startswith("@"):
            return None
        case str(word) if word.endswith("*") and isinstance(value, str):
            return value.startswith(word[:-1])
        case str() | int():
            return bool(value == right)
        case _:
            return None
