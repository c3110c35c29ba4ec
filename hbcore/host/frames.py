"""ARP frames as bytes, and the kernel filter that lets only the interesting ones through. Pure.

Owns the 42 bytes of ARP over Ethernet for IPv4 (RFC 826), and the words for what such a frame says, into which `ndp`
reads those of IPv6 as well: the two modules are two spellings of one thing. Invariant: `read` gives None for everything
else, and never raises. Must not know sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from socket import inet_aton, inet_ntoa

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2
ANY = ANYONE = "0.0.0.0"
SNAP = 128  # bytes worth reading of a frame

_NOBODY = b"\0" * 6
_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_MIN_FRAME = 60
_SENDER_AT, _TARGET_AT = 28, 38
_MAX_FILTERED = 100  # a jump of the kernel's filter reaches 255 instructions
_LOAD, _LOAD_BYTE, _EQUAL, _GIVE = 0x20, 0x30, 0x15, 0x06
_ACCEPT, _REJECT = -1, -2


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a frame says. A request asks who has `target`; a reply says that `sender` is at `source`, to `target`.

    `source` is the MAC that the payload claims, `frame_source` that of the frame around it.
    """

    op: int
    source: bytes
    sender: str
    target: str
    frame_source: bytes


def ask(mac: bytes, source: str, ip: str, to: bytes | None = None) -> bytes:
    """Who has `ip`? To everybody, or to one machine."""
    return build(REQUEST, mac, source, ip, to or BROADCAST)


def tell(mac: bytes, ip: str, *, router: bool = False) -> list[bytes]:
    """`ip` is here: both forms of gratuitous ARP, for some listen to one of them only."""
    return [build(op, mac, ip, ip) for op in (REQUEST, REPLY)]


def build(op: int, mac: bytes, sender: str, target: str, to: bytes = BROADCAST) -> bytes:
    """One frame. A reply names its receiver in the payload, too; a request asks, so it names nobody."""
    named = to if op == REPLY else _NOBODY
    packed = _ARP.pack(to, mac, ETHERTYPE, 1, 0x0800, 6, 4, op, mac, inet_aton(sender), named, inet_aton(target))
    return packed.ljust(_MIN_FRAME, b"\0")


def read(frame: bytes) -> Spoken | None:
    if len(frame) < _ARP.size:
        return None
    _, source, ethertype, hardware, protocol, hlen, plen, op, mac, sender, _, target = _ARP.unpack_from(frame)
    if (ethertype, hardware, protocol, hlen, plen) != (ETHERTYPE, 1, 0x0800, 6, 4) or op not in (REQUEST, REPLY):
        return None
    return Spoken(op, mac, inet_ntoa(sender), inet_ntoa(target), source)


def only_about(ips: Collection[str]) -> bytes:
    """The filter for frames whose sender or target address is one of `ips`; for all where those are too many."""
    return passing((), map(inet_aton, ips), (_SENDER_AT, _TARGET_AT))


def groups(ips: Collection[str]) -> frozenset[str]:
    """The multicast groups in which others are asked for these addresses: none, everybody is asked."""
    return frozenset()


def passing(bytes_at: Collection[tuple[int, bytes]], words: Iterable[bytes], places: Collection[int]) -> bytes:
    """Classic BPF: frames with one of the values at each of `bytes_at`, and one of `words` (4 bytes) in one of `places`
    (any, where the words are too many).

    An array of struct sock_filter {u16 code, u8 jt, u8 jf, u32 k}, for SO_ATTACH_FILTER.
    """
    wanted = sorted(set(words))
    rows: list[tuple[int, int | None, int | None, int]] = []  # code, where to if true and if false (None: on), value
    for at, values in bytes_at:
        rows.append((_LOAD_BYTE, None, None, at))
        behind = len(rows) + len(values)
        rows += [(_EQUAL, behind, None, value) for value in values[:-1]] + [(_EQUAL, behind, _REJECT, values[-1])]
    if len(wanted) > _MAX_FILTERED:
        rows.append((_GIVE, None, None, SNAP))
    else:
        for at in places:
            rows.append((_LOAD, None, None, at))
            rows += [(_EQUAL, _ACCEPT, None, int.from_bytes(word, "big")) for word in wanted]
    rows += [(_GIVE, None, None, 0), (_GIVE, None, None, SNAP)]

    def jump(here: int, to: int | None) -> int:
        return 0 if to is None else to % len(rows) - here - 1

    packed = [struct.pack("=HBBI", code, jump(n, yes), jump(n, no), k) for n, (code, yes, no, k) in enumerate(rows)]
    return b"".join(packed)
