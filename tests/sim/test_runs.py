"""Three hundred simulated runs: nothing breaks outside the printed holes, and enough happens to mean something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hbcore.engine.config import MS, SECOND, GroupDef
from hbcore.sim.draw import NAMES, PING, Plan, group, plan
from hbcore.sim.faults import Fault
from hbcore.sim.run import run
from hbcore.sim.world import World
from tests.sim.batch import play

SEEDS = range(300)


@pytest.mark.timeout(900)
def test_three_hundred_runs() -> None:
    batch = play(SEEDS)
    print(f"{batch.runs} runs, {batch.hours:.1f} simulated hours, {batch.speed:.0f} x real time")
    assert not batch.broken, "`python -m tests.sim SEED` tells and shortens it"
    assert not batch.scarce()


def test_a_daemon_that_dies_five_times_is_silent_by_rule_and_lost_rightly() -> None:
    """From the fifth death in a minute on pulse waits longer than it vouches for one: no breach of L3 (seed 9907)."""
    dies = tuple(Fault(int(at * SECOND), "daemon", 1) for at in (35, 36, 40, 44, 52))
    quiet = Plan(seed=1, config=plan(1).config, faults=dies, accurate=True)
    worlds: list[World] = []
    result = run(quiet, watch=worlds.append)
    assert result.broken == []
    assert [h.who for h in worlds[0].happened if h.code == "peer-lost"] == ["node1"]


def test_a_machine_that_is_paused_in_the_middle_of_its_claim_is_hole_h5() -> None:
    """No time has passed for it when it goes on, so what it found silent before is silent to it still (seed 9964)."""
    groups = (group(0, "light", NAMES), group(1, "light", NAMES[::-1]))
    faults = (Fault(10_210 * MS, "freeze", 1, for_ns=890 * MS), Fault(10_880 * MS, "pause", 0))
    paused = Plan(seed=9964, config=replace(plan(1).config, groups=groups), faults=faults, boots_ns=(130_273_126, 0))
    result = run(paused)
    assert result.broken == []
    assert {(o.group, o.hole) for o in result.overlaps} == {("light0", "H5"), ("light1", "H5")}


@pytest.mark.parametrize(
    ("pings", "groups", "faults", "holes"),
    [
        (
            (),
            (group(0, "light", NAMES[::-1]), group(1, "heavy", NAMES)),
            (
                Fault(16 * SECOND, "card", 0, "eth0", 25 * SECOND, 0, "silent"),
                Fault(17 * SECOND, "noise", 1, "eth1", 4 * SECOND, 826, "slow"),
            ),
            {"H3", "H1"},
        ),
        (
            (PING,),
            (group(0, "light", NAMES),),
            (Fault(15 * SECOND, "pair", 0, "eth0"), Fault(15_600 * MS, "card", 0, "eth0", 0, 0, "no-tx")),
            {"H2"},
        ),
    ],
    ids=["slower than a deadtime is cut (seed 3221)", "cut while both had the ping node (seed 4498)"],
)
def test_a_hole_is_one_when_the_takeover_was_licensed(
    pings: tuple[str, ...], groups: tuple[GroupDef, ...], faults: tuple[Fault, ...], holes: set[str]
) -> None:
    config = replace(plan(1).config, pings=pings, groups=groups)
    config = config if pings == () else replace(config, links=config.links[:1])
    result = run(Plan(seed=1, config=config, faults=faults))
    assert result.broken == []
    assert {o.hole for o in result.overlaps} == holes


def test_a_run_is_a_function_of_its_seed() -> None:
    one, two = run(plan(7)), run(plan(7))
    assert one.counts == two.counts and one.plan == two.plan


def test_a_fault_taken_out_changes_nothing_before_it() -> None:
    """Shrinking depends on it: what else is drawn while a run goes on is drawn from streams of its own."""
    whole = plan(8)
    last = max(whole.faults, key=lambda fault: fault.at_ns)
    without = replace(whole, faults=tuple(fault for fault in whole.faults if fault is not last))
    worlds: list[World] = []
    run(whole, watch=worlds.append)
    run(without, watch=worlds.append)
    tales = [[h for h in world.happened if h.at_ns - world.begun < last.at_ns] for world in worlds]
    assert len(tales[0]) > 5 and tales[0] == tales[1]
    assert worlds[0].happened != worlds[1].happened
