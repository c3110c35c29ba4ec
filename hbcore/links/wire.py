"""The bytes of a beat: how it is laid out, signed, checked and refused.

Owns the wire format. Invariant: whatever the bytes, `decode` returns a `Beat` within the bounds of engine/beat.py or
exactly one `Reject`, and never raises; nothing of the payload is parsed before its signature is found right.
Must not know sockets, the clock, or what a beat means (replays, echoes, one's own copies are the Heart's to judge).

Layout, big endian; the digest has 4, 16, 20 or 32 bytes by the key's method and covers everything but itself:

    magic 4 | version 1 | key id 1 | payload length 2 | cluster 8 | digest | payload

The payload is one msgpack array (`_Payload`); inside it a group is a record of 18 bytes and a service one of 10, with
four more where its only base address is of IPv6 (services.py). So the longest beat there can be without rules (64
groups, 8 services, every number at its bound, sha256) has 1394 bytes and always fits; only operators' rules may have to
wait. In the tutorial's cluster (one group, one service interface, sha1) a beat has 123 bytes when young and 131 after
years; each further group adds 18, sha256 adds 12.
"""

from __future__ import annotations

import hmac
import re
import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from hbcore.engine.beat import (
    MAX_BYTES,
    MAX_GROUPS,
    MAX_MACS,
    MAX_NAME,
    MAX_REASON,
    MAX_RULES,
    VERSION,
    Beat,
    Frame,
    GroupWord,
    Mode,
    Rule,
    Stand,
    State,
    Verdict,
    Words,
)
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.links import services


class Reject(StrEnum):
    """Why a datagram is no beat of ours; each has its sentence in `words.links` under "datagram-" + value."""

    OLD_HEARTBEAT = "old-heartbeat"  # heartbeat 2 or 3 on this port: no forgery
    TRUNCATED = "truncated"  # shorter than its own header says
    OVERSIZED = "oversized"  # longer than its own header says, or than any beat
    NOT_OURS = "not-ours"  # another magic
    VERSION = "version"  # a wire version we do not read
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"
    FOREIGN_CLUSTER = "foreign-cluster"  # signed with our key, by another cluster
    MALFORMED = "malformed"  # signed right, but undecodable or out of bounds
    UNKNOWN_NODE = "unknown-node"  # signed right, but no node of this configuration


MAGIC = b"\x89hbc"  # not text, so never the start of an old heartbeat's message
_OLD = (b"###", b">>>")  # the two envelopes of heartbeat 2 and 3
_HEADER = struct.Struct(">4sBBH8s")

U16, U32, U48, U63, U64 = (2**bits - 1 for bits in (16, 32, 48, 63, 64))
MAX_RELEASE = 24
_LAST_SECOND = 253402300799  # end of the year 9999: the last that datetime can show

# What a person's terminal must never be sent: control, line separators, direction overrides, invisible, surrogates.
_HIDDEN = "\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb"
_PLAIN = rf"\A[^{_HIDDEN}]*\Z"
_NAME = rf"\A[^\s{_HIDDEN}]*\Z"
_name_ok = re.compile(_NAME).match
_hidden = re.compile(f"[{_HIDDEN}]")

_U16 = Annotated[int, Meta(ge=0, le=U16)]
_U32 = Annotated[int, Meta(ge=0, le=U32)]
_U63 = Annotated[int, Meta(ge=0, le=U63)]
_Nonce = Annotated[int, Meta(ge=1)]  # 0 means "never heard"; msgpack itself ends at 2**64 - 1
_Nonce0 = Annotated[int, Meta(ge=0)]
_Second = Annotated[int, Meta(ge=0, le=_LAST_SECOND)]
_Name = Annotated[str, Meta(max_length=MAX_NAME, pattern=_NAME)]
_Subject = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=_NAME)]
_By = Annotated[str, Meta(max_length=MAX_NAME, pattern=_PLAIN)]
_Reason = Annotated[str, Meta(max_length=MAX_REASON, pattern=_PLAIN)]
_Release = Annotated[str, Meta(max_length=MAX_RELEASE, pattern=_PLAIN)]

# group (crc32 of its name), digest, what | its bits below, age of the control's last answer in ms, epoch (high, low)
_GROUP = struct.Struct(">IIHHHI")
_STAND, _CONTROL, _STATE, _FAILED, _READY, _UNUSED = 0x0003, 0x000C, 0x0070, 0x0080, 0x0100, 0xFE00


class _Kind(StrEnum):
    MODE = "mode"
    RUN = "run"
    PIN = "pin"
    CLEAR = "clear"


_VALUES = {  # a pin's: a node's name or ""
    _Kind.MODE: ("", "online", "standby"),
    _Kind.RUN: ("", "started", "stopped"),
    _Kind.CLEAR: ("", "cleared"),
}


class WireRule(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    kind: _Kind
    subject: _Subject
    value: _Name
    version: _U63
    at_s: _Second
    expires_s: _Second
    by: _By
    reason: _Reason


class _Payload(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    node: Annotated[int, Meta(ge=0, le=255)]
    incarnation: _U63
    generation: _U63
    seq: _U63
    nonce: _Nonce
    your_nonce: _Nonce0
    echo_seq: _U63
    echo_age_us: _U32
    mode: Mode
    config: _U32
    engine_age_ms: _U16
    rules_digest: _U32
    release: _Release
    groups: Annotated[bytes, Meta(max_length=MAX_GROUPS * _GROUP.size)]
    services: Annotated[bytes, Meta(max_length=MAX_MACS * services.SIZE)]
    rules: Annotated[tuple[WireRule, ...], Meta(max_length=MAX_RULES)]
    deadtime_ms: _U32


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Payload).decode


def encode(beat: Beat, key: Key) -> bytes:
    """The datagram for `beat`, signed with `key`; at most MAX_BYTES long.

    Ages are capped and a person's free text is cleaned here. Where the rules do not fit, as many as do go now, the
    others with later beats; a rule that would not fit even alone goes without its reason.
    """
    payload = next(p for p in map(_pack, _fitting(beat)) if size(p, key) <= MAX_BYTES)
    return seal(payload, beat.frame.cluster, key)


def seal(payload: bytes, cluster: bytes, key: Key, version: int = VERSION, magic: bytes = MAGIC) -> bytes:
    """Header, digest and payload as one datagram."""
    assert len(cluster) == 8, "a cluster id has 8 bytes"
    header = _HEADER.pack(magic, version, key.id, len(payload), cluster)
    return header + digest_of(key, header + payload) + payload


def decode(data: bytes, keyring: Keyring, cluster: bytes, nodes: int) -> Beat | Reject:
    """The beat in a datagram, or the one reason why there is none. `nodes` is how many the configuration has."""
    found = opened(data, keyring, cluster, MAGIC, READERS)
    if isinstance(found, Reject):
        return found
    version, payload = found
    try:
        beat = READERS[version](payload, cluster)
    except ValueError:  # msgspec's errors and UnicodeDecodeError are ValueErrors, and so are ours
        return Reject.MALFORMED
    return beat if beat.frame.node < nodes else Reject.UNKNOWN_NODE


def opened(
    data: bytes, keyring: Keyring, cluster: bytes, magic: bytes, versions: Collection[int]
) -> tuple[int, bytes] | Reject:
    """Version and payload of a datagram of this kind (`magic`) that one of our keys signed for our cluster."""
    if data.startswith(_OLD):
        return Reject.OLD_HEARTBEAT
    if len(data) > MAX_BYTES:
        return Reject.OVERSIZED
    if data[:4] != magic[: len(data)]:
        return Reject.NOT_OURS
    if len(data) < _HEADER.size:
        return Reject.TRUNCATED
    _, version, key_id, length, sender_cluster = _HEADER.unpack_from(data)
    if version not in versions:
        return Reject.VERSION
    key = keyring.find(key_id)
    if key is None:
        return Reject.UNKNOWN_KEY
    start = _HEADER.size + DIGEST_LENGTH[key.method]
    if len(data) != start + length:
        return Reject.TRUNCATED if len(data) < start + length else Reject.OVERSIZED
    header, digest, payload = data[: _HEADER.size], data[_HEADER.size : start], data[start:]
    if not hmac.compare_digest(digest, digest_of(key, header + payload)):
        return Reject.BAD_SIGNATURE
    return (version, payload) if sender_cluster == cluster else Reject.FOREIGN_CLUSTER


def speaks_for(data: bytes) -> bytes:
    """The cluster that a datagram says it is of, true or not; b"" where it is too short to say so."""
    return data[8 : _HEADER.size]


# -- signatures --------------------------------------------------------------------------------------------------------

DIGEST_LENGTH = {Method.CRC: 4, Method.MD5: 16, Method.SHA1: 20, Method.SHA256: 32}


def digest_of(key: Key, signed: bytes) -> bytes:
    if key.method is Method.CRC:
        return zlib.crc32(signed).to_bytes(4, "big")
    return hmac.digest(key.secret, signed, key.method.value)


def size(payload: bytes, key: Key) -> int:
    return _HEADER.size + DIGEST_LENGTH[key.method] + len(payload)


# -- writing -----------------------------------------------------------------------------------------------------------


def _fitting(beat: Beat) -> Iterator[_Payload]:
    """The beat's payloads from the fullest to the barest; the barest always fits.

    Which rule comes first changes with seq, so that of rules that never fit together each has its turn.
    """
    rules = tuple(map(rule_out, beat.words.rules[:MAX_RULES]))
    turn = zlib.crc32(beat.frame.seq.to_bytes(8, "big")) % max(1, len(rules))
    rules = rules[turn:] + rules[:turn]
    whole = _payload_out(beat, rules)
    yield whole
    for count in range(len(rules) - 1, 0, -1):
        yield msgspec.structs.replace(whole, rules=rules[:count])
    yield msgspec.structs.replace(whole, rules=tuple(msgspec.structs.replace(r, reason="") for r in rules[:1]))
    yield msgspec.structs.replace(whole, rules=())


def _payload_out(beat: Beat, rules: tuple[WireRule, ...]) -> _Payload:
    frame, words = beat.frame, beat.words
    assert len(words.groups) <= MAX_GROUPS and 0 < frame.nonce <= U64, "a beat out of bounds"
    return _Payload(
        node=frame.node,
        incarnation=frame.incarnation,
        generation=frame.generation,
        seq=frame.seq,
        nonce=frame.nonce,
        your_nonce=frame.your_nonce,
        echo_seq=frame.echo_seq,
        echo_age_us=cap(frame.echo_age_us, U32),
        mode=words.mode,
        config=words.config,
        deadtime_ms=cap(words.deadtime_ms, U32),
        engine_age_ms=cap(words.engine_age_ms, U16),
        rules_digest=words.rules_digest,
        release=clean(words.release, MAX_RELEASE),
        groups=b"".join(map(_group_out, words.groups)),
        services=services.pack(words.services[:MAX_MACS]),
        rules=rules,
    )


def cap(value: int, most: int) -> int:
    return max(0, min(value, most))


def clean(text: str, most: int) -> str:
    return _hidden.sub("?", text)[:most]


def clean_enough(release: str) -> bool:
    """Short, and nothing a terminal must never be sent."""
    return len(release) <= MAX_RELEASE and not _hidden.search(release)


def _group_out(word: GroupWord) -> bytes:
    epoch = cap(word.epoch, U48)  # one move a second reaches this in nine million years: a forger's number stops here
    age_ms = cap(word.control_age_ms, U16)
    return _GROUP.pack(word.group, word.digest, what_of(word), age_ms, epoch >> 32, epoch & U32)


def what_of(word: GroupWord) -> int:
    """All that a group's word says in bits."""
    return word.stand | word.control << 2 | word.state << 4 | _FAILED * word.failed | _READY * word.ready


def rule_out(rule: Rule) -> WireRule:
    assert rule.subject and all(len(n) <= MAX_NAME and _name_ok(n) for n in (rule.subject, rule.value)), "a bad name"
    kind = _Kind(rule.kind)
    assert kind not in _VALUES or rule.value in _VALUES[kind], "a rule without meaning"
    return WireRule(
        kind=kind,
        subject=rule.subject,
        value=rule.value,
        version=rule.version,
        at_s=cap(rule.at_s, _LAST_SECOND),
        expires_s=cap(rule.expires_s, _LAST_SECOND),
        by=clean(rule.by, MAX_NAME),
        reason=clean(rule.reason, MAX_REASON),
    )


# -- reading -----------------------------------------------------------------------------------------------------------


def _read_1(payload: bytes, cluster: bytes) -> Beat:
    """A payload of version 1. Raises ValueError where it is undecodable or out of bounds."""
    p = _unpack(payload)
    if p.nonce > U64 or len(p.groups) % _GROUP.size:
        raise ValueError
    return Beat(
        Frame(
            cluster=cluster,
            node=p.node,
            incarnation=p.incarnation,
            generation=p.generation,
            seq=p.seq,
            nonce=p.nonce,
            your_nonce=p.your_nonce,
            echo_seq=p.echo_seq,
            echo_age_us=p.echo_age_us,
        ),
        Words(
            mode=p.mode,
            config=p.config,
            deadtime_ms=p.deadtime_ms,
            groups=tuple(_group_in(*fields) for fields in _GROUP.iter_unpack(p.groups)),
            services=services.unpack(p.services),
            rules_digest=p.rules_digest,
            rules=tuple(map(rule_in, p.rules)),
            engine_age_ms=p.engine_age_ms,
            release=p.release,
        ),
    )


def _group_in(group: int, digest: int, what: int, age_ms: int, epoch_high: int, epoch_low: int) -> GroupWord:
    return group_in(group, digest, what, age_ms, epoch_high << 32 | epoch_low)


def group_in(group: int, digest: int, what: int, age_ms: int, epoch: int) -> GroupWord:
    """The word that these numbers spell. Raises ValueError."""
    if what & _UNUSED:
        raise ValueError
    return GroupWord(
        group=group,
        stand=Stand(what & _STAND),
        epoch=epoch,
        digest=digest,
        failed=bool(what & _FAILED),
        state=State((what & _STATE) >> 4),  # a ValueError for the one number without a meaning
        ready=bool(what & _READY),
        control=Verdict((what & _CONTROL) >> 2),
        control_age_ms=age_ms,
    )


def rule_in(rule: WireRule) -> Rule:
    if rule.kind in _VALUES and rule.value not in _VALUES[rule.kind]:
        raise ValueError
    return Rule(
        kind=rule.kind.value,
        subject=rule.subject,
        value=rule.value,
        version=rule.version,
        at_s=rule.at_s,
        expires_s=rule.expires_s,
        by=rule.by,
        reason=rule.reason,
    )


# Versions we read: N and N-1 (design.md 7). N-1 does not exist yet; its reader goes here beside this one.
READERS: dict[int, Callable[[bytes, bytes], Beat]] = {VERSION: _read_1}
