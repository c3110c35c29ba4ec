"""Ten leases of renewals through the Guard, on whatever kernel this runs: `python -m tests.kernel61.leases`.

Owns the lines "OK ..." and "NOT ..."; ends with status 0 where all are OK. Invariant: what is open is told by packets
as well as by the guard. Must not know that its machine is an emulated one, only that it may be slow: a pause is
measured, and one that the machine made longer than meant is made again.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import time

from hbcore.engine.leases import Answer
from hbcore.host.guard import MS, Gate, Guard

V4, V6 = "10.9.0.100", "fd09::100"
BOTH = (V4, V6)
LEASES, LEASE_NS, W_NS = 10, 400 * MS, 50 * MS
SURE_NS = 40 * MS  # of W, what is left by the jiffies of a kernel with HZ = 100
_PATIENT_NS = 10_000 * MS
_SIOCSIFADDR, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x8914, 1

_bad: list[str] = []


def say(good: bool, what: str) -> None:
    if not good:
        _bad.append(what)
    print("OK" if good else "NOT", what, flush=True)


def put_on() -> None:
    """Both addresses, on the loopback: its packets pass the same hooks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four:
        for name, address in ((b"lo", "127.0.0.1"), (b"lo:1", V4)):
            fcntl.ioctl(
                four, _SIOCSIFADDR, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
            )
        fcntl.ioctl(four, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
        index = socket.if_nametoindex("lo")
        fcntl.ioctl(six, _SIOCSIFADDR, struct.pack("=16sIi", socket.inet_pton(socket.AF_INET6, V6), 128, index))


def answers(address: str) -> bool:
    """Whether a datagram to it arrives."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((address, 0))
        ear.settimeout(0.1)  # a busy kernel hands it over later, in ksoftirqd
        try:
            ear.sendto(b"?", ear.getsockname())
            return ear.recv(1) == b"?"
        except (PermissionError, TimeoutError):  # dropped on its way out, or in
            return False


def both_answer() -> bool:
    return answers(V4) and answers(V6)


def silent() -> bool:
    return not answers(V4) and not answers(V6)


def claim(guard: Guard, ns: int) -> Answer:
    guard.ticket(BOTH, _PATIENT_NS)
    return guard.swap(BOTH, ns, fresh=True)


def renew(guard: Guard, pause_ns: int, ns: int) -> tuple[Answer, int]:
    """The answer, and what really passed between the ticket and the swap."""
    begun = time.monotonic_ns()
    guard.ticket(BOTH, W_NS)
    time.sleep(pause_ns / 1e9)
    answer = guard.swap(BOTH, ns, fresh=False)
    return answer, time.monotonic_ns() - begun


def one_lease(guard: Guard, number: int) -> None:
    say(silent(), f"lease {number}: silent before it")
    first_ns = since_ns = time.monotonic_ns()
    say(claim(guard, LEASE_NS) is Answer.DONE and both_answer(), f"lease {number}: opened")
    renewals = again = 0
    while time.monotonic_ns() < first_ns + 3 * LEASE_NS:
        answer, took_ns = renew(guard, 0, LEASE_NS)
        good = answer is Answer.DONE and both_answer()
        late = took_ns >= SURE_NS or time.monotonic_ns() - since_ns > LEASE_NS - SURE_NS  # the machine, not the kernel
        if not good and not late:
            say(False, f"lease {number}: renewal {renewals + 1}: {answer} {guard.trouble}")
            return
        renewals += good
        again += not good
        since_ns = time.monotonic_ns()
        if not good:
            claim(guard, LEASE_NS)
        time.sleep(0.05)
    say(
        renewals > 2 * again,
        f"lease {number}: {renewals} renewals, open {3 * LEASE_NS // MS} ms after {LEASE_NS // MS}",
    )
    claim(guard, LEASE_NS)
    answer, took_ns = renew(guard, 55 * MS, _PATIENT_NS)
    left = guard.remaining(V4) or 0
    say(answer is Answer.LAPSED and left <= LEASE_NS, f"lease {number}: pause of {took_ns // MS} ms: {answer}")
    time.sleep(LEASE_NS / 1e9)
    say(silent() and guard.remaining(V4) is None, f"lease {number}: silent after its end")
    guard.ticket(BOTH, _PATIENT_NS)
    say(guard.swap(BOTH, LEASE_NS, fresh=False) is Answer.LAPSED, f"lease {number}: a late renewal does not open it")


def granularity(guard: Guard) -> str:
    """How long an element of so many ms really lives, the longest of some; by packets."""
    found = []
    for asked_ms in (1, 2, 3, 5, 9, 10, 50):
        longest = 0
        for _ in range(8):
            guard.ticket(BOTH, _PATIENT_NS)
            guard.swap(BOTH, asked_ms * MS, fresh=True)
            begun_ns = asked_ns = last_ns = time.monotonic_ns()
            while answers(V4):
                last_ns, asked_ns = asked_ns, time.monotonic_ns()
            longest = max(longest, last_ns - begun_ns)
        found.append(f"{asked_ms}->{longest / MS:.1f}")
    return " ".join(found)


def main() -> int:
    print("kernel", os.uname().release, flush=True)
    guard = Guard()
    say(guard.trouble == "", f"the kernel has what it takes {guard.trouble}")
    say(guard.install([Gate(V4), Gate(V6)]) == "" and guard.stands(), f"installed and stands {guard.trouble}")
    put_on()
    for number in range(1, LEASES + 1):
        one_lease(guard, number)
    say(claim(guard, _PATIENT_NS) is Answer.DONE and claim(guard, 100 * MS) is Answer.DONE, "claimed while open")
    time.sleep(0.15)
    say(silent(), "a claim of what is open gives it the new time, not the old one")
    print("ms asked -> longest open:", granularity(guard), flush=True)
    say(guard.lift(BOTH) == "" and both_answer(), f"lifted {guard.trouble}")
    print("kernel", os.uname().release, "FAILED" if _bad else "PASSED", flush=True)
    return 1 if _bad else 0


if __name__ == "__main__":
    sys.exit(main())
