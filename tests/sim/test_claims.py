"""Claims on a silence: it is evidence only while this node's own network is known to work (safety.md 5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.lease import PROFILES
from hbcore.sim import story

CUT_S = 14


@pytest.mark.parametrize("profile", ["standard", "vm", "wan"])
def test_a_dead_card_is_no_silent_address(profile: str) -> None:
    """Heartbeats are cut, and the other node's card dies before it calls the owner lost: its control still counts as ok
    for L, and asks for the address find silence. Two faults, and both had it for a second with profile vm."""
    timing = PROFILES[profile]
    for tenth in range(7, 11):
        dies_s = CUT_S + timing.deadtime_ns * tenth / 10**10
        text = f"links eth1\n{CUT_S} all-beats\n{dies_s} card node2 eth0 silent\nends {CUT_S + 15}\n"
        plan, seconds = story.parse(text)
        world, judge = story.play(replace(plan, config=replace(plan.config, timing=timing)), seconds)
        assert not judge.overlaps, tenth
        assert world.owners("light0") == [0]
