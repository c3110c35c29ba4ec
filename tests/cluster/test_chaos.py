"""Chaos: what else can happen to two nodes, and an audit (auditing.py) after each of it. Two owners never, by the
capture and by ARP; one at the end; nothing left behind.

What is asked of chaos, and where it is played with the same audit (* elsewhere, without):

    power off                       here, test_failover *        flapping link            here
    freeze of ours                  test_guard, test_kills       full disk                here, test_kills
    freeze of the node              test_kills                   clock jump               test_clock_jumps *
    freeze of both nodes            here                         daemon kill              test_kills, here
    pulse alone stands still        test_kills, here (both)      pulse kill               test_kills, here (both)
    one-way and full cuts           test_cuts                    all of ours killed       test_kills, here (both)
    a cable out, frames vanish      test_cuts                    nft flush ruleset        test_guard, here (storm)
    the ping node gone              test_cuts, here (flapping)   VIP removed by hand      test_kills, here (storm)
    a foreign host with the VIP     test_cuts                    hanging scripts          here
    both booted at once             here                         failing scripts          here
    boot alone                      here, test_failover *        restart storms           here, test_kills
    no nf_tables, guard off         test_unguarded *             CPU and memory hogs      here, make soak

Must not know the engine.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster.asking import (
    GROUP,
    HOST,
    alarms,
    assert_nothing_lost,
    at_home,
    both_hear,
    codes,
    group,
    judged,
    newest,
    start_again,
    told,
    until,
    web,
    why,
)
from tests.cluster.auditing import Auditor, command
from tests.cluster.harness import VIP, Cluster
from tests.cluster.moving import TEMPLATE

INITDEAD_S = 4
Scenario = Callable[[Cluster], None]
SCENARIOS: dict[str, Scenario] = {}

# Stands before a script and does what /etc/ha.d/faults says of it, in lines of NAME WORD FAULT.
FAULTY = """#!/bin/bash
name=${0##*/} fault=
while read -r who word what; do [ "$who $word" != "$name $1" ] || fault=$what; done </etc/ha.d/faults
case $fault in
fail) echo "$name: told to fail" >&2; exit 1 ;;
hang) exec -a "$name-$1-hangs" sleep 300 ;;
esac
exec "/etc/ha.d/resource.d/real/$name" "$@"
"""
TOY = """#!/bin/sh
# A service that is a file: heavy on nobody, there until it is stopped.
file=/run/${0##*/}.runs
case $1 in
start) echo >"$file" ;;
stop) rm -f "$file" ;;
status) [ -e "$file" ] && echo "it is running" || { echo "it is stopped"; exit 3; } ;;
esac
"""


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def faulty(folder: Path, haresources: str = "", toys: tuple[str, ...] = ()) -> Path:
    """The lab's configuration with scripts that can be told to fail."""
    config = folder / "ha.d"
    shutil.copytree(TEMPLATE, config)
    scripts = config / "resource.d"
    (scripts / "real").mkdir()
    (scripts / "httpd").rename(scripts / "real/httpd")
    for name in ("httpd", *toys):
        (scripts / name).write_text(FAULTY)
        if name in toys:
            (scripts / "real" / name).write_text(TOY)
        (scripts / "real" / name).chmod(0o755)
    (config / "faults").write_text("")
    with (config / "ha.cf").open("a") as file:
        file.write(f"initdead {INITDEAD_S}\n")
    if haresources:
        (config / "haresources").write_text(haresources)
    return config


def faults(c: Cluster, node: str, *lines: str) -> None:
    (c.folder(node, "config") / "faults").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Auditor]]:
    with Cluster(config=faulty(tmp_path_factory.mktemp("chaos"))) as c:
        c.start()
        at_home(c)
        yield c, Auditor(c)


@pytest.mark.needs("nft")
@pytest.mark.parametrize("name", SCENARIOS)
def test_chaos(shared: tuple[Cluster, Auditor], name: str) -> None:
    c, auditor = shared
    at_home(c)
    with judged(c):
        SCENARIOS[name](c)
        for node in HOST:
            faults(c, node)
        at_home(c)
    auditor.check()


# -- power and boot ----------------------------------------------------------------------------------------------------


@scenario
def power_of_the_other_fails_while_it_takes_over(c: Cluster) -> None:
    """First the owner, then, at its first moment as the new owner, the other; then both come back."""
    off = c.power_off("node1")["at"]
    time.sleep(max(0.0, off + 0.62 - time.monotonic()))
    c.power_off("node2")
    c.start()
    c.wait_served(by="node1", timeout=15)


def both_off(c: Cluster) -> None:
    c.power_off("node2")
    c.power_off("node1")
    time.sleep(0.4)  # long enough for the client to see it


@scenario
def both_booted_at_once(c: Cluster) -> None:
    """Nobody waits for initdead, since each hears the other."""
    both_off(c)
    on = c.start()["at"]
    c.wait_served(by="node1", timeout=15)
    assert c.report(on)["echo"]["to"] - on < INITDEAD_S, "they heard each other"


@scenario
def boot_alone(c: Cluster) -> None:
    both_off(c)
    on = c.power_on("node1")["at"]
    c.wait_served(by="node1", timeout=20)
    assert c.report(on)["echo"]["to"] - on > INITDEAD_S
    c.power_on("node2")
    both_hear(c)


@scenario
def power_fails_in_the_middle_of_the_failback(c: Cluster) -> None:
    c.power_off("node1")
    c.wait_served(by="node2")
    c.power_on("node1")
    told_moving = newest(c, "node2")
    told(c, "node2", "moving", told_moving, timeout=20)
    c.power_off("node1")
    c.wait_served(by="node2", timeout=15)


# -- stopped processes -------------------------------------------------------------------------------------------------


@scenario
def both_nodes_frozen(c: Cluster) -> None:
    """Nobody answers while it lasts; then one does."""
    frozen = c.freeze("node1")["at"]
    c.freeze("node2")
    time.sleep(1.5)
    c.thaw("node2")
    c.thaw("node1")
    c.wait_served(timeout=15)
    assert c.report(frozen)["echo"]["ms"] < 3000


@scenario
def both_heartbeat_processes_stand_still(c: Cluster) -> None:
    for node in HOST:
        c.kill(node, "pulse", "STOP")
    time.sleep(1.5)
    for node in HOST:
        c.kill(node, "pulse", "CONT")
    c.wait_served(timeout=15)


@scenario
def frozen_for_a_moment_again_and_again(c: Cluster) -> None:
    """Around the lease: 100 to 600 ms stopped, 300 ms awake."""
    for length in (0.1, 0.25, 0.3, 0.35, 0.45, 0.6):
        c.freeze("node1")
        time.sleep(length)
        c.thaw("node1")
        time.sleep(0.3)


# -- killed processes --------------------------------------------------------------------------------------------------


@scenario
def both_heartbeat_processes_killed(c: Cluster) -> None:
    killed = c.kill("node1", "pulse")["at"]
    c.kill("node2", "pulse")
    both_hear(c, 10)
    c.wait_served(timeout=15)
    assert c.report(killed)["echo"]["ms"] < 3000


@scenario
def all_of_ours_killed_on_both(c: Cluster) -> None:
    """Nobody is left who could tell whose it is, but what runs: it is adopted once they hear each other."""
    served = web(c)
    for node in HOST:
        c.kill(node, "ours")
    time.sleep(0.5)
    for node in HOST:
        start_again(c, node)
    c.wait_served(by="node1", timeout=15)
    assert web(c) == served


@scenario
def daemons_killed_again_and_again(c: Cluster) -> None:
    """Within the ten lives a minute: the service does not notice."""
    begun = time.monotonic()
    for _ in range(3):
        for node in HOST:
            old = c.pids(node, "daemon")
            c.kill(node, "daemon")
            until(lambda: c.pids(node, "daemon") not in ([], old))  # noqa: B023
            told(c, node, "daemon-resumed")
    until(lambda: group(c, "node1")["state"] == "started")
    assert_nothing_lost(c.report(begun))


@scenario
def restarted_ten_times(c: Cluster) -> None:
    """As by an impatient administrator: stopped and started, whatever it was doing."""
    for turn in range(10):
        c.kill("node1", "pulse", "TERM")
        until(lambda: not c.pids("node1", "ours"), 15)
        start_again(c, "node1")
        until(lambda: c.pids("node1", "daemon"))
        time.sleep(0.1 * turn)
    both_hear(c)


# -- the network -------------------------------------------------------------------------------------------------------


@scenario
def flapping_link(c: Cluster) -> None:
    for node in HOST:
        for length in (0.05, 0.15, 0.3, 0.5, 0.2):
            c.cut_link(node)
            time.sleep(length)
            c.heal()
            time.sleep(0.25)


@scenario
def flapping_heartbeats_and_ping_node(c: Cluster) -> None:
    begun = time.monotonic()
    for length in (0.1, 0.4, 0.6, 0.3):
        c.cut_beats("node1", "node2")
        time.sleep(length)
        c.ping(False)
        time.sleep(0.15)
        c.heal()
        c.cut_beats("node2", "node1")
        c.ping(True)
        time.sleep(length)
        c.heal()
        time.sleep(0.2)
    assert {owner["node"] for owner in c.report(begun)["owners"]} == {"node1"}


# -- the kernel --------------------------------------------------------------------------------------------------------


@scenario
def flushed_again_and_again_by_somebody(c: Cluster) -> None:
    flush = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do nft flush ruleset; sleep 0.0$n; done"
    begun = time.monotonic()
    after = newest(c, "node1")
    assert c.run("node1", "sh", "-c", flush).code == 0
    time.sleep(0.3)
    assert {owner["node"] for owner in c.report(begun)["owners"]} == {"node1"}
    assert {"guard-lost", "guard-restored"} <= set(codes(c, "node1", after))


@scenario
def address_removed_again_and_again(c: Cluster) -> None:
    remove = f"for n in 1 2 3 4 5 6; do ip addr del {VIP}/24 dev eth0; sleep 0.1; done 2>/dev/null; true"
    assert c.run("node1", "sh", "-c", remove).code == 0
    c.wait_served(by="node1")


@scenario
def address_put_on_the_other_node_by_hand(c: Cluster) -> None:
    """On the loopback, as a real server behind LVS has it: it counts as nobody's, and nothing moves. Such a server must
    not speak for the address either (arp_announce): what it repeats to an old client would.
    """
    set_to = "for it in ignore:{} announce:{}; do echo ${{it#*:}} >/proc/sys/net/ipv4/conf/all/arp_${{it%:*}}; done"
    begun = time.monotonic()
    assert c.run("node2", "sh", "-c", f"{set_to.format(1, 2)}; ip addr add {VIP}/32 dev lo").code == 0
    time.sleep(1.5)
    assert group(c, "node2")["node"] == HOST["node1"]
    assert c.run("node2", "sh", "-c", f"ip addr del {VIP}/32 dev lo; {set_to.format(0, 0)}").code == 0
    assert_nothing_lost(c.report(begun))


@scenario
def full_disks(c: Cluster) -> None:
    """Neither can write its state: the daemons die, the owner is frozen, and it is taken over and comes home."""
    fill = "mount -t tmpfs -o size=16k full /var/lib/hbcore && head -c 1M /dev/zero >/var/lib/hbcore/fill; true"
    for node in HOST:
        assert c.run(node, "sh", "-c", fill).code == 0
    c.kill("node1", "daemon")
    told(c, "node1", "daemon-resumed")
    c.freeze("node1")
    c.wait_served(by="node2")
    assert "No space left" in until(lambda: alarms(c, "node2").get("alarm-disk"))
    for node in HOST:
        assert c.run(node, "rm", "/var/lib/hbcore/fill").code == 0
    c.thaw("node1")
    c.wait_served(by="node1", timeout=30)
    until(lambda: all("alarm-disk" not in alarms(c, node) for node in HOST), 20)
    for node in HOST:
        assert c.run(node, "umount", "/var/lib/hbcore").code == 0
        after = c.ask(node, "act", verb="standby", node=HOST["node2"])  # something to write where the disk is again
        assert after is not None
        c.ask(node, "act", verb="online", node=HOST["node2"])


# -- scripts -----------------------------------------------------------------------------------------------------------


@scenario
def a_start_that_fails_at_home(c: Cluster) -> None:
    """It goes to the other node, says why it stays there, and comes home when the operator says so."""
    faults(c, "node1", "httpd start fail")
    c.power_off("node1")
    c.wait_served(by="node2")
    c.power_on("node1")
    said = until(lambda: why(c, "node2").get("why-start-failed-peer"), 20)
    assert "did not start" in said
    c.wait_served(by="node2", timeout=15)
    assert "start-failed" in codes(c, "node1")
    faults(c, "node1")


@scenario
def a_stop_that_fails_for_a_while(c: Cluster) -> None:
    """It is asked what is true and tried again, and the move goes on."""
    faults(c, "node1", "httpd stop fail")
    order = c.ask("node1", "act", verb="group-move", group=GROUP, node=HOST["node2"])
    assert order["accepted"], order
    told(c, "node1", "stop-failed")
    time.sleep(0.5)
    assert group(c, "node2")["state"] != "started", "not while it runs there"
    faults(c, "node1")
    c.wait_served(by="node2", timeout=20)


# -- hogs --------------------------------------------------------------------------------------------------------------


@scenario
def processors_and_memory_are_hogged(c: Cluster) -> None:
    """Four busy processes a processor and a few hundred megabytes that come and go, in the nodes themselves."""
    busy = "import time; end = time.monotonic() + 4\nwhile time.monotonic() < end: pass"
    eat = "import time\nfor n in range(6): x = bytearray(256 << 20); x[::4096] = x[::4096]; time.sleep(0.3); del x"
    for node in HOST:
        for text in (busy, busy, busy, busy, eat):
            start = 'setsid "$@" </dev/null >/dev/null 2>&1 &'
            assert c.run(node, "sh", "-c", start, "sh", sys.executable, "-S", "-c", text).code == 0
    time.sleep(4.5)


GROUPS = ("192.168.100.101", "192.168.100.102", "192.168.100.103", "192.168.100.104")
TOYS = ("nginx", "haproxy", "squid", "varnish")
HANGING = f"""node1.xiaofei.com {VIP}/24/eth0 httpd
node1.xiaofei.com {GROUPS[0]}/24/eth0 nginx
node1.xiaofei.com {GROUPS[1]}/24/eth0 haproxy
node2.xiaofei.com {GROUPS[2]}/24/eth0 squid
node2.xiaofei.com {GROUPS[3]}/24/eth0 varnish
"""
# Asks an address for so many seconds, every 3 ms; the longest time without an answer, in ms.
ASK = """import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.02)
last = time.monotonic(); end = last + float(sys.argv[2]); worst = 0
while time.monotonic() < end:
    s.sendto(b"1", (sys.argv[1], 7007))
    try: s.recv(99)
    except OSError: continue
    now = time.monotonic(); worst = max(worst, now - last); last = now
    time.sleep(0.003)
print(round(max(worst, time.monotonic() - last) * 1000))
"""


def groups(c: Cluster, node: str) -> dict[str, tuple[str, str | None]]:
    """Group -> (state, node) as this node sees it."""
    return {g["name"]: (g["state"], g["node"]) for g in c.status(node)["groups"]}


def hangs(c: Cluster, node: str) -> set[str]:
    """Scripts that hang there now, by name and word."""
    lines = [command(pid) for pid in c.pids(node, "all")]
    return {line.partition(b"-hangs")[0].decode() for line in lines if b"-hangs\0" in line}


def toys(c: Cluster, node: str) -> set[str]:
    return {name for name in TOYS if c.run(node, "test", "-e", f"/run/{name}.runs").code == 0}


@pytest.mark.needs("nft")
@pytest.mark.timeout(200)
def test_scripts_that_hang(tmp_path: Path) -> None:
    """A start, a stop and a status at once, each in a group of its own: killed with all it started when its time is
    over (60, 60 and 20 s), and nothing else is held up. A start is tried on the other node, a stop and a status again.
    """
    with Cluster(config=faulty(tmp_path, HANGING, TOYS)) as c, ThreadPoolExecutor(1) as pool:
        faults(c, "node1", "nginx start hang")
        c.start()
        c.wait_served(by="node1", timeout=20)
        until(lambda: [groups(c, "node2")[g][0] for g in (VIP, *GROUPS[1:])] == ["started"] * 4, 20)
        both_hear(c)
        begun = time.monotonic()
        with judged(c):
            faults(c, "node1", "nginx start hang", "haproxy stop hang")
            c.ask("node1", "act", verb="group-move", group=GROUPS[1], node=HOST["node2"])
            faults(c, "node2", "squid status hang")
            asked = pool.submit(c.run, "node1", sys.executable, "-c", ASK, GROUPS[2], "15")
            c.kill("node2", "daemon")
            told(c, "node2", "daemon-resumed")
            for node in HOST:
                until(lambda: groups(c, node)[GROUPS[2]] == ("unknown", None))  # noqa: B023
            assert hangs(c, "node1") == {"nginx-start", "haproxy-stop"} and hangs(c, "node2") == {"squid-status"}
            gap = int(asked.result().out)
            print(f"the address whose state nobody knows: longest gap {gap} ms")
            assert gap < 100 + c.stalls.longest_ms(begun), "it runs, and pulse keeps its lease"

            said = told(c, "node2", "status-unknown", timeout=40)
            assert time.monotonic() - begun > 19 and "squid" in said["text"]
            faults(c, "node2")
            until(lambda: groups(c, "node1")[GROUPS[2]] == ("started", HOST["node2"]), 20)

            failed = told(c, "node1", "start-failed", timeout=60)
            assert "nginx" in failed["text"] and time.monotonic() - begun > 45
            until(lambda: groups(c, "node2")[GROUPS[0]] == ("started", HOST["node2"]), 10)
            assert "haproxy" in told(c, "node1", "stop-failed", timeout=30)["text"]
            faults(c, "node1")
            until(lambda: groups(c, "node2")[GROUPS[1]] == ("started", HOST["node2"]), 15)
        until(lambda: not hangs(c, "node1") and not hangs(c, "node2"))
        assert_nothing_lost(c.report(begun))
        assert (toys(c, "node1"), toys(c, "node2")) == (set(), set(TOYS))
        for node in HOST:
            assert "Traceback" not in (c.folder(node, "log") / "hbcored.err").read_text()
