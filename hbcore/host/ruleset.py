"""What the guard writes into the kernel: its tables, sets, chains and rules, for nft. Pure.

Owns what "gated and not open" means for a packet: it is dropped, whatever it is. Invariants: each rule asks "gated?"
and then "not open?", so an address without a live element in `open` is silent; nothing here ever accepts on behalf of
others, and what is not gated passes untouched. Why these hooks: docs/decisions/0004-guard-in-the-kernel.md.
Must not know leases, nor who may open.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbcore.host import nft
from hbcore.host.nft import ARP, EQUAL, INET, IPV4, IPV6, LEAST, MOST, NETWORK, TRANSPORT, Message

TABLE = "hbcore_guard"
REHEARSAL = "hbcore_rehearsal"  # checked and undone, never there

FIRST = -300  # before connection tracking (-200), DNAT (-100), IPVS (input, forward); NF_IP_PRI_RAW
LAST = 0x7FFFFFFE  # after SNAT and the return of DNAT (100) and all that rewrite; only conntrack's confirm is later
_PREROUTING, _POSTROUTING, _ARP_IN, _ARP_OUT = 0, 4, 0, 1

# Only for an element that somebody adds by hand without a time; ours always carry theirs. Whole jiffies at any HZ.
_OPEN_MS, _TICKET_MS = 1000, 100

_ICMPV6 = b"\x3a"
_SOLICIT, _ADVERTISE = b"\x87", b"\x88"
_ND_FIRST, _ND_LAST = b"\x85", b"\x89"  # router solicitation ... redirect


@dataclass(frozen=True, slots=True)
class Set:
    """One set of ours. `timeout_ms`: the default of its elements; 0: they last."""

    family: int
    name: str
    key_bytes: int
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """The sets of IPv4 or IPv6: `near` gates ARP or NDP, `full` everything else; open is what is in all of `opens`."""

    near: Set
    full: Set
    opens: tuple[Set, ...]
    ticket: Set


_NEAR4 = Set(ARP, "gated", 4)
_ARP_OPEN = Set(ARP, "open", 4, _OPEN_MS)
_FULL4, _FULL6 = Set(INET, "gated4", 4), Set(INET, "gated6", 16)
_NEAR6 = Set(INET, "near6", 16)
_OPEN4, _OPEN6 = Set(INET, "open4", 4, _OPEN_MS), Set(INET, "open6", 16, _OPEN_MS)

V4 = Version(_NEAR4, _FULL4, (_ARP_OPEN, _OPEN4), Set(INET, "ticket4", 4, _TICKET_MS))
V6 = Version(_NEAR6, _FULL6, (_OPEN6,), Set(INET, "ticket6", 16, _TICKET_MS))
GATES = (_NEAR4, _FULL4, _NEAR6, _FULL6)
SETS = (*GATES, *V4.opens, *V6.opens, V4.ticket, V6.ticket)
FAMILIES = (ARP, INET)


@dataclass(frozen=True, slots=True)
class Chain:
    family: int
    name: str
    hook: int
    priority: int
    rules: tuple[tuple[bytes, ...], ...]


def _shut(gated: Set, opened: Set) -> tuple[bytes, ...]:
    """What ends each rule: the address in the register is gated, and not open."""
    return nft.lookup(gated.name), nft.lookup(opened.name, inverted=True), nft.drop()


def _field(base: int, at: int, want: bytes) -> tuple[bytes, ...]:
    return nft.payload(base, at, len(want)), nft.compare(EQUAL, want)


_ETHER_IPV4 = _field(NETWORK, 2, b"\x08\x00\x06\x04")  # ARP for IPv4 over 6-byte hardware addresses
_V4 = (nft.meta(nft.NFPROTO), nft.compare(EQUAL, IPV4))
_V6 = (nft.meta(nft.NFPROTO), nft.compare(EQUAL, IPV6))
_ND = (*_V6, nft.meta(nft.L4PROTO), nft.compare(EQUAL, _ICMPV6))
_ND_TARGET = nft.payload(TRANSPORT, 8, 16)  # the destination of a solicitation is a multicast group
_FROM6 = nft.payload(NETWORK, 8, 16)

CHAINS = (
    Chain(ARP, "input", _ARP_IN, FIRST, (
        (*_ETHER_IPV4, nft.payload(NETWORK, 24, 4), *_shut(_NEAR4, _ARP_OPEN)),
    )),
    Chain(ARP, "output", _ARP_OUT, LAST, (
        (*_ETHER_IPV4, nft.payload(NETWORK, 14, 4), *_shut(_NEAR4, _ARP_OPEN)),
    )),
    Chain(INET, "prerouting", _PREROUTING, FIRST, (
        (*_V4, nft.payload(NETWORK, 16, 4), *_shut(_FULL4, _OPEN4)),
        (*_V6, nft.payload(NETWORK, 24, 16), *_shut(_FULL6, _OPEN6)),
        (*_ND, *_field(TRANSPORT, 0, _SOLICIT), _ND_TARGET, *_shut(_NEAR6, _OPEN6)),
    )),
    Chain(INET, "postrouting", _POSTROUTING, LAST, (
        (*_V4, nft.payload(NETWORK, 12, 4), *_shut(_FULL4, _OPEN4)),
        (*_V6, _FROM6, *_shut(_FULL6, _OPEN6)),
        (*_ND, *_field(TRANSPORT, 0, _ADVERTISE), _ND_TARGET, *_shut(_NEAR6, _OPEN6)),
        # whatever else carries our MAC for it: a solicitation from it; one that looks for duplicates comes from ::
        (*_ND, nft.payload(TRANSPORT, 0, 1), nft.compare(LEAST, _ND_FIRST), nft.compare(MOST, _ND_LAST),
         _FROM6, *_shut(_NEAR6, _OPEN6)),
        (*_ND, *_field(TRANSPORT, 0, _SOLICIT), *_field(NETWORK, 8, bytes(16)), _ND_TARGET, *_shut(_NEAR6, _OPEN6)),
    )),
)  # fmt: skip


def tables(name: str = TABLE) -> list[Message]:
    return [nft.table(family, name) for family in FAMILIES]


def frame(name: str = TABLE) -> list[Message]:
    """Sets and chains."""
    sets = [nft.named_set(s.family, name, s.name, s.key_bytes, s.timeout_ms) for s in SETS]
    return sets + [nft.chain(c.family, name, c.name, c.hook, c.priority) for c in CHAINS]


def rules(chain: Chain, name: str = TABLE) -> list[Message]:
    return [nft.rule(chain.family, name, chain.name, *expressions) for expressions in chain.rules]


def anew(name: str = TABLE) -> list[Message]:
    """All of it; what its chains held before goes in the same transaction, so it never stands there twice."""
    filled = [message for c in CHAINS for message in (nft.no_rules(c.family, name, c.name), *rules(c, name))]
    return tables(name) + frame(name) + filled
