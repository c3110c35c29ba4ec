"""Whether this machine's own packet filter drops heartbeats: nftables' base chains for what comes in and goes out.

Owns the reading of rules. Invariant: "drops" is said only where every condition of the rule that drops is understood
and holds; where something before it was not understood, it is "may drop". Only looks: rules of the old iptables, of
bridges and of other machines stay unseen. Must not know links.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

LIMIT = 4 << 20  # bytes of rules; more are not read
PATIENCE_S = 2.0
DEPTH = 16  # chains that jump to chains
_HOOKS = {"in": "input", "out": "output"}
_DEVICE = {"in": ("iif", "iifname"), "out": ("oif", "oifname")}


@dataclass(frozen=True, slots=True)
class Packet:
    """A heartbeat by UDP as the filter sees it; both its ports are `port`."""

    way: Literal["in", "out"]
    device: str
    port: int
    six: bool


@dataclass(frozen=True, slots=True)
class Ruled:
    """`chain`: as nft names it, e.g. "inet filter input". `sure`: nothing before the verdict was left unread."""

    chain: str
    sure: bool


async def ruleset() -> list[dict[str, Any]] | None:
    """All rules as `nft -j` prints them; None where that cannot be asked here."""
    try:
        process = await asyncio.create_subprocess_exec(
            "nft", "-j", "list", "ruleset", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, limit=LIMIT,
        )  # fmt: skip
    except OSError:
        return None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            text = bytearray()
            while len(text) < LIMIT and (more := await process.stdout.read(LIMIT - len(text))):
                text += more
    except TimeoutError:
        text.clear()
    with contextlib.suppress(ProcessLookupError):
        process.kill()  # done, or too slow
    await process.wait()
    try:
        return msgspec.json.decode(bytes(text), type=dict[str, list[dict[str, Any]]]).get("nftables")
    except msgspec.DecodeError:
        return None


def dropped(rules: Iterable[dict[str, Any]], packet: Packet) -> Ruled | None:
    """The base chain that drops this packet, None where none is seen to. The surest of several."""
    book = _Book(rules)
    found = [ruled for chain in book.base(packet) if (ruled := _base(book, chain, packet))]
    return max(found, key=lambda ruled: ruled.sure, default=None)


class _Book:
    """Chains and their rules, by family, table and name."""

    def __init__(self, rules: Iterable[dict[str, Any]]) -> None:
        self.chains: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.rules: dict[tuple[str, str, str], list[list[dict[str, Any]]]] = {}
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
            if key[0] in families and chain.get("hook") == _HOOKS[packet.way] and chain.get("type") == "filter"
        ]


def _base(book: _Book, key: tuple[str, str, str], packet: Packet) -> Ruled | None:
    verdict, sure = _walk(book, key, packet, DEPTH)
    if not verdict:
        verdict = str(book.chains[key].get("policy", "accept"))
    return Ruled(" ".join(key), sure) if verdict == "drop" else None


def _walk(book: _Book, key: tuple[str, str, str], packet: Packet, depth: int) -> tuple[str, bool]:
    """ "accept", "drop" or "" (it ran through), and whether all on the way there was understood."""
    sure = True
    for rule in book.rules.get(key, []):
        holds = [_holds(expression["match"], packet) for expression in rule if "match" in expression]
        if False in holds:
            continue
        known = None not in holds and not any("xt" in expression for expression in rule)
        verdict, certain = _verdict(book, key, rule, packet, depth)
        if verdict == "return" and known:
            return "", sure
        sure = sure and certain and (known or verdict in ("", "drop"))
        if verdict in ("accept", "drop") and known:
            return verdict, sure
    return "", sure


def _verdict(
    book: _Book, key: tuple[str, str, str], rule: list[dict[str, Any]], packet: Packet, depth: int
) -> tuple[str, bool]:
    for expression in rule:
        if "drop" in expression or "reject" in expression:
            return "drop", True
        if "accept" in expression or "return" in expression:
            return next(iter(expression)), True
        if target := expression.get("jump") or expression.get("goto"):
            return _walk(book, (*key[:2], target["target"]), packet, depth - 1) if depth else ("", False)
        if "vmap" in expression or "queue" in expression:
            return "", False
    return "", True


def _holds(match: dict[str, Any], packet: Packet) -> bool | None:
    """None: not understood."""
    left, right, operator = match.get("left", {}), match.get("right"), match.get("op")
    meta, payload = left.get("meta", {}).get("key"), left.get("payload", {})
    value: object
    if meta in _DEVICE[packet.way]:
        value = packet.device
    elif meta in ("l4proto",) or payload.get("field") in ("protocol", "nexthdr"):
        value = "udp"
    elif meta == "nfproto":
        value = "ipv6" if packet.six else "ipv4"
    elif payload.get("protocol") in ("udp", "th") and payload.get("field") in ("dport", "sport"):
        value = packet.port
    elif payload.get("protocol") in ("tcp", "icmp", "icmpv6", "sctp"):
        return False
    else:
        return None
    found = _among(value, right)
    if found is None or operator not in ("==", "!=", "in"):
        return None
    return found is (operator != "!=")


def _among(value: object, right: Any) -> bool | None:
    match right:
        case {"set": list(items)}:
            each = [_among(value, item) for item in items]
            return True if True in each else None if None in each else False
        case {"range": [low, high]} if isinstance(value, int) and isinstance(low, int) and isinstance(high, int):
            return low <= value <= high
        case str(word) if word.startswith("@"):
            return None
        case str(word) if word.endswith("*") and isinstance(value, str):
            return value.startswith(word[:-1])
        case str() | int():
            return bool(value == right)
        case _:
            return None
