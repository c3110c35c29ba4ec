"""The control of a network: when its silence is suspended, and what ends that."""

from __future__ import annotations

from hbcore.engine.beat import Verdict
from hbcore.engine.config import MS, SECOND, Timing
from hbcore.engine.isolation import Control
from hbcore.engine.lease import lease_of

MINUTE_NS = 60 * SECOND


def suspended() -> Control:
    """Silent for both nodes for a minute."""
    control = Control("192.168.100.254", lease_of(Timing()), 0)
    control.answered(SECOND, SECOND + MS)
    for at_ns in range(2 * SECOND, MINUTE_NS, 100 * MS):
        control.compare(at_ns, Verdict.NO)
    assert control.verdict(MINUTE_NS) is Verdict.SUSPENDED
    return control


def test_a_late_answer_to_an_old_request_does_not_make_the_fault_ones_own() -> None:
    """The kernel kept the request until ARP was answered; the peer, whose ARP was quicker, has fresh answers then."""
    control = suspended()
    control.answered(MINUTE_NS - 400 * MS, MINUTE_NS)
    control.compare(MINUTE_NS, Verdict.OK)
    assert control.verdict(MINUTE_NS) is Verdict.SUSPENDED
    control.answered(MINUTE_NS, MINUTE_NS + MS)
    assert control.verdict(MINUTE_NS + MS) is Verdict.OK


def test_a_fresh_answer_ends_it_and_later_silence_is_ones_own() -> None:
    control = suspended()
    control.answered(MINUTE_NS, MINUTE_NS + MS)
    control.compare(MINUTE_NS + SECOND, Verdict.OK)
    assert control.verdict(MINUTE_NS + SECOND) is Verdict.NO


def test_one_that_answers_the_peer_alone_for_longer_than_arp_takes_is_ones_own_fault() -> None:
    control = suspended()
    control.compare(MINUTE_NS, Verdict.OK)
    control.compare(MINUTE_NS + 1999 * MS, Verdict.OK)
    assert control.verdict(MINUTE_NS + 1999 * MS) is Verdict.SUSPENDED
    control.compare(MINUTE_NS + 2000 * MS, Verdict.OK)
    assert control.verdict(MINUTE_NS + 2000 * MS) is Verdict.NO
