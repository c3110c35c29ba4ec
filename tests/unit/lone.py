"""One engine and a peer made of single beats, so that it can be in any state.

Owns the names these tests use. Scripts and the disk answer at once, unless told not to. Must not decide anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hbcore.engine.beat import Beat, Frame, GroupWord, Mode, Service, Stand, State, Verdict, Words
from hbcore.engine.config import MS, SECOND, Resource, Weight
from hbcore.engine.effects import (
    Effect,
    Note,
    Persist,
    Probe,
    Run,
    Say,
    Stored,
    StoredGroup,
)
from hbcore.engine.engine import Engine
from hbcore.engine.events import (
    Answered,
    Done,
    Event,
    Facts,
    GroupFacts,
    Heard,
    Lapsed,
    Listened,
    Outcome,
    Persisted,
    Probed,
    Sighting,
    Wall,
)  # fmt: skip
from hbcore.engine.group import Group, Phase
from tests.unit.duo import NAMES, PING, VIP, config
from tests.unit.notes import assert_fit

START = 1000 * SECOND
MINE, PEERS, BASE = b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2", "192.168.100.2"
KNOWN = Stored(peer_macs=(PEERS,), peer_bases=(BASE,))


class Lone:
    """`control`: the ping node answers; `vip`, `machine`, `neighbour`: what a probe finds; `holder`: who has the VIP.

    `status`, `start`, `stop`: what comes of these; what was started says that it runs. `slow`: Run and Persist stay
    unanswered. `asked_ms`: so long ago the ping node was last asked and answered. `more`: what the group has besides.
    """

    def __init__(
        self, weight: Weight = Weight.LIGHT, stored: Stored = KNOWN, me: int = 0, *, slow: bool = False,
        status: Outcome = Outcome.STOPPED, bare: bool = False, asked_ms: int | None = None,
        more: tuple[Resource, ...] = (),
    ) -> None:  # fmt: skip
        self.config = config(weight, bare=bare)
        (group,) = self.config.groups
        self.config = replace(self.config, groups=(replace(group, resources=group.resources + more),))
        self.now = START
        self.control, self.vip, self.machine, self.neighbour, self.slow = True, False, False, False, slow
        self.holder = PEERS
        self.status, self.start, self.stop = status, Outcome.OK, Outcome.OK
        self.up: set[str] = set()  # resources that were started
        self.sure = True  # their status answers by exit code
        self.out: list[Effect] = []
        self._seq = 0
        self._numbers: Counter[type[Effect]] = Counter()
        self._probes: list[tuple[int, Probe]] = []
        asked = {} if asked_ms is None else {PING: START - asked_ms * MS}
        self.engine = Engine(self.config, NAMES[me], stored, START, asked_ns=asked)
        self.step(Wall(START), Facts((Service(MINE, "192.168.100.1"),), (GroupFacts("web", "eth0", BASE, PING),)))

    @property
    def group(self) -> Group:
        return self.engine.world.groups["web"]

    @property
    def codes(self) -> list[str]:
        return [e.code for e in self.out if isinstance(e, Note)]

    def ran(self, operation: str) -> list[str]:
        """The resources on which it was begun, in order."""
        return [e.resource.name for e in self.out if isinstance(e, Run) and e.operation == operation]

    def said(self) -> GroupWord:
        """What the newest beat says."""
        return [e for e in self.out if isinstance(e, Say)][-1].words.groups[0]

    def step(self, *events: Event) -> list[Effect]:
        """And what scripts and the disk answer to it."""
        effects = self.engine.step(self.now, *events)
        self.out += effects
        for effect in effects:
            match effect:
                case Run(number) | Persist(number) | Probe(number):
                    self._numbers[type(effect)] += 1
                    assert number == self._numbers[type(effect)], "each has a number of its own, in order"
        for note in effects:
            if isinstance(note, Note):
                assert_fit(note, self.engine.world.me, self.config)
        for effect in [] if self.slow else effects:
            if isinstance(effect, Run):
                self.step(Done(effect.op, self._came(effect), "", MS, self.sure))
            elif isinstance(effect, Persist):
                self.step(Persisted(effect.number))
        self._probes += [(self.now, e) for e in effects if isinstance(e, Probe)]
        return effects

    def _came(self, run: Run) -> Outcome:
        name = run.resource.name
        if run.operation == "status":
            return Outcome.RUNNING if self.status is Outcome.STOPPED and name in self.up else self.status
        came = self.start if run.operation == "start" else self.stop
        if came is Outcome.OK:
            (self.up.add if run.operation == "start" else self.up.discard)(name)
        return came

    def beat(
        self, stand: Stand = Stand.NONE, epoch: int = 0, *, two_way: bool = True, mode: Mode = Mode.ONLINE,
        state: State = State.STOPPED, control: Verdict = Verdict.OK, age_ms: int = 10, incarnation: int = 5,
        digest: int | None = None,
    ) -> Heard:  # fmt: skip
        self._seq += 1
        word = GroupWord(
            self.group.number, stand, epoch, self.group.digest if digest is None else digest, False, state, True,
            control, age_ms,
        )  # fmt: skip
        words = Words(mode, self.engine.world.config_digest, (word,), (Service(PEERS, BASE),))
        frame = Frame(self.config.cluster_id, 1, incarnation, 0, self._seq, 9)
        return Heard("eth0", self.now, Beat(frame, words), self.now - MS if two_way else 0)

    def run(self, ms: int, heard: Heard | None = None) -> None:
        """Time passes; the same words are heard every 100 ms, the ping node answers, probes come back."""
        for n in range(ms // 20):
            self.now += 20 * MS
            events: list[Event] = [Listened(self.now)]
            if self.control and n % 5 == 0:
                events.append(Answered(PING, self.now - MS, self.now))
            if heard is not None and n % 5 == 0:
                echo = self.now - MS if heard.echo_sent_ns else 0
                events.append(replace(heard, at_ns=self.now, echo_sent_ns=echo))
            due = [p for p in self._probes if self.now - p[0] >= 95 * MS]
            self._probes = [p for p in self._probes if p not in due]
            events += [self._round(begun, probe) for begun, probe in due]
            self.step(*events)

    def claims(self) -> Lone:
        """Time passes in silence until it claims."""
        for _ in range(1000):
            if self.group.phase is Phase.CLAIMING:
                return self
            self.run(20)
        raise AssertionError("it claims nothing")

    def _round(self, begun_ns: int, probe: Probe) -> Probed:
        found = [Sighting(VIP, self.holder, self.holder in probe.confirm)] * self.vip
        found += [Sighting(BASE, PEERS, True)] * self.machine
        return Probed(probe.probe, begun_ns, self.now, tuple(found), self.neighbour)


def owner(weight: Weight = Weight.LIGHT, me: int = 0, *, bare: bool = False, more: tuple[Resource, ...] = ()) -> Lone:
    """It took the group from a peer that left it to it, and runs it with epoch 4."""
    lone = Lone(weight, me=me, bare=bare, more=more)
    lone.run(200, lone.beat(Stand.RELEASED, 4))
    lone.run(2000, lone.beat(epoch=4))
    assert lone.group.owner and lone.group.phase is Phase.RUNNING and lone.group.token.epoch == 4
    return lone


def resting() -> Lone:
    """It has the right, and the operator stopped the group."""
    lone = owner()
    lone.engine.world.book.put("run", "web", "stopped", now_s=0)
    lone.run(500, lone.beat(epoch=4))
    assert lone.group.owner and lone.group.phase is Phase.IDLE
    return lone


def standby(weight: Weight = Weight.LIGHT, me: int = 1) -> Lone:
    """The peer runs it with epoch 4."""
    lone = Lone(weight, me=me)
    lone.run(2000, lone.beat(Stand.HOLDS, 4, state=State.STARTED))
    assert not lone.group.owner and lone.group.phase is Phase.IDLE
    return lone


def found(asked_ms: int | None = None) -> Lone:
    """A new daemon finds the group running; the ping node does not answer."""
    lone = Lone(
        stored=replace(KNOWN, groups=(StoredGroup("web", 4, mine=True),)), status=Outcome.RUNNING, asked_ms=asked_ms
    )
    lone.control = False
    return lone


def shut() -> Lone:
    lone = owner()
    lone.step(Lapsed("web", lone.now))
    assert lone.group.phase is Phase.SHUT
    return lone
