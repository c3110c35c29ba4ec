"""A machine on the heartbeats' network that means harm: floods, records, replays and forges.

Run on a third node of the lab as `python -m tests.cluster.attacker WORD ...`; it reads the cluster's own files there,
so it has the right keys; one JSON object on stdout says what it sent, and as what each node must have counted it.
Invariant: what is due is worked out here from `read` alone; the daemons are asked nothing. Must not know the lab.

  fuzz COUNT SEED RATE      damaged datagrams, half of them damaged before they were signed with the right key
  record SECONDS FILE       what was heard, one hex line each
  replay FILE TIMES RATE    that again
  forge SECONDS RATE SEED   well-formed beats of either node with the right key and the nonce the other one listens to
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hbcore.engine.beat import Beat, GroupWord, Mode, Stand, State, Verdict
from hbcore.engine.config import ClusterConfig
from hbcore.engine.flows import Page
from hbcore.engine.keys import Keyring
from hbcore.formats.load import load
from hbcore.links import pages
from hbcore.links.carriers import read
from hbcore.links.wire import decode, encode, seal
from tests.unit.test_pages import some
from tests.unit.test_wire_fuzz import damaged, misused, some_beat, unsigned

FILES = Path("/etc/ha.d")
BURST_S = 0.004
FOREIGN = b"another1"
Counted = dict[str, Counter[str]]  # node -> class -> how many


class Wire:
    """The multicast group of the cluster's first link."""

    def __init__(self, config: ClusterConfig) -> None:
        link = config.links[0]
        self._to = (link.target, link.port)
        member = struct.pack("=4s4si", socket.inet_aton(link.target), bytes(4), socket.if_nametoindex(link.device))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self.socket.bind(self._to)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)

    def send(self, datagrams: Iterable[bytes], rate: float) -> Iterator[bytes]:
        """Sends them evenly, `rate` a second; yields each once it is sent."""
        begun = time.monotonic()
        for sent, data in enumerate(datagrams):
            if sent % max(1, int(rate * BURST_S)) == 0:
                time.sleep(max(0.0, begun + sent / rate - time.monotonic()))
            self.socket.sendto(data, self._to)
            yield data

    def hear(self, seconds: float) -> Iterator[bytes]:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                yield self.socket.recv(2048)
            except TimeoutError:
                return


def counted(datagrams: Iterable[bytes], config: ClusterConfig, keys: Keyring) -> tuple[int, Counted]:
    """How many, and as what each node has to count them while they echo none of its nonces."""
    nodes = sorted(config.nodes)
    classes: Counted = {node: Counter() for node in nodes}
    total = 0
    for data in datagrams:
        total += 1
        got = read(data, keys, config.cluster_id, len(nodes))
        for me, node in enumerate(nodes):
            if isinstance(got, Beat):
                mine = "namesake" if got.words.services else "own"  # no card that is drawn is the node's
                classes[node][mine if got.frame.node == me else "unproven"] += 1
            elif isinstance(got, Page):
                classes[node]["own" if got.node == me else "unproven"] += 1
            else:
                classes[node][got.value] += 1
    return total, classes


def fuzzed(count: int, seed: int, config: ClusterConfig, keys: Keyring) -> Iterator[bytes]:
    """As the unit tests' fuzzer makes them, but for this cluster and by its keys."""
    rng = random.Random(seed)
    pool = []
    for key in keys.keys:
        for _ in range(100):
            beat = some_beat(rng)
            pool.append((encode(replace(beat, frame=replace(beat.frame, cluster=config.cluster_id)), key), key))
        for _ in range(20):
            life = rng.getrandbits(63), 0, 1 + rng.getrandbits(63)
            listed = pages.encode(rng.choice([0, 1, 2]), life, rng.getrandbits(63), some(50, 5), config.cluster_id, key)
            pool += [(data, key) for data in listed]
    for n in range(count):
        good, key = rng.choice(pool)
        if n % 2:
            yield unsigned(good, key, rng)
            continue
        payload = good[len(good) - int.from_bytes(good[6:8], "big") :]
        payload = misused(payload, rng) if rng.random() < 0.5 else damaged(payload, rng)
        yield seal(payload, config.cluster_id if rng.random() < 0.98 else FOREIGN, key, magic=good[:4])


def forged(seconds: float, seed: int, wire: Wire, config: ClusterConfig, keys: Keyring) -> Iterator[bytes]:
    """Beats in the name of either node, newer than its own, that echo what the other one wants to see; whatever they
    say is within the bounds and about the group that there is."""
    rng = random.Random(seed)
    heard: dict[int, Beat] = {}
    end = time.monotonic() + seconds
    sequence = 0
    while time.monotonic() < end:
        for data in wire.hear(0.002):
            beat = decode(data, keys, config.cluster_id, len(config.nodes))
            if isinstance(beat, Beat):
                heard[beat.frame.node] = beat
        if len(heard) < 2:
            continue
        name = rng.randrange(2)
        real, other = heard[name], heard[1 - name]
        sequence += rng.choice([1, 1, 1, 5])
        frame = replace(
            real.frame,
            incarnation=real.frame.incarnation + 1,
            seq=sequence,
            your_nonce=other.frame.nonce,
            echo_seq=other.frame.seq - rng.randrange(3),
        )
        epoch = max((g.epoch for beat in heard.values() for g in beat.words.groups), default=0)
        words = tuple(
            GroupWord(
                g.group, rng.choice(list(Stand)), max(0, epoch + rng.randrange(-2, 4)), rng.choice([g.digest, 1]),
                rng.random() < 0.2, rng.choice(list(State)), rng.random() < 0.5, rng.choice(list(Verdict)),
                rng.randrange(2000),
            )
            for g in real.words.groups
        )  # fmt: skip
        said = replace(real.words, mode=rng.choice(list(Mode)), groups=words, engine_age_ms=rng.randrange(9000))
        yield encode(Beat(frame, said), keys.signer)


def main(word: str, *arguments: str) -> None:
    loaded = load(FILES)
    config, keys = loaded.config, loaded.keys
    assert config is not None and keys is not None, loaded.problems
    wire = Wire(config)
    match word, *arguments:
        case "fuzz", count, seed, rate:
            total, classes = counted(wire.send(fuzzed(int(count), int(seed), config, keys), float(rate)), config, keys)
        case "record", seconds, path:
            lines = [data.hex() for data in wire.hear(float(seconds))]
            Path(path).write_text("\n".join(lines))
            total, classes = len(lines), {}
        case "replay", path, times, rate:
            kept = [bytes.fromhex(line) for line in Path(path).read_text().split()]
            total, classes = counted(wire.send(kept * int(times), float(rate)), config, keys)
        case "forge", seconds, rate, seed:
            forgeries = forged(float(seconds), int(seed), wire, config, keys)
            total, classes = sum(1 for _ in wire.send(forgeries, float(rate))), {}
        case _:
            raise SystemExit(__doc__)
    print(json.dumps({"sent": total, "counted": classes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
