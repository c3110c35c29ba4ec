"""nf_tables as bytes: the few netlink messages that the guard needs, and what the kernel's answers say. Pure.

Owns the layouts (linux/netlink.h, netfilter/nfnetlink.h, netfilter/nf_tables.h). Invariants: an element of a set with a
timeout cannot be packed without a time; reading never raises, what is cut or of another kind is left out.
Must not know sockets, nor what the tables are for. Stays small: pulse imports it.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

INET, ARP = 1, 3  # NFPROTO_*
IPV4, IPV6 = b"\x02", b"\x0a"  # the same, as `meta nfproto` gives it
NETWORK, TRANSPORT = 1, 2  # payload bases
NFPROTO, L4PROTO = 15, 16  # meta keys
EQUAL, LEAST, MOST = 0, 5, 3  # comparisons: ==, >=, <=
TYPES = {4: 7, 16: 8}  # key length: nft's names for it, ipv4_addr and ipv6_addr

ERROR, DONE = 2, 3  # kinds of answers
INTERRUPTED = 0x10  # flag of a dump that a commit fell into

_SUBSYSTEM, _BEGIN, _END, _GENERATION = 10, 16, 17, 1
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _GETRULE, _DELRULE, _NEWSET = 0, 2, 3, 6, 7, 8, 9
_NEWSETELEM, _GETSETELEM, _DELSETELEM, _GETGEN = 12, 13, 14, 16
_REQUEST, _ACK, _DUMP, _EXCL, _CREATE, _APPEND = 0x1, 0x4, 0x300, 0x200, 0x400, 0x800
_CAPPED, _TLVS, _OFFSET = 0x100, 0x200, 2  # of an error: without the request, with attributes; which attribute was bad
_NESTED, _TYPE = 0x8000, 0x3FFF
_ELEMENTS = 3  # NFTA_SET_ELEM_LIST_ELEMENTS
_HAS_TIMEOUT = 0x10
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_GENERAL = struct.Struct("!BBH")  # nfgenmsg: family, version, resource id
_BODY = _HEADER.size + _GENERAL.size
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class Message:
    """One request. `body`: attributes that the kernel gives back when asked; `extra`: what only a request carries."""

    kind: int
    flags: int
    family: int
    body: bytes
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    kind: int
    flags: int
    sequence: int
    payload: bytes  # after the netlink header

    @property
    def body(self) -> bytes:
        return self.payload[_GENERAL.size :]

    @property
    def code(self) -> int:
        """Of an ERROR or DONE: the errno, 0 where all is well."""
        return max(0, -int(struct.unpack_from("=i", self.payload)[0]))

    @property
    def bad_at(self) -> int:
        """Of an ERROR: where in the message the kernel found what it refuses; 0 where it does not say."""
        if not self.flags & _TLVS or not self.flags & _CAPPED:
            return 0
        raw = attribute(self.payload[4 + _HEADER.size :], _OFFSET)
        return int(struct.unpack("=I", raw)[0]) if len(raw) == 4 else 0


# -- attributes --------------------------------------------------------------------------------------------------------


def _attribute(kind: int, data: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(data), kind) + data + bytes(-len(data) % 4)


def _nest(kind: int, *parts: bytes) -> bytes:
    return _attribute(kind | _NESTED, b"".join(parts))


def _name(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!I", value & 0xFFFFFFFF))


def _milliseconds(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!Q", value))


def _attributes(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """(type, nested as far as its sender says so, payload); ends at what is no attribute."""
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not 4 <= length <= len(data) - at:
            return
        yield kind & _TYPE, bool(kind & _NESTED), data[at + 4 : at + length]
        at += length + 3 & ~3


def attribute(data: bytes, *path: int) -> bytes:
    """The first one at that path; b"" where there is none."""
    for kind in path:
        data = next((payload for found, _, payload in _attributes(data) if found == kind), b"")
    return data


@functools.lru_cache(maxsize=64)  # the same few are compared after every commit of anybody
def covers(have: bytes, want: bytes) -> bool:
    """Whether each attribute of `want` stands in `have` with that value, and lists have those items and no more.

    What the kernel tells beyond that (handles, use counts, what later kernels add) is its own affair.
    """
    return _covers(have, want)


def _covers(have: bytes, want: bytes) -> bool:
    found: dict[int, list[bytes]] = {}
    for kind, _, payload in _attributes(have):
        found.setdefault(kind, []).append(payload)
    wanted: dict[int, list[tuple[bool, bytes]]] = {}
    for kind, nested, payload in _attributes(want):
        wanted.setdefault(kind, []).append((nested, payload))
    return all(
        len(items) == len(found.get(kind, ()))
        and all(_covers(h, w) if nested else h == w for h, (nested, w) in zip(found[kind], items, strict=True))
        for kind, items in wanted.items()
    )


# -- messages ----------------------------------------------------------------------------------------------------------


def table(family: int, name: str) -> Message:
    """Made where it is missing, woken where somebody made it dormant."""
    return Message(_NEWTABLE, _CREATE, family, _name(1, name) + _number(2, 0))


def no_table(family: int, name: str) -> Message:
    return Message(_DELTABLE, 0, family, _name(1, name))


def chain(family: int, table: str, name: str, hook: int, priority: int) -> Message:
    """A base chain; what it does not drop is accepted."""
    at = _nest(4, _number(1, hook), _number(2, priority))
    body = _name(1, table) + _name(3, name) + at + _number(5, 1) + _name(7, "filter")
    return Message(_NEWCHAIN, _CREATE, family, body)


def named_set(family: int, table: str, name: str, key_bytes: int, timeout_ms: int = 0) -> Message:
    """`timeout_ms`: the default for its elements, 0 where they have none."""
    flags = _number(3, _HAS_TIMEOUT) + _milliseconds(11, timeout_ms) if timeout_ms else b""
    body = _name(1, table) + _name(2, name) + flags + _number(4, TYPES[key_bytes]) + _number(5, key_bytes)
    return Message(_NEWSET, _CREATE, family, body, _number(10, 1))


def no_rules(family: int, table: str, chain: str) -> Message:
    return Message(_DELRULE, 0, family, _name(1, table) + _name(2, chain))


def rule(family: int, table: str, chain: str, *expressions: bytes) -> Message:
    """Appended to its chain."""
    body = _name(1, table) + _name(2, chain) + _nest(4, *expressions)
    return Message(_NEWRULE, _CREATE | _APPEND, family, body)


def element(family: int, table: str, name: str, key: bytes, timeout_ms: int) -> Message:
    """A new element with a time; refused (EEXIST) where it is, since a kernel before 6.12 would keep its old time."""
    if timeout_ms < 1:
        raise ValueError("a timeout of 0 is for ever")
    time = _milliseconds(4, timeout_ms)
    return Message(_NEWSETELEM, _CREATE | _EXCL, family, _element(table, name, key, time))


def lasting_element(family: int, table: str, name: str, key: bytes) -> Message:
    """One without a time, in a set without a timeout; there already is well."""
    return Message(_NEWSETELEM, _CREATE, family, _element(table, name, key))


def no_element(family: int, table: str, name: str, key: bytes) -> Message:
    return Message(_DELSETELEM, 0, family, _element(table, name, key))


def _element(table: str, name: str, key: bytes, time: bytes = b"") -> bytes:
    return _name(1, table) + _name(2, name) + _nest(_ELEMENTS, _nest(1, _nest(1, _attribute(1, key)), time))


# -- what a rule is made of; all in register 1 -------------------------------------------------------------------------


def _expression(name: str, *parts: bytes) -> bytes:
    return _nest(1, _name(1, name), _nest(2, *parts))


def meta(key: int) -> bytes:
    return _expression("meta", _number(2, key), _number(1, 1))


def payload(base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _number(1, 1), _number(2, base), _number(3, offset), _number(4, length))


def compare(how: int, value: bytes) -> bytes:
    return _expression("cmp", _number(1, 1), _number(2, how), _nest(3, _attribute(1, value)))


def lookup(name: str, inverted: bool = False) -> bytes:
    """Go on where the register is in that set; `inverted`: where it is not."""
    return _expression("lookup", _name(1, name), _number(2, 1), _number(5, int(inverted)))


def drop() -> bytes:
    return _expression("immediate", _number(1, 0), _nest(2, _nest(2, _number(1, 0))))


# -- questions ---------------------------------------------------------------------------------------------------------


def look(made: Message) -> Message:
    """Ask for the table, chain or set that `made` makes: its GET is the number after its NEW."""
    return Message(made.kind + 1, _ACK, made.family, made.body)


def rules_of(family: int, table: str, chain: str) -> Message:
    return Message(_GETRULE, _DUMP, family, _name(1, table) + _name(2, chain))


def elements_of(family: int, table: str, name: str) -> Message:
    return Message(_GETSETELEM, _DUMP, family, _name(1, table) + _name(2, name))


def element_of(family: int, table: str, name: str, key: bytes) -> Message:
    return Message(_GETSETELEM, _ACK, family, _element(table, name, key))


def generation() -> Message:
    return Message(_GETGEN, _ACK, 0, b"")


def keys_in(body: bytes) -> Iterator[bytes]:
    """Of one answer to `elements_of`."""
    for _, _, item in _attributes(attribute(body, _ELEMENTS)):
        yield attribute(item, 1, 1)


def left_ms(body: bytes) -> int:
    """Of the answer to `element_of`: what the kernel still leaves it; 0 where it does not say."""
    raw = attribute(body, _ELEMENTS, 1, 5)
    return int.from_bytes(raw, "big")


def generation_in(body: bytes) -> int:
    return int.from_bytes(attribute(body, 1), "big")


# -- packets -----------------------------------------------------------------------------------------------------------


def packed(message: Message, sequence: int, ack: bool = False) -> bytes:
    flags = _REQUEST | message.flags | (_ACK if ack else 0)
    kind = _SUBSYSTEM << 8 | message.kind
    return _packed(kind, flags, sequence, message.family, 0, message.body + message.extra)


def begin(sequence: int, generation: int = 0) -> bytes:
    """Of a transaction; with a `generation` it is refused (ERESTART) unless the ruleset still is that one."""
    only = _number(_GENERATION, generation) if generation else b""
    return _packed(_BEGIN, _REQUEST, sequence, 0, _SUBSYSTEM, only)


def end(sequence: int) -> bytes:
    return _packed(_END, _REQUEST, sequence, 0, _SUBSYSTEM)


def _packed(kind: int, flags: int, sequence: int, family: int, resource: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(_BODY + len(body), kind, flags, sequence, 0) + _GENERAL.pack(family, 0, resource) + body


def answers(packet: bytes) -> Iterator[Answer]:
    at = 0
    while at + _BODY <= len(packet):  # the shortest that is of use: an error number, an nfgenmsg
        length, kind, flags, sequence, _ = _HEADER.unpack_from(packet, at)
        if not _BODY <= length <= len(packet) - at:
            return
        yield Answer(kind, flags, sequence, packet[at + _HEADER.size : at + length])
        at += length + 3 & ~3


def names_element(message: Message, bad_at: int) -> bool:
    """Whether what the kernel refuses in `message` is a set element: then table and set are there."""
    start = _BODY
    for kind, _, data in _attributes(message.body):
        end = start + (4 + len(data) + 3 & ~3)
        if start <= bad_at < end:
            return kind == _ELEMENTS and message.kind in (_NEWSETELEM, _DELSETELEM)
        start = end
    return False
