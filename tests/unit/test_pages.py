"""Lists of clients' connections: their bytes, their bounds, what is told when, and what is believed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from socket import AF_INET, AF_INET6, inet_pton

import msgspec
import pytest

from hbcore.engine.beat import MAX_BYTES, LifeKey
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.flows import AGAIN_NS, MAX_FLOWS, MAX_PAGES, Flow, Flows, Page, Roll, is_host
from hbcore.engine.gathering import Gathering
from hbcore.engine.heart import Class, Heart
from hbcore.engine.keys import Key
from hbcore.links import pages, wire
from hbcore.links.carriers import read
from hbcore.links.wire import Reject, seal
from tests.unit.test_wire import CLUSTER, KEYS, RING, SHA1, YOUNG
from tests.unit.test_wire_fuzz import damaged, misused, unsigned

FOUR, SIX = "192.168.100.100", "fd00:100::100"
LIFE: LifeKey = (1_753_000_000, 1, 2**64 - 1)
DATAGRAMS = 40_000


def packed(ip: str) -> bytes:
    return inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)


def flow(n: int) -> Flow:
    return Flow(443, packed(f"10.0.{n >> 8}.{n & 255}"), 1024 + n)


def flow6(n: int) -> Flow:
    return Flow(443, packed(f"fd00::{n + 1:x}"), 1024 + n)


def some(four: int, six: int = 0) -> Flows:
    return (FOUR, tuple(map(flow, range(four)))), (SIX, tuple(map(flow6, range(six))))


def told(flows: Flows, key: Key = SHA1, number: int = 2**62) -> list[bytes]:
    return pages.encode(1, LIFE, number, flows, CLUSTER, key)


def pages_of(datagrams: list[bytes]) -> list[Page]:
    found = []
    for data in datagrams:
        page = pages.decode(data, RING, CLUSTER, 2)
        assert isinstance(page, Page), page
        found.append(page)
    return found


def gathered(datagrams: list[bytes]) -> Flows | None:
    gathering = Gathering()
    for one in pages_of(datagrams):
        assert gathering.take(one) is Class.LISTED
    return gathering.whole()


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.method.value)
@pytest.mark.parametrize("four,six", [(0, 0), (1, 0), (0, 1), (100, 0), (161, 1), (500, 500), (0, MAX_FLOWS)])
def test_what_is_told_is_what_is_gathered(four: int, six: int, key: Key) -> None:
    datagrams = told(some(four, six), key)
    assert max(map(len, datagrams)) <= MAX_BYTES and len(datagrams) <= 20
    assert gathered(datagrams) == some(four, six)
    assert {(p.node, p.life, p.number) for p in pages_of(datagrams)} == {(1, LIFE, 2**62)}


def test_how_long_a_datagram_is() -> None:
    sizes = {n: list(map(len, told(some(n)[:1]))) for n in (0, 1, 100, MAX_FLOWS)}
    print("bytes of a list with sha1:", sizes)
    assert sizes[0][0] < 100 and len(sizes[100]) == 1
    assert 0 <= sizes[100][0] - (sizes[0][0] + 100 * 8) <= 2
    assert len(sizes[MAX_FLOWS]) == 7


def test_many_addresses_fill_the_pages_and_no_more_than_there_may_be() -> None:
    """Each address costs some; what finds no page is not told, the rest is whole."""
    flows = tuple((f"fd00::{n:x}", (flow6(n),) * 3) for n in range(1, 2000))
    datagrams = told(flows)
    assert len(datagrams) == MAX_PAGES and max(map(len, datagrams)) <= MAX_BYTES
    found = gathered(datagrams)
    assert found is not None and sum(len(clients) for _, clients in found) == MAX_FLOWS


def test_older_releases_count_it_as_another_protocol() -> None:
    (data,) = told(some(1))
    assert wire.decode(data, RING, CLUSTER, 2) is Reject.NOT_OURS
    assert pages.decode(wire.encode(YOUNG, SHA1), RING, CLUSTER, 2) is Reject.NOT_OURS


def record(client: str, port: int = 443, client_port: int = 1024) -> bytes:
    return port.to_bytes(2, "big") + packed(client) + client_port.to_bytes(2, "big")


def entry(address: str, *records: bytes) -> dict[str, object]:
    return {"flows": [[packed(address), b"".join(records)]]}


GOOD: dict[str, object] = {
    "node": 1, "incarnation": 5, "generation": 0, "nonce": 7, "number": 9, "part": 0, "parts": 1,
    **entry(FOUR, record("10.0.0.1")),
}  # fmt: skip
NO_HOSTS = ("0.0.0.1", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255")
NO_HOSTS6 = ("::", "::1", "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1")
BAD: list[dict[str, object]] = [
    {"nonce": 0}, {"node": -1}, {"number": 2**63}, {"incarnation": -1}, {"part": 1}, {"part": -1}, {"parts": 0},
    {"part": 64, "parts": 65}, {"flows": [[b"", b""]]}, {"flows": [[b"12345", b""]]}, {"flows": [[bytes(4)]]},
    entry(FOUR, record("10.0.0.1")[:-1]), entry(FOUR, record("10.0.0.1", 0)), entry(FOUR, record("10.0.0.1", 1, 0)),
    entry(FOUR, record("fd00::1")), *(entry(FOUR, record(ip)) for ip in NO_HOSTS),
    *(entry(SIX, record(ip)) for ip in NO_HOSTS6),
]  # fmt: skip


@pytest.mark.parametrize("changed", BAD, ids=str)
def test_what_is_out_of_bounds_is_no_page(changed: dict[str, object]) -> None:
    def decoded(**fields: object) -> Page | Reject:
        payload = msgspec.msgpack.encode(list((GOOD | fields).values()))
        return pages.decode(seal(payload, CLUSTER, SHA1, magic=pages.MAGIC), RING, CLUSTER, 2)

    assert isinstance(decoded(), Page)
    assert decoded(**changed) is Reject.MALFORMED
    assert decoded(node=2) is Reject.UNKNOWN_NODE


def in_bounds(page: Page) -> bool:
    clients = [(ip, one) for ip, flows in page.flows for one in flows]
    return (
        0 <= page.node < 2
        and all(0 <= n < 2**63 for n in (*page.life[:2], page.number))
        and 0 < page.life[2] < 2**64
        and 0 <= page.part < page.parts <= 64
        and all(len(one.client) == (16 if ":" in ip else 4) and is_host(one.client) for ip, one in clients)
        and all(0 < port < 65536 for _, one in clients for port in (one.port, one.client_port))
    )


@pytest.mark.timeout(60)
def test_one_class_for_each_damaged_datagram() -> None:
    rng = random.Random(694)
    pool = []
    for key in KEYS:
        for _ in range(20):
            pool += [(data, key) for data in told(some(rng.choice([0, 1, 3, 200]), rng.choice([0, 1, 90])), key)]
    classes: Counter[str] = Counter()
    for n in range(DATAGRAMS):
        good, key = rng.choice(pool)
        rightly = n % 2 == 0
        if rightly:
            inner = good[len(good) - int.from_bytes(good[6:8], "big") :]
            inner = misused(inner, rng) if rng.random() < 0.5 else damaged(inner, rng)
            data = seal(inner, CLUSTER if rng.random() < 0.98 else b"another1", key, magic=pages.MAGIC)
        else:
            data = unsigned(good, key, rng)
        got = read(data, RING, CLUSTER, 2)
        if isinstance(got, Page):
            assert in_bounds(got), got
            assert rightly or data == good or RING.find(data[5]) == KEYS[0]
            classes["page"] += 1
        else:
            assert isinstance(got, Reject)
            classes[got] += 1
    print(dict(classes))
    assert classes.total() == DATAGRAMS and classes["page"] > 300
    assert all(classes[reject] > 10 for reject in Reject)


# -- what is told when -------------------------------------------------------------------------------------------------


def test_a_list_is_told_when_it_changed_and_now_and_then() -> None:
    roll, now = Roll(), 100 * SECOND
    assert not roll.look({}, now), "no address here: nothing to say"
    assert roll.look({FOUR: []}, now), "it came: the other node forgets what it knew of it"
    assert not roll.look({FOUR: []}, now + 2 * AGAIN_NS), "nothing, and nothing changed"
    now += 3 * AGAIN_NS
    assert roll.look({FOUR: [flow(1)]}, now) and roll.flows == ((FOUR, (flow(1),)),)
    assert not roll.look({FOUR: [flow(1)]}, now + SECOND)
    assert roll.look({FOUR: [flow(1)]}, now + AGAIN_NS), "a datagram may be lost"
    assert roll.look({FOUR: []}, now + AGAIN_NS + 1)
    assert not roll.look({}, now + AGAIN_NS + 2) and not roll.flows


def test_the_newest_thousand_are_told() -> None:
    roll = Roll()
    roll.look({FOUR: map(flow, range(800))}, 1)
    roll.look({FOUR: map(flow, range(800)), SIX: map(flow6, range(300))}, 2)
    (_, four), (_, six) = roll.flows
    assert len(six) == 300 and four == tuple(map(flow, range(100, 800))), "the first hundred went"
    roll.look({FOUR: map(flow, range(50, 800))}, 3)
    ((_, four),) = roll.flows
    assert set(four) == set(map(flow, range(50, 800))), "there is room again"


# -- what is believed --------------------------------------------------------------------------------------------------


def page(number: int, part: int = 0, parts: int = 1, life: LifeKey = LIFE) -> Page:
    return Page(1, life, number, part, parts, ((FOUR, (flow(part),)),))


def test_a_list_comes_out_whole_and_once() -> None:
    gathering = Gathering()
    assert gathering.take(page(5, 1, 2)) is Class.LISTED and gathering.whole() is None
    assert gathering.take(page(5, 1, 2)) is Class.REPEAT, "by the other link"
    assert gathering.take(page(5, 0, 2)) is Class.LISTED
    assert gathering.whole() == ((FOUR, (flow(0), flow(1))),)
    assert gathering.take(page(4)) is Class.REPLAYED
    assert gathering.take(page(6, 0, 2)) is Class.LISTED and gathering.whole() is None, "half of it was lost"
    assert gathering.take(page(7)) is Class.LISTED and gathering.whole() == ((FOUR, (flow(0),)),)
    assert gathering.take(page(1, life=(9, 9, 9))) is Class.LISTED, "another life counts anew"


def test_only_the_peers_present_life_is_believed() -> None:
    heart = Heart(me=0, cluster=CLUSTER, incarnation=1, generation=0, nonce=77, timing=Timing(), pings=(), now_ns=0)
    assert heart.whose(page(1)) is Class.UNPROVEN, "it was never heard"
    assert heart.whose(replace(page(1), node=0)) is Class.OWN
    frame = replace(YOUNG.frame, incarnation=LIFE[0], generation=LIFE[1], nonce=LIFE[2], your_nonce=heart.life[2])
    assert heart.hear("eth0", MS, replace(YOUNG, frame=frame))[0] is Class.ACCEPTED
    assert heart.whose(page(1)) is Class.LISTED
    later = replace(frame, incarnation=LIFE[0] + 1, nonce=5)
    assert heart.hear("eth0", 201 * MS, replace(YOUNG, frame=later))[0] is Class.ACCEPTED
    assert heart.whose(page(1)) is Class.REPLAYED, "a recording of a life that ended"
