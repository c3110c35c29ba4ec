"""What a link brought that is no beat of ours, and who sent it: real datagrams between two network namespaces."""

from __future__ import annotations

from dataclasses import replace

from hbcore.engine.beat import Beat, Frame, Words
from hbcore.engine.config import ClusterConfig, Link, Media
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.host import clock
from hbcore.links.carriers import Carriers
from hbcore.links.wire import encode
from tests.unit.links_net import Net, in_namespace, two_nodes, until
from tests.unit.test_links_udp import shout

LINK = Link("eth0", Media.BCAST, "eth0", "", 694)
OURS = ClusterConfig("web", ("node1", "node2"), (LINK,), (), ())
THEIRS = replace(OURS, cluster="mail")
KEY, OTHER = (Key(1, Method.SHA256, secret * 32) for secret in (b"k", b"o"))


def opened(net: Net) -> Carriers:
    with net:
        carriers = Carriers(OURS, clock)
        carriers.open()
    return carriers


def told(net: Net, data: bytes, carriers: Carriers) -> tuple[str, str, str]:
    """Code, source and number of the key of the datagram that came last."""
    carriers._refused.clear()
    shout(net, data, "10.0.0.255")
    until(lambda: [carriers.drain(100, Keyring(1, (KEY,))), carriers.refused][1])
    code, details = carriers.refused["eth0"]
    return code, details["source"], details["key"]


@in_namespace
def test_each_reason_is_told_apart_and_names_its_source() -> None:
    a, b = two_nodes()
    node2 = opened(b)

    def beat(config: ClusterConfig) -> Beat:
        return Beat(Frame(config.cluster_id, 0, 1, 1, 1, 5), Words())

    assert told(a, encode(beat(OURS), OTHER), node2) == ("link-wrong-key", "10.0.0.1", "1")
    assert told(a, encode(beat(OURS), replace(KEY, id=2)), node2) == ("link-unknown-key", "10.0.0.1", "2")
    assert told(a, encode(beat(THEIRS), KEY), node2)[0] == "link-foreign-cluster"
    assert told(a, encode(beat(THEIRS), OTHER), node2)[0] == "link-stranger"
    assert told(a, encode(beat(THEIRS), replace(OTHER, id=9)), node2)[0] == "link-stranger"
    assert told(a, b"###\nt=status\n", node2)[0] == "link-old-heartbeat"
    assert told(a, b"M-SEARCH * HTTP/1.1\r\n", node2)[0] == "link-no-beats"
    assert told(a, b"\x89hbc\x07" + bytes(60), node2)[0] == "link-other-version"
    shout(a, encode(beat(OURS), KEY), "10.0.0.255")
    heard = []
    until(lambda: heard.extend(node2.drain(100, Keyring(1, (KEY,)))) or heard)  # type: ignore[func-returns-value]
    assert heard[0].link == "eth0" and heard[0].beat == beat(OURS)
