"""The bytes of a page of clients' connections (engine.flows), a datagram of its own kind beside the beats.

Owns its layout and its bounds. Invariant: as for beats (wire.py): exactly one `Reject` or a page within the bounds, and
nothing is parsed before its signature is found right. It is sealed as a beat is, under another magic, so a release that
does not know it counts one datagram that is not ours. Must not know sockets, nor whether a page is new.

The payload is one msgpack array (`_Payload`). By address: the address in 4 or 16 bytes, then for each connection its
port here, the client's address (as long) and the client's port: 8 or 20 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Annotated

import msgspec
from msgspec import Meta

from hbcore.engine.beat import MAX_BYTES, LifeKey
from hbcore.engine.flows import MAX_PAGES, Flow, Flows, Page, is_host
from hbcore.engine.keys import Key, Keyring
from hbcore.links.wire import U63, U64, Reject, opened, seal, size

MAGIC = b"\x89hbf"
VERSION = 1
_RECORD = {4: struct.Struct(">H4sH"), 16: struct.Struct(">H16sH")}  # by the length of an address
_U63 = Annotated[int, Meta(ge=0, le=U63)]
_PART = Annotated[int, Meta(ge=0, lt=MAX_PAGES)]
_Bytes = Annotated[bytes, Meta(max_length=MAX_BYTES)]
_HEAD = 8  # what msgpack spends at most on an address and the lengths before it, with some to spare


class _Payload(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    node: Annotated[int, Meta(ge=0, le=255)]
    incarnation: _U63
    generation: _U63
    nonce: Annotated[int, Meta(ge=1)]
    number: _U63
    part: _PART
    parts: Annotated[int, Meta(ge=1, le=MAX_PAGES)]
    flows: tuple[tuple[_Bytes, _Bytes], ...]


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Payload).decode


def encode(node: int, life: LifeKey, number: int, flows: Flows, cluster: bytes, key: Key) -> list[bytes]:
    """The datagrams that tell this list, each at most MAX_BYTES long; what does not fit into MAX_PAGES is not told."""
    empty = _Payload(node, *life, number, MAX_PAGES - 1, MAX_PAGES, ())
    shares = list(_shares(flows, MAX_BYTES - size(_pack(empty), key)))[:MAX_PAGES]
    pages = (msgspec.structs.replace(empty, part=n, parts=len(shares), flows=s) for n, s in enumerate(shares))
    return [seal(_pack(page), cluster, key, VERSION, MAGIC) for page in pages]


def _shares(flows: Flows, room: int) -> Iterator[tuple[tuple[bytes, bytes], ...]]:
    """The list in pieces that take up `room` bytes at most."""
    share: list[tuple[bytes, bytes]] = []
    left = room
    for ip, clients in flows:
        address = inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)
        record, head = _RECORD[len(address)], len(address) + _HEAD
        at = 0
        while at == 0 or at < len(clients):  # one without connections is named, too
            most = (left - head) // record.size
            if most < 1:
                yield tuple(share)
                share, left = [], room
                continue
            piece = clients[at : at + most]
            share.append((address, b"".join(record.pack(*flow) for flow in piece)))
            left -= head + record.size * len(piece)
            at += most
    if share:
        yield tuple(share)


def decode(data: bytes, keyring: Keyring, cluster: bytes, nodes: int) -> Page | Reject:
    """The page in a datagram that begins with MAGIC, or the one reason why there is none."""
    found = opened(data, keyring, cluster, MAGIC, (VERSION,))
    if isinstance(found, Reject):
        return found
    try:
        p = _unpack(found[1])
        if p.nonce > U64 or p.part >= p.parts:
            raise ValueError
        flows = tuple(_flows_in(*entry) for entry in p.flows)
    except ValueError:  # msgspec's errors are ValueErrors, and so are those of addresses and ours
        return Reject.MALFORMED
    if p.node >= nodes:
        return Reject.UNKNOWN_NODE
    return Page(p.node, (p.incarnation, p.generation, p.nonce), p.number, p.part, p.parts, flows)


def _flows_in(address: bytes, records: bytes) -> tuple[str, tuple[Flow, ...]]:
    """Raises ValueError for what no connection has: a packet is going to be sent to it."""
    record = _RECORD.get(len(address))
    if record is None or len(records) % record.size:
        raise ValueError
    flows = tuple(map(Flow._make, record.iter_unpack(records)))
    if not all(flow.port and flow.client_port and is_host(flow.client) for flow in flows):
        raise ValueError
    return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address), flows
