"""A beat as small as can be, for lines that carry two thousand bytes a second.

Owns that second wire format. Invariant: as `wire`'s, whatever the bytes, `decode` returns a `Beat` within bounds or one
`Reject`, and never raises; nothing of the body is parsed before its signature is found right; every beat says all that
a decision needs, so one that is lost leaves nothing behind. Must not know devices, nor how frames are cut.

    version and key id 1 | signature 8 (crc: 4) | body

Signed is a mark of this format, the cluster (which is not sent: who is at the other end of a line is of this cluster,
or its signature is wrong), head and body. 64 bits of an HMAC are enough where a guess takes 20 ms (NIST SP 800-107,
5.3.3). The body: fixed fields, then numbers of seven bits a byte, the release, the groups; and with every eighth frame
(`rich`) the service interfaces and one of the rules the peer lacks.
"""

from __future__ import annotations

import hmac
import struct
import zlib
from dataclasses import dataclass

import msgspec

from hbcore.engine.beat import MAX_GROUPS, MAX_MACS, VERSION, Beat, Frame, Mode, Words
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.links import services
from hbcore.links.wire import (
    MAX_RELEASE,
    U16,
    U32,
    U48,
    U63,
    Reject,
    WireRule,
    cap,
    clean,
    clean_enough,
    digest_of,
    group_in,
    rule_in,
    rule_out,
    what_of,
)

MAX_FRAME = 1600  # 64 groups and 8 services with every number at its bound, and room for a rule
_MARK = b"\x89hbs"  # what is signed for a line is no datagram (wire.MAGIC), and the other way round
_SIGNATURE = 8  # bytes
_FIXED = struct.Struct(">BQQII")  # node and mode, nonce, your nonce, configuration, digest of all rules
_GROUP = struct.Struct(">IIH")  # crc32 of its name, digest of its definition, what it says in bits
_rule = msgspec.msgpack.Decoder(WireRule).decode


def encode(beat: Beat, key: Key, *, rich: bool) -> bytes:
    """The frame for `beat`, signed with `key`. `rich`: with what need not be said all the time, where there is room."""
    frame, words = beat.frame, beat.words
    assert frame.node < 32 and key.id < 16, "a beat out of bounds"
    head = bytes([VERSION << 4 | key.id])
    release = clean(words.release, MAX_RELEASE).encode()
    numbers = (
        frame.incarnation, frame.generation, frame.seq, frame.echo_seq, cap(frame.echo_age_us, U32),
        cap(words.engine_age_ms, U16), cap(words.deadtime_ms, U32), len(release),
    )  # fmt: skip
    body = _FIXED.pack(frame.node << 3 | words.mode, frame.nonce, frame.your_nonce, words.config, words.rules_digest)
    body += b"".join(map(_number, numbers)) + release + _number(len(words.groups))
    for word in words.groups:
        body += _GROUP.pack(word.group, word.digest, what_of(word))
        body += _number(cap(word.control_age_ms, U16)) + _number(cap(word.epoch, U48))
    if rich:
        body = _enriched(body, beat)
    return head + _signature(key, frame.cluster, head + body) + body


def _enriched(body: bytes, beat: Beat) -> bytes:
    """With the services, and a rule that changes with seq; or as much of that as fits."""
    macs = services.pack(beat.words.services[:MAX_MACS])
    with_macs = body + bytes([len(macs)]) + macs
    if not beat.words.rules:
        return with_macs
    turn = zlib.crc32(beat.frame.seq.to_bytes(8, "big")) % len(beat.words.rules)
    full = with_macs + msgspec.msgpack.encode(rule_out(beat.words.rules[turn]))
    return full if len(full) <= MAX_FRAME - 1 - _SIGNATURE else with_macs


def decode(data: bytes, keyring: Keyring, cluster: bytes, nodes: int) -> Beat | Reject:
    """The beat in a frame, or the one reason why there is none. `nodes` is how many the configuration has."""
    if len(data) > MAX_FRAME:
        return Reject.OVERSIZED
    if not data or data[0] >> 4 != VERSION:
        return Reject.NOT_OURS  # noise, most likely
    key = keyring.find(data[0] & 15)
    if key is None:
        return Reject.UNKNOWN_KEY
    start = 1 + _length(key)
    if len(data) < start + _FIXED.size:
        return Reject.TRUNCATED
    body = data[start:]
    if not hmac.compare_digest(data[1:start], _signature(key, cluster, data[:1] + body)):
        return Reject.BAD_SIGNATURE
    try:
        beat = _beat(_Reader(body), cluster)
    except (ValueError, IndexError, struct.error):
        return Reject.MALFORMED
    return beat if beat.frame.node < nodes else Reject.UNKNOWN_NODE


def _length(key: Key) -> int:
    return 4 if key.method is Method.CRC else _SIGNATURE


def _signature(key: Key, cluster: bytes, signed: bytes) -> bytes:
    return digest_of(key, _MARK + cluster + signed)[: _length(key)]


def _number(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@dataclass(slots=True)
class _Reader:
    """Reads a body from left to right. Raises IndexError, ValueError and struct.error."""

    data: bytes
    at: int = 0

    def number(self, most: int) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if value > most or shift > 63:
                raise ValueError
            if byte < 0x80:
                return value
            shift += 7

    def piece(self, length: int) -> bytes:
        piece = self.data[self.at : self.at + length]
        if len(piece) != length:
            raise ValueError
        self.at += length
        return piece

    @property
    def more(self) -> bool:
        return self.at < len(self.data)


def _beat(reader: _Reader, cluster: bytes) -> Beat:
    who, nonce, your_nonce, config, rules_digest = _FIXED.unpack(reader.piece(_FIXED.size))
    incarnation, generation, seq, echo_seq = (reader.number(U63) for _ in range(4))
    echo_age_us, engine_age_ms, deadtime_ms = (reader.number(most) for most in (U32, U16, U32))
    release = reader.piece(reader.number(MAX_RELEASE * 4)).decode()
    if not nonce or not clean_enough(release):
        raise ValueError
    groups = []
    for _ in range(reader.number(MAX_GROUPS)):
        group, digest, what = _GROUP.unpack(reader.piece(_GROUP.size))
        age_ms = reader.number(U16)
        groups.append(group_in(group, digest, what, age_ms, reader.number(U48)))
    macs = reader.piece(reader.number(MAX_MACS * services.SIZE)) if reader.more else b""
    rules = (rule_in(_rule(reader.data[reader.at :])),) if reader.more else ()
    return Beat(
        Frame(cluster, who >> 3, incarnation, generation, seq, nonce, your_nonce, echo_seq, echo_age_us),
        Words(
            mode=Mode(who & 7),
            config=config,
            groups=tuple(groups),
            services=services.unpack(macs),
            rules_digest=rules_digest,
            rules=rules,
            engine_age_ms=engine_age_ms,
            release=release,
            deadtime_ms=deadtime_ms,
        ),
    )
