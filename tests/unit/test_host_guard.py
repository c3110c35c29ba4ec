"""The guard against a real kernel and real packets: what is gated and not open is silent, and opens by ticket only."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections import Counter

from hbcore.engine.leases import Answer
from hbcore.host.guard import MS, Gate, Guard
from tests.unit.guard_net import CLIENT4, NFT, NODE4, NODE6, OTHER4, V4, V6, Echoes, World, nft, ruleset
from tests.unit.links_net import Net, drop_capabilities, in_namespace, ip

BOTH = (V4, V6)
W, L = 50 * MS, 300 * MS
PATIENT = 800 * MS  # where a busy machine may not spoil a renewal


def guarded(world: World, *gates: Gate) -> Guard:
    with world.node:
        guard = Guard()
    assert guard.trouble == ""
    assert guard.install(gates or [Gate(V4), Gate(V6)]) == ""
    return guard


def opened(guard: Guard, *ips: str, ns: int = 60_000 * MS) -> None:
    assert guard.ticket(ips, PATIENT) is Answer.DONE
    assert guard.swap(ips, ns, fresh=True) is Answer.DONE


def renewed(guard: Guard, *ips: str, ns: int = 60_000 * MS) -> Answer:
    assert guard.ticket(ips, PATIENT) is Answer.DONE
    return guard.swap(ips, ns, fresh=False)


def may_send_much() -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, 32, 1 << 24)  # SO_SNDBUFFORCE
        except PermissionError:
            return False
    return True


def every(*ips: str) -> set[tuple[str, str]]:
    return {(ip, way) for ip in ips for way in ("neighbour", "icmp", "tcp", "udp", "itself")}


@in_namespace
def test_a_gated_address_is_silent_until_it_is_opened() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    assert world.asked() == set()
    opened(guard, *BOTH)
    assert world.asked() == every(*BOTH)
    assert guard.shut(BOTH) is Answer.DONE
    assert world.asked() == set()
    assert world.asked(NODE4, NODE6) == every(NODE4, NODE6)  # the node's own addresses never noticed
    assert guard.shut(BOTH) is Answer.DONE


@in_namespace
def test_one_open_address_opens_no_other() -> None:
    world = World()
    guard = guarded(world, Gate(V4), Gate(OTHER4), Gate(V6))
    world.configure(V4, OTHER4, V6)
    opened(guard, V4)
    assert world.asked(V4, OTHER4, V6) == every(V4)
    assert guard.remaining(OTHER4) is guard.remaining(V6) is None


@in_namespace
def test_nothing_leaves_in_the_name_of_a_shut_address() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    ear = world.listen()
    for address in BOTH:
        world.speak_from(address)
    assert ear.signs() == set()
    opened(guard, *BOTH)
    for address in BOTH:
        world.speak_from(address)
    assert ear.signs() == {(V4, "ip"), (V4, "arp"), (V6, "ip"), (V6, "solicitation"), (V6, "advertisement")}


@in_namespace
def test_the_kernel_makes_no_noise_of_its_own_about_a_shut_address() -> None:
    """Gratuitous ARP, and the search for duplicates, which would put an owner that does the same off its address."""
    world = World()
    guard = guarded(world)
    ear = world.listen()
    with world.node:
        for name in ("ipv4/conf/eth0/arp_notify 1", "ipv6/conf/eth0/router_solicitation_delay 0"):
            path, value = name.split()
            with open(f"/proc/sys/net/{path}", "w", encoding="ascii") as file:
                file.write(value)

    def put_on() -> None:
        with world.node:
            ip(f"address add {V4}/24 dev eth0")
            ip(f"address add {V6}/64 dev eth0")  # without nodad
            ip(f"link set dev eth0 address {world.node_mac.hex(':')}")

    put_on()
    assert ear.signs() == set()
    world.unconfigure(V4, V6)
    assert guard.lift([V4, V6]) == ""
    put_on()
    assert ear.signs() == {(V4, "arp"), (V6, "solicitation")}


@in_namespace
def test_it_closes_by_itself_at_the_time_given() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    for address in BOTH:
        for given_ms in (301, 202, 99):
            with Echoes(world, address) as echoes:
                assert guard.ticket([address], W) is Answer.DONE
                before = time.monotonic_ns()
                assert guard.swap([address], given_ms * MS + 999_999, fresh=True) is Answer.DONE
                after = time.monotonic_ns()
                time.sleep(given_ms / 1000 + 0.03)
            last = echoes.sent[max(echoes.answered)]
            silent = min(at for n, at in enumerate(echoes.sent) if at > after and n not in echoes.answered)
            print(f"{address}: {given_ms} ms given, closed {(silent - before) / MS:.1f} ms after")
            assert last < after + given_ms * MS
            assert silent > before + (given_ms - 11) * MS  # up to one jiffy early: 10 ms where HZ is 100
            assert guard.remaining(address) is None


@in_namespace
def test_renewals_prolong_and_lose_no_packet() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    for address in BOTH:
        opened(guard, address, ns=PATIENT)
        with Echoes(world, address) as echoes:
            end = time.monotonic_ns() + 2 * PATIENT
            while time.monotonic_ns() < end:
                assert guard.ticket([address], PATIENT) is Answer.DONE
                assert guard.swap([address], PATIENT, fresh=False) is Answer.DONE
                time.sleep(0.002)
        assert len(echoes.sent) > 100
        assert echoes.answered == set(range(len(echoes.sent)))
    time.sleep(PATIENT / 1e9)
    assert world.asked() == set()


@in_namespace
def test_a_pause_between_ticket_and_swap_renews_within_w_and_is_refused_beyond() -> None:
    """W = 50 ms is 40 to 48 ms of jiffies, never more; the pause is measured, since the machine may add to it."""
    world = World()
    guard = guarded(world)
    world.configure()

    def paused_ms(seconds: float) -> tuple[float, Answer]:
        opened(guard, *BOTH)
        before = time.monotonic_ns()
        assert guard.ticket(BOTH, W) is Answer.DONE
        time.sleep(seconds)
        answer = guard.swap(BOTH, L, fresh=False)
        return (time.monotonic_ns() - before) / MS, answer

    for pause in (0, 0.02, 0.03):  # 10 ms are left for the calls: an emulated machine takes 5 and more
        tries = (paused_ms(pause) for _ in range(50))
        assert next(answer for took, answer in tries if took < 40) is Answer.DONE
        for address in BOTH:
            assert (left := guard.remaining(address)) is not None and left <= L
    for pause in (0.0501, 0.055, 0.1):
        assert paused_ms(pause)[1] is Answer.LAPSED
        for address in BOTH:  # refused wholly
            assert (left := guard.remaining(address)) is not None and left > 50_000 * MS
    opened(guard, *BOTH, ns=L)
    assert guard.ticket(BOTH, W) is Answer.DONE
    time.sleep(0.055)
    assert guard.swap(BOTH, 60_000 * MS, fresh=False) is Answer.LAPSED
    time.sleep(L / 1e9)
    assert world.asked() == set()


@in_namespace
def test_no_call_reopens_what_lapsed_without_a_new_claim() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    opened(guard, *BOTH, ns=30 * MS)
    time.sleep(0.04)
    assert renewed(guard, V4) is Answer.LAPSED
    assert guard.swap([V6], L, fresh=True) is Answer.LAPSED  # a claim has no ticket yet
    assert guard.ticket([V4], W) is Answer.DONE
    for short in (999_999, 0, -1, -L):
        assert guard.swap([V4], short, fresh=True) is Answer.LAPSED
        assert guard.ticket([V4], short) is Answer.LAPSED
    assert guard.shut([V4]) is Answer.DONE  # takes the ticket of a claim under way, too
    assert guard.swap([V4], L, fresh=True) is Answer.LAPSED
    assert guard.install([Gate(V4), Gate(V6)]) == ""
    assert guard.remaining(V4) is guard.remaining(V6) is None
    assert world.asked() == set()


@in_namespace
def test_one_lapsed_address_of_a_group_refuses_the_whole_renewal() -> None:
    world = World()
    guard = guarded(world)
    opened(guard, V4, ns=60_000 * MS)
    opened(guard, V6, ns=30 * MS)
    time.sleep(0.04)
    assert renewed(guard, V4, V6, ns=1_000 * MS) is Answer.LAPSED
    assert (left := guard.remaining(V4)) is not None and left > 50_000 * MS


@in_namespace
def test_a_claim_of_what_is_open_gives_it_the_new_time() -> None:
    """A bare add keeps the old time on kernels before 6.12, and says that all is well."""
    guard = Guard()
    assert guard.install([Gate(V4), Gate(V6)]) == ""
    opened(guard, *BOTH, ns=200 * MS)
    opened(guard, *BOTH, ns=5_000 * MS)
    for address in BOTH:
        assert (left := guard.remaining(address)) is not None and 4_900 * MS < left <= 5_000 * MS
    opened(guard, *BOTH, ns=100 * MS)
    for address in BOTH:
        assert (left := guard.remaining(address)) is not None and left <= 100 * MS


@in_namespace
def test_an_old_ticket_is_replaced() -> None:
    guard = Guard()
    assert guard.install([Gate(V4)]) == ""
    assert guard.ticket([V4], 60_000 * MS) is Answer.DONE
    assert guard.ticket([V4], W) is Answer.DONE
    time.sleep(0.055)
    assert guard.swap([V4], L, fresh=True) is Answer.LAPSED


@in_namespace
def test_no_address_and_one_named_twice() -> None:
    guard = Guard()
    assert guard.install([]) == "" and ruleset() == ""
    assert guard.install([Gate(V6), Gate(V6)]) == ""
    for ips in ([], [V6, V6], [V6, "fd09:0::0:100"], [V6]):
        assert guard.ticket(ips, PATIENT) is Answer.DONE
        assert guard.ticket(ips, PATIENT) is Answer.DONE
        assert guard.swap(ips, L, fresh=True) is Answer.DONE
        assert renewed(guard, *ips) is Answer.DONE
        assert guard.shut(ips) is Answer.DONE
    assert guard.lift([]) == guard.lift([V6, V6]) == "" and ruleset() == ""


@in_namespace
def test_neighbours_only_gates_arp_and_ndp_and_lets_packets_pass() -> None:
    world = World()
    guard = guarded(world, Gate(V4, neighbours_only=True), Gate(V6, neighbours_only=True))
    world.configure()
    neighbours = {(address, "neighbour") for address in BOTH}
    assert world.asked() == every(*BOTH) - neighbours
    ear = world.listen()
    for address in BOTH:
        world.speak_from(address)
    assert ear.signs() == {(address, "ip") for address in BOTH}
    opened(guard, *BOTH)
    assert world.asked() == every(*BOTH)
    assert guard.install([Gate(V4), Gate(V6)]) == ""  # now wholly
    assert guard.install([Gate(V4, True), Gate(V6, True)]) == ""  # and back; what is open stays so
    assert guard.remaining(V4) is not None and guard.remaining(V6) is not None
    assert guard.shut(BOTH) is Answer.DONE
    assert world.asked() == every(*BOTH) - neighbours
    with world.node:
        nft(f"add element inet hbcore_guard gated4 {{ {V4} }}")
    assert not guard.stands()
    assert guard.install([Gate(V4), Gate(V6)]) == "" and guard.stands()
    assert world.asked() == set()


@in_namespace
def test_each_direction_alone_is_enough_for_silence() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    for chain in ("arp hbcore_guard input", "arp hbcore_guard output", "inet hbcore_guard prerouting",
                  "inet hbcore_guard postrouting"):  # fmt: skip
        with world.node:
            nft(f"flush chain {chain}")
        assert world.asked() == set(), chain
        assert guard.install([]) == ""


@in_namespace
def test_commits_of_its_own_are_no_news() -> None:
    guard, other = Guard(), Guard()
    assert not guard.changed()
    assert guard.install([Gate(V4)]) == ""
    opened(guard, V4)
    assert renewed(guard, V4) is Answer.DONE
    assert guard.lift([OTHER4]) == "" and guard.stands()
    assert not guard.changed() and other.changed() and not other.changed()
    assert renewed(other, V4) is Answer.DONE
    assert renewed(guard, V4) is Answer.DONE  # one of each: the number alone would not tell
    assert guard.changed() and not guard.changed() and other.changed() and not other.changed()
    assert guard.swap([V4], L, fresh=False) is Answer.LAPSED  # refused: no commit, no news
    with Net():
        nft("add table ip somebody")  # in another network namespace
    assert not guard.changed() and not other.changed()


@in_namespace
def test_translated_packets_are_gated_on_both_ways() -> None:
    """Inbound before DNAT, outbound after SNAT and after the answers got their address back."""
    world = World()
    guard = guarded(world)
    world.configure(V4)
    with world.node:
        nft("add table ip other; add chain ip other pre { type nat hook prerouting priority dstnat; };"
            "add chain ip other post { type nat hook postrouting priority srcnat; };"
            f"add rule ip other pre ip daddr {V4} udp dport 7 dnat to {NODE4};"
            f"add rule ip other post ip saddr {NODE4} udp dport 9 snat to {V4}")  # fmt: skip
    ear = world.listen()
    assert not world.udp(V4)
    world.speak_from(NODE4)
    assert ear.signs() == set()
    opened(guard, V4)
    assert world.udp(V4)
    world.speak_from(NODE4)
    assert (V4, "ip") in ear.signs()


@in_namespace
def test_what_others_do_is_noticed_and_lost_is_told_from_lapsed() -> None:
    """Each: what somebody does, whether all stands after it, and how a renewal then ends."""
    done, lapsed, lost = Answer.DONE, Answer.LAPSED, Answer.LOST
    harms = [
        ("flush ruleset", False, lost),
        ("delete table inet hbcore_guard", False, lost),
        ("delete table arp hbcore_guard", False, lost),
        ("flush table inet hbcore_guard", False, done),  # of its rules: what was open stays, what is shut is not
        ("flush chain inet hbcore_guard prerouting", False, done),
        ("flush chain arp hbcore_guard output", False, done),
        ("add table inet hbcore_guard { flags dormant; }", False, done),
        ("insert rule inet hbcore_guard prerouting accept", False, done),
        ("flush chain inet hbcore_guard prerouting; add rule inet hbcore_guard prerouting drop;"
         "add rule inet hbcore_guard prerouting drop; add rule inet hbcore_guard prerouting drop", False, done),
        ("flush chain arp hbcore_guard input; delete chain arp hbcore_guard input", False, done),
        ("flush chain arp hbcore_guard input; flush chain arp hbcore_guard output; delete set arp hbcore_guard open",
         False, lost),
        ("add chain inet hbcore_guard prerouting { policy drop; }", False, done),
        (f"delete element inet hbcore_guard gated4 {{ {V4} }}", False, done),
        (f"delete element arp hbcore_guard gated {{ {V4} }}", False, done),
        (f"delete element inet hbcore_guard near6 {{ {V6} }}", False, done),
        (f"delete element inet hbcore_guard open4 {{ {V4} }}", True, lapsed),
        (f"delete element inet hbcore_guard open6 {{ {V6} }}", True, lapsed),
        ("add table ip somebody", True, done),
        (f"add element inet hbcore_guard gated4 {{ {CLIENT4} }}", True, done),
    ]  # fmt: skip
    guard = Guard()
    for harm, stands, answer in harms:
        assert guard.install([Gate(V4), Gate(V6)]) == "", harm
        opened(guard, *BOTH)
        guard.changed()
        assert guard.stands() and not guard.changed(), harm
        nft(harm)
        assert guard.changed() and not guard.changed(), harm
        assert guard.stands() is stands, harm
        first = guard.ticket(BOTH, W)
        assert (guard.swap(BOTH, L, fresh=False) if first is done else first) is answer, harm
        assert guard.trouble == "", harm
        assert (guard.shut(BOTH) is done) == (answer is not lost), harm
    assert guard.install([Gate(V4), Gate(V6)]) == ""
    nft("delete table inet hbcore_guard")
    assert guard.shut([V4]) is lost
    assert guard.remaining(V4) is None


@in_namespace
def test_after_a_flush_it_is_back_shut_and_opens_by_ticket_again() -> None:
    world = World()
    guard = guarded(world)
    world.configure()
    opened(guard, *BOTH)
    with world.node:
        nft("flush ruleset")
    assert world.asked() == every(*BOTH)  # hole H6: unguarded until somebody notices
    assert guard.changed() and not guard.stands()
    begun = time.perf_counter()
    assert guard.install([]) == ""  # what was installed here is known
    took = time.perf_counter() - begun  # 2 ms
    assert world.asked() == set()
    opened(guard, *BOTH)
    assert world.asked() == every(*BOTH)
    assert took < 0.1


@in_namespace
def test_installing_again_leaves_open_what_is_open() -> None:
    guard = Guard()
    assert guard.install([Gate(V4)]) == ""
    opened(guard, V4)
    before = guard.remaining(V4)
    assert before is not None
    assert guard.install([Gate(V4), Gate(V6)]) == ""
    after = guard.remaining(V4)
    assert after is not None and 0 <= before - after < 500 * MS
    nft("flush chain inet hbcore_guard prerouting")
    assert guard.install([]) == ""
    assert guard.remaining(V4) is not None and guard.remaining(V6) is None
    assert guard.stands()


@in_namespace
def test_what_is_not_ours_under_our_names_is_replaced() -> None:
    nft("add table inet hbcore_guard; add set inet hbcore_guard open4 { type inet_service; };"
        "add chain inet hbcore_guard prerouting { type filter hook input priority 0; policy drop; }")  # fmt: skip
    guard = Guard()
    assert guard.install([Gate(V4)]) == ""
    assert guard.stands()


@in_namespace
def test_lift_leaves_nothing_of_ours_and_never_touches_what_is_others() -> None:
    nft("add table inet filter; add chain inet filter input { type filter hook input priority 0; };"
        "add rule inet filter input tcp dport 22 accept; add set inet filter s { type ipv4_addr; flags timeout; };"
        "add table arp filter; add table ip hbcore; add table ip6 hbcore_guard")  # fmt: skip
    before = ruleset()
    guard, other = Guard(), Guard()
    assert ruleset() == before  # rehearsed, not done
    assert guard.install([Gate(V4), Gate(OTHER4)]) == other.install([Gate(V6)]) == ""
    assert before in ruleset()
    opened(guard, V4, V6)
    assert guard.lift([V4]) == ""
    assert guard.remaining(V4) is None and guard.remaining(V6) is not None
    assert guard.stands() and other.stands()
    assert guard.lift([OTHER4]) == ""
    assert other.stands() and "hbcore_guard" in ruleset().replace("table ip6 hbcore_guard", "")
    assert guard.lift([OTHER4, V4]) == ""  # again
    assert other.lift([V6]) == ""
    assert ruleset() == before
    assert other.lift([V6]) == ""
    assert guard.stands() and other.stands()  # nothing was to stand


@in_namespace
def test_a_large_load_of_others_cannot_make_the_gate_outlive_the_lease() -> None:
    """Loading 200,000 elements holds the ruleset; a renewal that waits for it is late, and refused where too late.

    Of an ordinary user the kernel takes no more than 200 KiB at once.
    """
    world = World()
    guard = guarded(world)
    world.configure(V4)
    count = 200_000 if may_send_much() else 5_000
    load = "add table ip big; add set ip big s { type ipv4_addr; };"
    load += f"add element ip big s {{ {','.join(f'11.{n >> 16}.{n >> 8 & 255}.{n & 255}' for n in range(count))} }}"
    opened(guard, V4, ns=L)
    bound = time.monotonic_ns() + L
    worst = 0
    answers = Counter[Answer]()
    with Echoes(world, V4) as echoes, world.node:
        with subprocess.Popen([NFT, "-f", "-"], stdin=subprocess.PIPE, text=True) as loader:
            assert loader.stdin is not None
            threading.Thread(target=lambda pipe: (pipe.write(load), pipe.close()), args=(loader.stdin,)).start()
            while loader.poll() is None:
                begun = time.monotonic_ns()
                lease_end = begun + L
                assert guard.ticket([V4], W) is Answer.DONE
                answer = guard.swap([V4], lease_end - time.monotonic_ns(), fresh=False)
                worst = max(worst, time.monotonic_ns() - begun)
                answers[answer] += 1
                if answer is not Answer.DONE:
                    assert answer is Answer.LAPSED
                    break
                bound = lease_end + W
        assert loader.returncode == 0
        assert guard.stands()
    last = echoes.sent[max(echoes.answered)]
    print(f"{dict(answers)}, slowest renewal {worst / MS:.0f} ms")
    assert last <= bound


_OTHER = """
import os, signal, sys
from hbcore.engine.leases import Answer
from hbcore.host.guard import MS, Gate, Guard
guard = Guard()
assert guard.install([Gate(ip) for ip in sys.argv[1:]]) == ""
assert guard.ticket(sys.argv[1:], 50 * MS) is Answer.DONE
assert guard.swap(sys.argv[1:], 60_000 * MS, fresh=True) is Answer.DONE
assert guard.ticket(sys.argv[1:], 60_000 * MS) is Answer.DONE
os.kill(os.getpid(), signal.SIGKILL)
"""


@in_namespace
def test_another_process_goes_on_with_what_a_killed_one_left() -> None:
    guard = Guard()
    done = subprocess.run([sys.executable, "-c", _OTHER, *BOTH], check=False)
    assert done.returncode == -9
    assert guard.changed()
    before = ruleset()
    assert guard.install([Gate(V4), Gate(V6)]) == ""
    assert [line for line in ruleset().splitlines() if "expires" not in line] == [
        line for line in before.splitlines() if "expires" not in line
    ]
    assert renewed(guard, *BOTH, ns=L) is Answer.DONE
    assert (left := guard.remaining(V6)) is not None and left <= L


@in_namespace
def test_where_there_is_no_right_there_is_no_guard_and_it_says_so() -> None:
    drop_capabilities()
    guard = Guard()
    assert guard.trouble == "EPERM"
    assert guard.install([Gate(V4)]) == "EPERM"
    assert guard.ticket([V4], W) is guard.swap([V4], L, fresh=True) is guard.shut([V4]) is Answer.FAILED
    assert not guard.stands() and guard.remaining(V4) is None
    assert guard.changed()  # nobody can tell
    assert guard.lift([V4]) == "EPERM" == guard.trouble
