"""The bytes of beats: layout, signatures, bounds, and exactly one class for every datagram."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from dataclasses import replace
from socket import AF_INET6, inet_ntop

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbcore.engine.beat import (
    MAX_BYTES,
    MAX_GROUPS,
    MAX_MACS,
    MAX_NAME,
    MAX_REASON,
    MAX_RULES,
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
from hbcore.links import wire
from hbcore.links.wire import Reject, decode, encode, seal
from hbcore.words import CATALOGUE

CLUSTER = b"webpair1"
SHA1 = Key(2, Method.SHA1, b"0576e27920f46d92")
KEYS = (Key(1, Method.CRC), SHA1, Key(3, Method.MD5, b"old"), Key(4, Method.SHA256, b"k" * 32))
RING = Keyring(2, KEYS)
GROUP = GroupWord(0xDEADBEEF, Stand.HOLDS, 7, 0xCAFEBABE, False, State.STARTED, True, Verdict.OK, 312)
YOUNG = Beat(
    Frame(CLUSTER, 1, 1_753_000_000, 1, 5, 2**63 + 5, 2**62 + 77, 5, 45_000),
    Words(
        Mode.ONLINE, 0xABCDEF12, (GROUP,), (Service(b"\x02\0\0\0\0\1", "10.0.0.1"),), 0xABCDEF01, (), 120, "0.1.0", 500
    ),
)
RULE = Rule("mode", "node1", "standby", 4, 1_753_000_000, 0, "anna", "kernel update")


def read(data: bytes, ring: Keyring = RING) -> Beat | Reject:
    return decode(data, ring, CLUSTER, 2)


def with_rules(*rules: Rule, seq: int = 5) -> Beat:
    return Beat(replace(YOUNG.frame, seq=seq), replace(YOUNG.words, rules=rules))


def longest() -> Beat:
    group = GroupWord(
        2**32 - 1, Stand.RELEASED, 2**48 - 1, 2**32 - 1, True, State.UNKNOWN, True, Verdict.SUSPENDED, 65535
    )
    service = Service(b"\xfe" * 6, "255.255.255.255")
    n = 2**63 - 1
    return Beat(
        Frame(CLUSTER, 255, n, n, n, 2**64 - 1, 2**64 - 1, n, 2**32 - 1),
        Words(
            Mode.UNMANAGED,
            2**32 - 1,
            (group,) * MAX_GROUPS,
            (service,) * MAX_MACS,
            2**32 - 1,
            (),
            65535,
            "x" * 24,
            2**32 - 1,
        ),
    )


# -- layout ------------------------------------------------------------------------------------------------------------


def test_layout_computed_by_hand() -> None:
    payload = msgspec.msgpack.encode(
        [
            *(1, 1_753_000_000, 1, 5, 2**63 + 5, 2**62 + 77, 5, 45_000),  # frame
            *(1, 0xABCDEF12, 120, 0xABCDEF01, "0.1.0"),  # mode, configuration, engine's age, rules' digest, release
            bytes.fromhex("deadbeef cafebabe 0125 0138 0000 00000007"),
            bytes.fromhex("020000000001 0a000001"),
            [],
            500,  # deadtime
        ]
    )
    header = b"\x89hbc" + bytes([1, 2]) + len(payload).to_bytes(2, "big") + CLUSTER
    digest = hmac.new(b"0576e27920f46d92", header + payload, hashlib.sha1).digest()
    assert encode(YOUNG, SHA1) == header + digest + payload


@pytest.mark.parametrize(("key", "length"), list(zip(KEYS, (4, 20, 16, 32), strict=True)))
def test_every_method_signs_and_verifies(key: Key, length: int) -> None:
    data = encode(YOUNG, key)
    assert len(data) == len(encode(YOUNG, KEYS[0])) - 4 + length
    assert read(data) == YOUNG


V6 = Service(b"\x02\0\0\0\0\2", "2001:db8::5")


def with_services(*services: Service) -> Beat:
    return Beat(YOUNG.frame, replace(YOUNG.words, services=services))


def test_an_interface_with_ipv6_only_by_hand_and_as_the_first_readers_of_version_1_see_it() -> None:
    beat = with_services(*YOUNG.words.services, V6)
    data = encode(beat, SHA1)
    spelled = bytes.fromhex(
        "020000000001 0a000001  020000000002 00000000"
        "03 20010db800 00000000  07 0000000000 00000000  0b 0000000000 00000000  0f 0500000000 00000000"
    )
    assert spelled in data
    assert read(data) == beat
    # what they did with these bytes: a MAC and an IPv4 address each, none for 0.0.0.0
    old = [(spelled[at : at + 6], spelled[at + 6 : at + 10]) for at in range(0, len(spelled), 10)]
    assert [ip for _, ip in old if ip != bytes(4)] == [bytes([10, 0, 0, 1])], "they ask for no address that is none"
    assert all(mac[0] & 1 for mac, _ in old[2:]), "and know no machine by what is no MAC of one"


def test_a_base_address_of_ipv6_goes_where_there_is_room() -> None:
    four = Service(b"\x02\0\0\0\0\3", "10.0.0.1")
    bare = Service(V6.mac, "")
    for sent, due in (
        ((V6, V6), (V6, bare)),
        ((V6, four, four, four), (V6, four, four, four)),
        ((four, four, four, four, V6), (four, four, four, four, bare)),
    ):
        assert read(encode(with_services(*sent), SHA1)) == with_services(*due)


def test_crc_is_plain_crc32() -> None:
    data = encode(YOUNG, KEYS[0])
    assert data[16:20] == zlib.crc32(data[:16] + data[20:]).to_bytes(4, "big")


def test_sizes_the_docstring_tells() -> None:
    old = Beat(replace(YOUNG.frame, seq=2**31 + 5, echo_seq=2**31 + 5), YOUNG.words)
    assert (len(encode(YOUNG, SHA1)), len(encode(old, SHA1))) == (123, 131)
    two = Beat(YOUNG.frame, replace(YOUNG.words, groups=(GROUP, GROUP)))
    assert len(encode(two, SHA1)) == 141
    data = encode(longest(), KEYS[3])
    assert len(data) == 1394 < MAX_BYTES
    assert decode(data, RING, CLUSTER, 256) == longest()
    for figure in ("1394", "123 bytes", "131 after", "adds 18"):
        assert figure in (wire.__doc__ or "")


def test_rotation_both_keys_verify_whoever_signs() -> None:
    before, after = Keyring(2, KEYS), Keyring(4, KEYS)
    for signing in (before, after):
        for reading in (before, after):
            assert read(encode(YOUNG, signing.signer), reading) == YOUNG


# -- one class for every datagram --------------------------------------------------------------------------------------

GOOD = encode(YOUNG, SHA1)
PAYLOAD = GOOD[36:]


@pytest.mark.parametrize(
    ("data", "reject"),
    [
        (b"###\n9:(0)t=test,%%%\n", Reject.OLD_HEARTBEAT),
        (b">>>\nt=status\n<<<\n", Reject.OLD_HEARTBEAT),
        (b"###" + b"x" * 5000, Reject.OLD_HEARTBEAT),
        (b"", Reject.TRUNCATED),
        (GOOD[:3], Reject.TRUNCATED),
        (GOOD[:15], Reject.TRUNCATED),
        (GOOD[:36], Reject.TRUNCATED),
        (GOOD[:-1], Reject.TRUNCATED),
        (GOOD + b"\0", Reject.OVERSIZED),
        (b"x" * (MAX_BYTES + 1), Reject.OVERSIZED),
        (b"x" * MAX_BYTES, Reject.NOT_OURS),
        (b"##", Reject.NOT_OURS),
        (GOOD[:4] + b"\2" + GOOD[5:], Reject.VERSION),
        (seal(PAYLOAD, CLUSTER, SHA1, version=0), Reject.VERSION),
        (GOOD[:5] + b"\7" + GOOD[6:], Reject.UNKNOWN_KEY),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), Reject.BAD_SIGNATURE),
        (GOOD[:16] + bytes(20) + PAYLOAD, Reject.BAD_SIGNATURE),
        (GOOD[:8] + b"another1" + GOOD[16:], Reject.BAD_SIGNATURE),
        (encode(YOUNG, Key(2, Method.SHA1, b"guess")), Reject.BAD_SIGNATURE),
        (encode(Beat(replace(YOUNG.frame, cluster=b"another1"), YOUNG.words), SHA1), Reject.FOREIGN_CLUSTER),
        (encode(Beat(replace(YOUNG.frame, node=2), YOUNG.words), SHA1), Reject.UNKNOWN_NODE),
        (seal(b"", CLUSTER, SHA1), Reject.MALFORMED),
        (seal(b"\xdd\xff\xff\xff\xff", CLUSTER, SHA1), Reject.MALFORMED),
        (seal(PAYLOAD + b"\0", CLUSTER, SHA1), Reject.MALFORMED),
        (seal(b"\xdc\x00\x11" + PAYLOAD[3:] + b"\xc0", CLUSTER, SHA1), Reject.MALFORMED),
    ],
)
def test_class(data: bytes, reject: Reject) -> None:
    assert read(data) is reject


def test_a_key_of_another_method_does_not_verify() -> None:
    """Whoever strips the key to crc, which needs none, is refused where crc is not listed under that number."""
    assert read(encode(YOUNG, Key(2, Method.CRC))) in {Reject.TRUNCATED, Reject.OVERSIZED, Reject.BAD_SIGNATURE}


def test_every_class_has_a_sentence() -> None:
    assert all(f"datagram-{reject}" in CATALOGUE for reject in Reject)


SPELLED_WRONG = [  # addresses of IPv6 that are no such, or not whole
    "ffffffffffff 00000000",
    "03 20010db800 00000000",
    "020000000002 00000000 03 20010db800 00000000",
    "020000000002 00000000 03 20010db800 00000000 020000000003 00000000",
    "020000000002 0a000001 03 0000000000 00000000 07 0000000000 00000000 0b 0000000000 00000000 0f 0100000000 00000000",
    "020000000002 00000000 07 0000000000 00000000 03 0000000000 00000000 0b 0000000000 00000000 0f 0100000000 00000000",
    "020000000002 00000000 03 0000000000 0a000001 07 0000000000 00000000 0b 0000000000 00000000 0f 0100000000 00000000",
    "020000000002 00000000 03 0000000000 00000000 07 0000000000 00000000 0b 0000000000 00000000 0f 0100000001 00000000",
]
OUT_OF_BOUNDS: list[tuple[int, object]] = [
    *((i, v) for i in range(8) for v in (-1, 2**64 - 1, None, "1", 1.0, b"1") if not (i in (4, 5) and v == 2**64 - 1)),
    (0, 256),
    (4, 0),  # my nonce is never 0
    (7, 2**32),
    *((8, v) for v in (-1, 7, 255, True, "ONLINE")),
    *((i, v) for i in (9, 11) for v in (-1, 2**32)),
    *((10, v) for v in (-1, 65536)),
    *((12, v) for v in ("x" * 25, "1\n", "1\x1b[2J", "\u202e1", "\x7f", 1)),
    *(
        (13, v)
        for v in (b"x" * 17, bytes(18 * 65), bytes(8) + b"\xff\xff" + bytes(8), bytes(8) + b"\x00\x70" + bytes(8))
    ),
    *((14, v) for v in (b"x" * 9, bytes(90), "x" * 10)),
    *((14, bytes.fromhex(v)) for v in SPELLED_WRONG),
    (15, [["mode", "node1", "standby", 1, 0, 0, "", ""]] * (MAX_RULES + 1)),
    *(
        (15, [rule])
        for rule in (
            ["role", "node1", "standby", 1, 0, 0, "", ""],
            ["mode", "node1", "asleep", 1, 0, 0, "", ""],
            ["run", "web", "standby", 1, 0, 0, "", ""],
            ["pin", "", "node1", 1, 0, 0, "", ""],
            ["pin", "web", "no de", 1, 0, 0, "", ""],
            ["pin", "web", "node1\n", 1, 0, 0, "", ""],
            ["pin", "w" * 65, "node1", 1, 0, 0, "", ""],
            ["pin", "web", "node1", -1, 0, 0, "", ""],
            ["pin", "web", "node1", 1, 253402300800, 0, "", ""],
            ["pin", "web", "node1", 1, 0, 2**62, "", ""],
            ["pin", "web", "node1", 1, 0, 0, "a\x00", ""],
            ["pin", "web", "node1", 1, 0, 0, "", "r" * 121],
            ["pin", "web", "node1", 1, 0, 0, "", "\x1b]0;hello\x07"],
            ["pin", "web", "node1", 1, 0, 0, ""],
            ["pin", "web", "node1", 1, 0, 0, "", "", 0],
        )
    ),
]


@pytest.mark.parametrize(("field", "value"), OUT_OF_BOUNDS)
def test_out_of_bounds_is_malformed(field: int, value: object) -> None:
    fields: list[object] = msgspec.msgpack.decode(PAYLOAD, type=list[object])
    assert read(seal(msgspec.msgpack.encode(fields), CLUSTER, SHA1)) == YOUNG
    fields[field] = value
    assert read(seal(msgspec.msgpack.encode(fields), CLUSTER, SHA1)) is Reject.MALFORMED


def test_text_that_is_not_utf8_is_malformed() -> None:
    assert PAYLOAD.count(b"\xa50.1.0") == 1
    assert read(seal(PAYLOAD.replace(b"\xa50.1.0", b"\xa5\xff.1.0"), CLUSTER, SHA1)) is Reject.MALFORMED


# -- what the sender does to stay within bounds ------------------------------------------------------------------------


def test_ages_and_epochs_are_capped() -> None:
    group = replace(GROUP, epoch=2**63 - 1, control_age_ms=10**9)
    beat = Beat(replace(YOUNG.frame, echo_age_us=10**15), replace(YOUNG.words, groups=(group,), engine_age_ms=10**9))
    got = read(encode(beat, SHA1))
    assert isinstance(got, Beat)
    assert (got.frame.echo_age_us, got.words.engine_age_ms) == (2**32 - 1, 65535)
    assert (got.words.groups[0].epoch, got.words.groups[0].control_age_ms) == (2**48 - 1, 65535)


def test_free_text_is_cleaned_not_refused() -> None:
    rude = replace(RULE, by="a\x1b[31mb", reason="line\nfeed \u202e" + "x" * 200)
    got = read(encode(with_rules(rude), SHA1))
    assert isinstance(got, Beat)
    assert got.words.rules[0].by == "a?[31mb"
    assert got.words.rules[0].reason == ("line?feed ?" + "x" * 200)[:MAX_REASON]


def test_names_out_of_bounds_are_a_bug_of_ours() -> None:
    for rule in (replace(RULE, subject="a b"), replace(RULE, value="asleep"), replace(RULE, subject="x" * 65)):
        with pytest.raises(AssertionError):
            encode(with_rules(rule), SHA1)


def test_rules_that_do_not_fit_take_turns_and_keep_their_reasons() -> None:
    rules = tuple(replace(RULE, subject=f"node{i}", version=i, reason=f"{i:02}" + "r" * 118) for i in range(MAX_RULES))
    seen: set[Rule] = set()
    for seq in range(200):
        beat = with_rules(*rules, seq=seq)
        data = encode(beat, SHA1)
        assert len(data) <= MAX_BYTES
        got = read(data)
        assert isinstance(got, Beat)
        assert set(got.words.rules) <= set(rules) and got.words.rules
        assert replace(got.words, rules=()) == replace(beat.words, rules=())
        seen |= set(got.words.rules)
    assert seen == set(rules)


def test_a_rule_too_long_beside_many_groups_goes_without_its_reason() -> None:
    groups = tuple(replace(GROUP, group=i) for i in range(MAX_GROUPS))
    rule = replace(RULE, reason="r" * MAX_REASON)
    got = read(encode(Beat(YOUNG.frame, replace(YOUNG.words, groups=groups, rules=(rule,))), SHA1))
    assert isinstance(got, Beat)
    assert got.words.groups == groups
    assert got.words.rules == (replace(rule, reason=""),)


def test_the_longest_beat_leaves_its_rules_for_later() -> None:
    beat = longest()
    got = decode(encode(Beat(beat.frame, replace(beat.words, rules=(RULE,))), KEYS[3]), RING, CLUSTER, 256)
    assert got == beat


# -- anything within bounds comes back as it went ----------------------------------------------------------------------

u16, u32, u48, u63 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 48, 63))
nonces = st.integers(1, 2**64 - 1)
plain = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"))
names = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=MAX_NAME)
seconds = st.integers(0, 253402300799)
rules = st.one_of(
    st.tuples(st.just("mode"), names, st.sampled_from(["online", "standby", ""])),
    st.tuples(st.just("run"), names, st.sampled_from(["started", "stopped", ""])),
    st.tuples(st.just("pin"), names, names | st.just("")),
).flatmap(
    lambda three: st.builds(
        Rule,
        *map(st.just, three),
        u63,
        seconds,
        seconds,
        st.text(plain, max_size=64),
        st.text(plain, max_size=MAX_REASON),
    )
)
group_words = st.builds(
    GroupWord,
    u32,
    st.sampled_from(Stand),
    u48,
    u32,
    st.booleans(),
    st.sampled_from(State),
    st.booleans(),
    st.sampled_from(Verdict),
    u16,
)
macs = st.binary(min_size=6, max_size=6).filter(lambda mac: not mac[0] & 1)
services = st.builds(Service, macs, st.just("") | st.ip_addresses(v=4).map(str).filter(lambda ip: ip != "0.0.0.0"))
six = st.builds(Service, macs, st.ip_addresses(v=6).map(lambda ip: inet_ntop(AF_INET6, ip.packed)))
some = st.lists(services, max_size=MAX_MACS) | st.builds(lambda a, b: [*a, b], st.lists(services, max_size=3), six)
beats = st.builds(
    Beat,
    st.builds(Frame, st.just(CLUSTER), st.integers(0, 1), u63, u63, u63, nonces, nonces | st.just(0), u63, u32),
    st.builds(
        Words,
        st.sampled_from(Mode),
        u32,
        st.lists(group_words, max_size=MAX_GROUPS).map(tuple),
        some.map(tuple),
        u32,
        st.lists(rules, max_size=MAX_RULES).map(tuple),
        u16,
        st.text(plain, max_size=24),
    ),
)


@given(beats, st.sampled_from(KEYS))
@settings(max_examples=150)
def test_round_trip(beat: Beat, key: Key) -> None:
    data = encode(beat, key)
    assert len(data) <= MAX_BYTES
    got = read(data)
    assert isinstance(got, Beat)
    assert replace(got.words, rules=()) == replace(beat.words, rules=()) and got.frame == beat.frame
    without_reasons = {replace(rule, reason="") for rule in beat.words.rules}
    assert set(got.words.rules) <= set(beat.words.rules) | without_reasons


@given(st.binary(max_size=2000))
@settings(max_examples=300)
def test_any_bytes_get_one_class(data: bytes) -> None:
    assert isinstance(read(data), Reject)


@given(st.binary(max_size=1300), st.sampled_from(KEYS))
@settings(max_examples=300)
def test_any_bytes_rightly_signed_get_one_class(payload: bytes, key: Key) -> None:
    assert read(seal(payload, CLUSTER, key)) in {Reject.MALFORMED, Reject.UNKNOWN_NODE}
