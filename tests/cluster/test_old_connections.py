"""Clients that only wait for an answer when their server's address goes to the other node: they are told.

In each test one client more waits, whom nobody tells: a rule on the new owner drops what would make it ask. It has to
hang, or the others would have learned of it by something else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.asking import HOST, both_hear, codes, group, newest, told, until
from tests.cluster.harness import VIP, Cluster, Ran
from tests.cluster.stalls import ROOT
from tests.cluster.test_setups import HURRY, NEEDS, at, site

SIX, PORT = "fd00:100::100", 5432
PROGRAM = str(ROOT / "tests/cluster/waiting.py")
SOON_S = 1.0  # after the order to move, or after the takeover was told
HANGS_S = 3.0


@contextmanager
def untold(c: Cluster, node: str, port: int) -> Iterator[None]:
    """While inside, no bare ACK from the address on this node reaches the client with this port."""
    bare = "tcp flags & (fin | syn | rst | psh | ack) == ack"
    rules = f"table ip untold {{ chain out {{ type filter hook output priority 0; tcp dport {port} {bare} drop; }}; }}"
    assert c.run(node, "nft", rules).code == 0
    yield
    assert c.run(node, "nft", "delete table ip untold").code == 0


# -- a planned move ----------------------------------------------------------------------------------------------------


@pytest.fixture
def c(tmp_path: Path) -> Iterator[Cluster]:
    """Two addresses and nothing else, before a server that runs on both nodes all the time."""
    config = tmp_path / "ha.d"
    config.mkdir()
    for name in ("ha.cf", "authkeys"):
        text = (ROOT / "hbcore/lab/ha.d" / name).read_text()
        (config / name).write_text(text)
        (config / name).chmod(0o600)
    (config / "haresources").write_text(f"{HOST['node1']} {VIP}/24/eth0 IPv6addr::{SIX}/64/eth0\n")
    with Cluster(config=config) as cluster:
        cluster.start()
        cluster.wait_served(by="node1", timeout=40, page=False)
        both_hear(cluster)
        for node in HOST:
            serve = f"setsid {sys.executable} {PROGRAM} serve {PORT} </dev/null >/dev/null 2>&1 &"
            assert cluster.run(node, "sh", "-c", serve).code == 0
            until(lambda: f":{PORT} " in cluster.run(node, "ss", "-Hltn").out)  # noqa: B023
        yield cluster


def wait(c: Cluster, address: str, source_port: int, seconds: float = 20) -> dict[str, Any]:
    words = ("wait", address, PORT, source_port, seconds)
    done = c.run("client", sys.executable, PROGRAM, *map(str, words), timeout=seconds + 10)
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


@pytest.mark.needs("nft", "ss")
def test_clients_that_wait_are_reset_after_a_planned_move(c: Cluster) -> None:
    """Also those that connected just before it, over IPv4 and IPv6; and one that cannot be reached at first, later."""
    after = newest(c, "node2")
    clients = {40001: VIP, 40002: VIP, 40003: SIX}
    with ThreadPoolExecutor(3) as pool:
        with untold(c, "node2", 40002):
            waits = {port: pool.submit(wait, c, ip, port) for port, ip in clients.items()}
            until(lambda: len(connections(c)) == 3)
            begun = time.monotonic()
            c.ask("node1", "act", verb="group-move", group=VIP, node=HOST["node2"])
            ends = {port: waits[port].result(10) for port in (40001, 40003)}
            time.sleep(max(0.0, begun + HANGS_S - time.monotonic()))
            assert not waits[40002].done(), "nothing else tells it"
        late = waits[40002].result(10)
    took = {port: round((end["at"] - begun) * 1000) for port, end in {**ends, 40002: late}.items()}
    print(f"planned move: reset after {took} ms")
    assert all((end["server"], end["ended"]) == (HOST["node1"], "ECONNRESET") for end in (*ends.values(), late))
    assert max(took[40001], took[40003]) < SOON_S * 1000
    for port, ip in clients.items():
        assert wait(c, ip, port + 10, 0.1) | {"at": 0} == {"server": HOST["node2"], "ended": "", "at": 0}
    assert group(c, "node2")["node"] == HOST["node2"]
    assert codes(c, "node2", after).count("clients-told") == 2, "once for each address"


def connections(c: Cluster) -> list[str]:
    return c.run("node1", "ss", "-Htn", "state", "established", f"( sport = :{PORT} )").out.splitlines()


# -- a server without power --------------------------------------------------------------------------------------------


def ask_for_long(c: Cluster) -> tuple[Ran, float]:
    """A statement that takes 300 s; when it ended."""
    done = c.run("client", "mariadb", "-h", VIP, "-u", "app", "site", "-e", "SELECT SLEEP(300)", timeout=100)
    return done, time.monotonic()


def statements(c: Cluster) -> set[int]:
    """The client's ports."""
    lines = c.run("node1", "ss", "-Htn", "state", "established", "( sport = :3306 )").out.splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines}


@pytest.mark.needs(*NEEDS, "nft", "ss")
@pytest.mark.timeout(200)
@pytest.mark.skipif(os.geteuid() != 0, reason="a loop device and its file system are root's to mount")
def test_a_database_client_whose_server_lost_power_gets_its_error(tmp_path: Path) -> None:
    with site("c", tmp_path) as (c, _), ThreadPoolExecutor(2) as pool:
        runs: list[Future[tuple[Ran, float]]] = []
        ports: list[int] = []
        for _ in range(2):
            runs.append(pool.submit(ask_for_long, c))
            ports += until(lambda: statements(c) - set(ports))  # noqa: B023
        time.sleep(1.5)  # a power loss is told by nobody: the connections have to be seen before
        after = newest(c, "node2")
        with untold(c, "node2", ports[1]):
            off = c.power_off("node1")["at"]
            over = told(c, "node2", "clients-told", after)["at"] - time.time() + time.monotonic()
            done, ended = runs[0].result(10)
            time.sleep(HANGS_S)
            assert not runs[1].done(), "nothing else tells it"
            print(f"power off: the waiting client's error after {(ended - off) * 1000:.0f} ms; one that is not told "
                  f"still hangs after {time.monotonic() - off:.1f} s")  # fmt: skip
        assert done.code == 1 and "ERROR 2013" in done.err, done
        assert ended - over < SOON_S
        late, _ = runs[1].result(10)
        assert "ERROR 2013" in late.err
        until(lambda: at(c) == "node2", HURRY)
        one = c.run("client", "mariadb", "-h", VIP, "-u", "app", "-N", "-B", "site", "-e", "SELECT 1 + 1")
        assert one.out.strip() == "2"
