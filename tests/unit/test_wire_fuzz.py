"""100,000 damaged datagrams, half of them damaged before they were signed with the right key: one class each, no crash.

The bounds are written down here a second time, by hand, so that a bound lost in `wire` shows.
"""

from __future__ import annotations

import random
from collections import Counter
from ipaddress import ip_address

import msgspec
import pytest

from hbcore.engine.beat import (
    MAX_BYTES,
    Beat,
    Frame,
    GroupWord,
    Mode,
    Rule,
    Service,
    Stand,
    State,
    Verdict,
    Words,
)
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.links.wire import Reject, decode, encode, seal

DATAGRAMS = 100_000
CLUSTER = b"webpair1"
KEYS = (
    Key(1, Method.CRC),
    Key(2, Method.SHA1, b"0576e27920f46d92"),
    Key(3, Method.MD5, b"o"),
    Key(4, Method.SHA256, b"k"),
)
RING = Keyring(2, KEYS)
HEADER = 16


def some_beat(rng: random.Random) -> Beat:
    u63 = [0, 1, 127, 128, 65536, 2**32, 2**63 - 1]
    groups = tuple(
        GroupWord(
            rng.getrandbits(32),
            rng.choice(list(Stand)),
            rng.getrandbits(rng.choice([4, 20, 48])),
            rng.getrandbits(32),
            rng.random() < 0.5,
            rng.choice(list(State)),
            rng.random() < 0.5,
            rng.choice(list(Verdict)),
            rng.getrandbits(16),
        )
        for _ in range(rng.choice([0, 1, 1, 2, 5, 64]))
    )
    services = tuple(
        Service(b"\x02" + rng.randbytes(5), rng.choice(["", "10.0.0.1", "2001:db8::1"]))
        for _ in range(rng.randrange(4))
    )
    rules = tuple(
        Rule("pin", f"group{i}", rng.choice(["node1", ""]), rng.choice(u63), 1, 2, "anna", "é" * rng.randrange(120))
        for i in range(rng.choice([0, 0, 1, 3]))
    )
    return Beat(
        Frame(
            CLUSTER,
            rng.choice([0, 1, 2]),
            rng.choice(u63),
            rng.choice(u63),
            rng.choice(u63),
            1 + rng.getrandbits(63),
            7,
            9,
        ),
        Words(rng.choice(list(Mode)), 1, groups, services, 2, rules, 3, "0.1.0"),
    )


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, lost, added, repeated or cut, in one to four places."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(6):
            case 0 if out:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 1 if out:
                out[at % len(out)] = rng.choice([0, 1, 0x7F, 0x80, 0x90, 0xC0, 0xC1, 0xC6, 0xCF, 0xDB, 0xDD, 0xFF])
            case 2:
                del out[at : at + rng.randrange(1, 9)]
            case 3:
                out[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 4:
                out[at:at] = out[at : at + rng.randrange(1, 40)]
            case _:
                del out[at:]
    return bytes(out)


def misused(payload: bytes, rng: random.Random) -> bytes:
    """A well-formed array with one to three of its fields replaced, dropped or added."""
    values: list[object] = [
        0,
        -1,
        255,
        2**31,
        2**63 - 1,
        2**63,
        2**64 - 1,
        -(2**63),
        None,
        True,
        0.5,
        "",
        "a\n",
        b"",
        [],
        {},
    ]
    values += ["x" * rng.randrange(200), rng.randbytes(rng.randrange(200)), [rng.randrange(9)] * rng.randrange(40)]
    fields: list[object] = msgspec.msgpack.decode(payload, type=list[object])
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(fields) + 1)
        inner = fields[-1]
        if isinstance(inner, list) and inner and rng.random() < 0.3:
            rule = rng.choice(inner)
            if isinstance(rule, list) and rule:
                rule[rng.randrange(len(rule))] = rng.choice(values)
        elif at == len(fields):
            fields.append(rng.choice(values))
        elif rng.random() < 0.1:
            del fields[at]
        else:
            fields[at] = rng.choice(values)
    return msgspec.msgpack.encode(fields)


def unsigned(data: bytes, key: Key, rng: random.Random) -> bytes:
    """What someone without the key can send."""
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.randrange(200))
        case 1:
            return rng.choice([b"###\n", b">>>\n"]) + data
        case 2:
            return data + rng.randbytes(rng.randrange(1, 2 * MAX_BYTES))
        case 3:
            return seal(data[HEADER + 32 :], CLUSTER, Key(key.id, Method.SHA256, rng.randbytes(8)))
        case 4:
            return data[:4] + bytes([rng.randrange(256)]) + data[5:]
        case 5:
            return data[:5] + bytes([rng.randrange(256)]) + data[6:]
        case _:
            return damaged(data, rng)


def in_bounds(beat: Beat) -> bool:
    f, w = beat.frame, beat.words
    return (
        f.cluster == CLUSTER
        and 0 <= f.node < 2
        and all(0 <= n < 2**63 for n in (f.incarnation, f.generation, f.seq, f.echo_seq))
        and 0 < f.nonce < 2**64
        and 0 <= f.your_nonce < 2**64
        and 0 <= f.echo_age_us < 2**32
        and isinstance(w.mode, Mode)
        and 0 <= w.config < 2**32
        and 0 <= w.rules_digest < 2**32
        and 0 <= w.engine_age_ms < 2**16
        and len(w.release) <= 24
        and w.release.isprintable()
        and len(w.groups) <= 64
        and len(w.services) <= 8
        and len(w.rules) <= 16
        and all(
            isinstance(g.stand, Stand)
            and isinstance(g.state, State)
            and isinstance(g.control, Verdict)
            and 0 <= g.epoch < 2**63
            and all(0 <= n < 2**32 for n in (g.group, g.digest))
            and 0 <= g.control_age_ms < 2**16
            and {type(g.failed), type(g.ready)} == {bool}
            for g in w.groups
        )
        and all(len(s.mac) == 6 and not s.mac[0] & 1 and (not s.ip or ip_address(s.ip)) for s in w.services)
        and all(
            r.value in {"mode": {"", "online", "standby"}, "run": {"", "started", "stopped"}}.get(r.kind, {r.value})
            and r.kind in {"mode", "run", "pin"}
            and 0 < len(r.subject) <= 64
            and len(r.value) <= 64
            and len(r.by) <= 64
            and len(r.reason) <= 120
            and "\n" not in r.subject + r.value + r.by + r.reason
            and "\x1b" not in r.subject + r.value + r.by + r.reason
            and 0 <= r.version < 2**63
            and all(0 <= n <= 253402300799 for n in (r.at_s, r.expires_s))
            for r in w.rules
        )
    )


@pytest.mark.timeout(60)
def test_one_class_for_each_of_a_hundred_thousand() -> None:
    rng = random.Random(694)
    pool = [(encode(some_beat(rng), key), key) for key in KEYS for _ in range(50)]
    classes: Counter[str] = Counter()
    for n in range(DATAGRAMS):
        good, key = rng.choice(pool)
        rightly = n % 2 == 0
        if rightly:
            payload = good[len(good) - int.from_bytes(good[6:8], "big") :]
            payload = misused(payload, rng) if rng.random() < 0.5 else damaged(payload, rng)
            data = seal(payload, CLUSTER if rng.random() < 0.98 else b"another1", key)
        else:
            data = unsigned(good, key, rng)
        got = decode(data, RING, CLUSTER, 2)
        if isinstance(got, Beat):
            assert in_bounds(got)
            # without the key nothing gets through but what was sent before (and crc is no key)
            assert rightly or data == good or RING.find(data[5]) == KEYS[0]
            classes["beat, rightly signed" if rightly else "beat, not"] += 1
        else:
            assert isinstance(got, Reject)
            classes[got] += 1
    print(dict(classes))
    assert classes.total() == DATAGRAMS
    assert all(classes[reject] > 100 for reject in Reject)  # each class was met, and often
    assert classes["beat, rightly signed"] > 1000  # and the damage was not so heavy that bounds were never asked
