"""The model check: what fits into a minute of it, proof that it can fail, and that it speaks of the same engine as the
simulator. The whole of it is `python -m tests.model`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import pytest

from hbcore.engine import leases, probing, table, tokens
from hbcore.engine.beat import Beat, Stand
from hbcore.engine.engine import Engine
from hbcore.engine.lease import Evidence, lease_of
from hbcore.engine.table import Act, Row
from hbcore.sim import story
from hbcore.sim.kernel import Kernel
from tests.model import pair as pairs
from tests.model.fields import NOW, OLD, unknown_fields
from tests.model.node import TICK, TIMING, Node, Running
from tests.model.pair import Event, Known, Pair, play
from tests.model.replay import replay
from tests.model.runs import QUICK, Run, each
from tests.model.search import Finding, Result


def found(result: Result) -> list[str]:
    return [f"{f.hole or 'NO HOLE'} {f.what}: " + " ".join(f"t{t} {e}" for t, e in f.path) for f in result.findings]


# -- what is found -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked() -> dict[object, Known]:
    """What the searches of a family asked of the engine, as it is."""
    return defaultdict(Known)


@pytest.mark.parametrize("run", QUICK, ids=lambda run: run.name)
def test_only_the_holes_are_found(run: Run, asked: dict[object, Known]) -> None:
    result = run.search(asked[run.family])
    assert result.states > 700
    assert {f.hole for f in result.findings} <= run.excused, found(result)
    if run.kind != "light" and run.faults == 2:
        assert {"H1", "H4"} <= {f.hole for f in result.findings}, "the known holes must be seen"


def test_what_is_given_away_unheard_is_not_taken_back_before_the_other_can_notice() -> None:
    result = GIVEN_UNHEARD.search()
    assert not result.findings, found(result)


GIVEN_UNHEARD = replace(Run("T1", "web", 2, 1), allowed=frozenset({"break wire A>B", "break card A", "heal card A"}))
CUTS = frozenset({"break wire A>B", "break wire B>A", "break pair"})


def test_three_cuts_split_a_light_group_and_that_is_h2() -> None:
    """All direct paths cut while both reach the ping node."""
    result = replace(Run("T1", "light", 3, 0), allowed=CUTS).search()
    assert {f.hole for f in result.findings} == {"H2"}, found(result)


def test_without_a_ping_node_a_full_cut_splits_and_that_is_h3() -> None:
    for run in each("light", 2, 0, controlled=False):
        result = run.search()
        assert {f.hole for f in result.findings} == {"H3"}, found(result)


# -- a checker that cannot fail is worthless ---------------------------------------------------------------------------


def without(*rows: str) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for half in ("OWNER", "OTHER"):
            monkeypatch.setattr(table, half, tuple(r for r in getattr(table, half) if r.name not in rows))

    return patch


def no_control_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each backs the other: who has no control does not ask, so it never learns that the address is free (row S0)."""
    without("S4")(monkeypatch)
    monkeypatch.setattr(Engine, "_mute", lambda engine, group, now_ns: False)


def never_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (Row(r.name, r.when, Act.WAIT) if r.name == "S5" else r for r in table.OTHER)
    monkeypatch.setattr(table, "OTHER", tuple(rows))


def taken_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "VETO_PACE_NS", -probing.ROUND_NS)


def lease_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def until(now_ns: int, length_ns: int, evidence: Evidence, *, alone: bool, controlled: bool) -> int:
        return now_ns + length_ns

    monkeypatch.setattr(leases, "renewed_until", until)


def gate_always_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel, "answers", lambda kernel, group, ip, now_ns: ip in kernel.addresses)


MENDED = CUTS | {"heal wire A>B", "heal wire B>A"}
MUTANTS = {
    "no O2": (without("O2"), replace(Run("T1", "light", 3, 2, failback=False), allowed=MENDED), "two-for-ever"),
    "no O3": (without("O3"), Run("T1", "light", 1, 0), "idle"),
    "no O4": (without("O4"), Run("T1", "light", 1, 0), "idle"),
    "no S4": (no_control_asked, Run("T2", "light", 1, 0), "outage"),
    "no S6": (without("S6"), Run("T3b", "light", 2, 0), "two-apart"),
    "no S7": (without("S7"), Run("T2", "bare", 1, 0), "two-visible"),
    "S5 waits": (never_claims, Run("T1", "light", 1, 0), "idle"),
    "taken back at once": (taken_back_at_once, GIVEN_UNHEARD, "restless"),
    "lease without end": (lease_without_end, Run("T3b", "light", 2, 0), "two-apart"),
    "gate always open": (gate_always_open, Run("T1", "light", 2, 0), "two-apart"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_taken_away_is_missed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    patch, run, what = MUTANTS[name]
    patch(monkeypatch)
    bad = run.first_bad()
    assert bad is not None and bad.what == what, bad


# -- the states that are written down are those of the engine ----------------------------------------------------------


def test_no_field_of_the_engine_is_forgotten() -> None:
    assert not unknown_fields(), "say in tests/model/fields.py how it is written down"


def test_the_timing_is_one_that_the_lease_accepts_and_a_tick_is_a_beat() -> None:
    lease = lease_of(TIMING)
    assert lease.keepalive_ns == TICK and lease.lease_ns % TICK and lease.deadtime_ns % TICK
    assert (lease.lease_ns // TICK, lease.deadtime_ns // TICK) == (2, 4)  # the first tick after each: 3 and 5


@pytest.mark.parametrize("run", [Run("T1", "light", 0, 0), Run("T2", "heavy", 0, 0, first=1), Run("T3b", "bare", 0, 0)])
def test_a_pair_made_anew_each_tick_does_what_a_living_pair_does(run: Run) -> None:
    """Both play the same random faults: after each tick the living nodes, written down, are the states of the model."""
    with run.settings().in_force():
        pair = run.pair()
        for seed in range(25):
            _walk(pair, random.Random(seed))


def _walk(pair: Pair, chance: random.Random, ticks: int = 120) -> None:
    nodes, now, state = pair.settle(), NOW, pair.start
    said = list(nodes[1 - pair.first].sent)
    stopped = [0, 0]
    for _ in range(ticks):
        event = _event(pair, state, chance, stopped)
        if event is not None:
            state = pair.strike(state, event)
            said = _strike(pair, nodes, event, now, said)
        state = pair.tick(state)
        now += TICK
        play(nodes, now, pair.first, pair.topology.reach(state.broken), said)
        said = list(nodes[1 - pair.first].sent)
        for number, node in enumerate(nodes):
            code, _ = pair.codec.put(node)
            assert code == pair.codes[state[number]]
            stopped[number] = stopped[number] + 1 if node.run is Running.FROZEN else 0


def _event(pair: Pair, state: pairs.State, chance: random.Random, stopped: list[int]) -> Event | None:
    """None is kept stopped for so long that it only counts as long."""
    for number, length in enumerate(stopped):
        if length > OLD - 4:
            return Event("thaw", number)
    if chance.random() > 0.12:
        return None
    return chance.choice([*pair.faults(state), *pair.heals(state), *pair.heals(state)])


def _strike(pair: Pair, nodes: tuple[Node, Node], event: Event, now: int, said: list[Beat]) -> list[Beat]:
    what, which = event
    if what in ("break", "heal"):
        return said
    node, other = nodes[which], nodes[1 - which]
    if what == "off":
        node.off()
    elif what == "boot":
        node.boot(now)
        if other.heart is not None:
            pair.codec.elder(other)
        if which == pair.first:  # what is on its way speaks to the life before
            return [replace(b, frame=replace(b.frame, your_nonce=_before(b.frame.your_nonce))) for b in said]
    else:
        node.run = {"freeze": Running.FROZEN, "thaw": Running.PULSE_FIRST}.get(what, Running.DAEMON_FIRST)
    return said


def _before(nonce: int) -> int:
    return nonce - 10 if nonce else 0


# -- and what is found happens in the simulator, too -------------------------------------------------------------------

PLAYED = [
    (replace(Run("T1", "heavy", 2, 0), allowed=frozenset({"freeze A", "break pair", "break card A"})), {"H1", "H4"}),
    (Run("T2", "bare", 2, 0), {"H1", "H4"}),
    (replace(Run("T1", "light", 3, 0), allowed=CUTS), {"H2"}),
]


@pytest.mark.parametrize(("run", "holes"), PLAYED, ids=[run.name for run, _ in PLAYED])
def test_a_path_to_each_hole_splits_the_simulated_cluster(run: Run, holes: set[str]) -> None:
    """At one of ten moments between two beats: a tick of the model is all that time. The last event may have to come a
    tick sooner: an urgent beat is heard at once there, and in the next tick here.
    """
    splits = [f for f in run.search().findings if f.what.startswith("two")]
    moments = [(early, tenth) for early in (0, 1) for tenth in range(10)]
    assert {f.hole for f in splits if any(_overlaps(run, f, *moment) for moment in moments)} == holes


def _overlaps(run: Run, finding: Finding, early: int, tenth: int) -> bool:
    *before, (tick, event) = finding.path
    _, judge = replay(run, [*before, (tick - early, event)], offset_ns=tenth * TICK // 10, seconds=3)
    return bool(judge.overlaps) and not judge.broken


def test_who_has_the_key_can_forge_a_release_and_that_is_h7() -> None:
    """The nonces can be heard on the wire, so a key that can be broken is no protection: for a moment both run it."""
    world, judge = story.play(*story.parse("cluster heavy\nlinks eth1\nends 10\n"))
    victim = world.machines[1].pulse
    assert world.owners("heavy0") == [0] and victim is not None
    link, last = victim.taken[-1]
    words = tuple(replace(w, stand=Stand.RELEASED, epoch=w.epoch + 1, ready=False) for w in last.words.groups)
    frame = replace(last.frame, seq=last.frame.seq + 1)
    victim.arrive(link, replace(last, frame=frame, words=replace(last.words, groups=words)))
    world.run(3)
    judge.look()
    assert [o.group for o in judge.overlaps] == ["heavy0"] and judge.overlaps[0].until_ns
    assert len(world.owners("heavy0")) == 1
