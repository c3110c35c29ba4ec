"""The lease arithmetic: whatever times are accepted, an owner's gate is shut before anybody may presume it.

Owns the promise of docs/decisions/0005-timing.md. Must not know how the times were written.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hbcore.engine.config import MS, SECOND, ClusterConfig, Timing
from hbcore.engine.lease import HUNG_NS, PROFILES, STANDARD, Lease, lease_of, real_time, timeout_ms, valid_s

HOUR = 3600 * SECOND
PPM = 1_000_000
DRIFT = 500  # ppm, safety.md 1: of each clock

DEADTIMES = st.one_of(
    st.integers(10 * MS, SECOND), st.integers(SECOND, 60 * SECOND), st.integers(60 * SECOND, HOUR), st.just(HOUR)
)
PAIRS = st.builds(lambda d, share: (max(10 * MS, d * share // 10_000), d), DEADTIMES, st.integers(1, 5_000))


def accepted(pair: tuple[int, int], base: Timing = STANDARD) -> Lease:
    """The lease of a keepalive and a deadtime; other pairs are none of the test's."""
    try:
        return lease_of(replace(base, keepalive_ns=pair[0], deadtime_ns=pair[1]))
    except ValueError:
        assume(False)
        raise


def gate_end(until_ns: int, lease: Lease) -> int:
    """The latest instant the gate can be open for a lease that ends at `until_ns` (safety.md 6).

    The lease is looked at after the ticket was added, and the kernel refuses the renewal once the ticket is W old: a
    renewal lands W late at most, with what was left when the lease was looked at. The kernel's own grain, a jiffy, is
    slack's.
    """
    return until_ns + lease.ticket_ns


def assert_out_in_time(lease: Lease) -> None:
    """Time 0: the last beat that the peer received leaves. The owner freezes just before the next one, one keepalive
    later, right after it renewed. Its clock is slow, so all that takes longer; the peer's is fast, so its D is shorter.
    """
    until_ns = lease.keepalive_ns + lease.lease_ns
    shut, presumed = gate_end(until_ns, lease), lease.deadtime_ns
    assert shut * (PPM + DRIFT) < presumed * (PPM - DRIFT)


@example((29 * SECOND, 60 * SECOND))  # what a fixed slack of 50 ms does not cover: 59.980 s against 59.970 s
@example((1796 * SECOND, HOUR))
@example((10 * MS, 170 * MS))
@given(PAIRS)
def test_the_gate_is_shut_before_the_peer_may_presume(pair: tuple[int, int]) -> None:
    assert_out_in_time(accepted(pair))


@given(PAIRS)
def test_the_gate_is_shut_in_time_with_the_figures_of_profile_fast(pair: tuple[int, int]) -> None:
    assert_out_in_time(accepted(pair, replace(PROFILES["fast"], longest_ns=0)))


@given(PAIRS)
def test_the_parts_fit_into_the_deadtime(pair: tuple[int, int]) -> None:
    lease = accepted(pair)
    assert lease.lease_ns + lease.ticket_ns + lease.keepalive_ns + lease.slack_ns <= lease.deadtime_ns == pair[1]
    assert lease.lease_ns >= lease.keepalive_ns + lease.ticket_ns
    assert lease.slack_ns * PPM >= 2 * DRIFT * lease.deadtime_ns


@pytest.mark.parametrize(
    "profile, keepalive, deadtime, length, ticket, slack",
    [("standard", 100, 500, 300, 50, 50), ("fast", 20, 100, 50, 15, 10), ("vm", 250, 3000, 1800, 50, 50),
     ("wan", 500, 5000, 3000, 50, 50)],
)  # fmt: skip
def test_the_profiles(profile: str, keepalive: int, deadtime: int, length: int, ticket: int, slack: int) -> None:
    timing = PROFILES[profile]
    assert lease_of(timing) == Lease(length * MS, ticket * MS, keepalive * MS, slack * MS, deadtime * MS)
    assert real_time(timing) is (profile == "fast")
    assert timing.warntime_ns == timing.deadtime_ns // 2 and timing.deadping_ns == timing.deadtime_ns
    assert timing.initdead_ns == 12 * SECOND
    assert_out_in_time(lease_of(timing))


def test_nodes_compare_all_that_makes_a_lease() -> None:
    fast = PROFILES["fast"]
    timings = [Timing(), fast, replace(fast, ticket_ns=16 * MS), replace(fast, slack_ns=11 * MS),
               replace(fast, longest_ns=0)]  # fmt: skip
    digests = {ClusterConfig("c", ("a", "b"), (), (), (), timing).digest() for timing in timings}
    assert len(digests) == len(timings)


@given(PAIRS)
def test_an_address_outlives_its_gate_and_a_hung_daemon(pair: tuple[int, int]) -> None:
    lease = accepted(pair)
    assert valid_s(lease) * SECOND >= max(HUNG_NS, 4 * lease.deadtime_ns)
    assert (valid_s(lease) - 1) * SECOND < max(HUNG_NS, 4 * lease.deadtime_ns)
    assert valid_s(lease) * SECOND > gate_end(lease.lease_ns, lease)


@given(st.integers(0, HOUR), st.integers(0, 2 * HOUR))
def test_a_renewed_gate_never_outlives_its_lease_and_none_left_is_zero(until_ns: int, now_ns: int) -> None:
    left = timeout_ms(until_ns - now_ns)
    assert now_ns + left * MS <= max(until_ns, now_ns) < now_ns + (left + 1) * MS
    assert (left == 0) is (until_ns - now_ns < MS)
