"""Two nodes and the network between them, as numbers: a tick of the pair is two look-ups in tables.

Owns what a node does in each of its states with each input: the real engine is asked once for each, the answer kept,
also for the next search. Invariant: what comes next depends on the pair's state and the event alone. In a tick one node
moves first: a beat takes no time to the second, and a tick back. Must not know what is right, nor how many events there
are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hbcore.engine.beat import Beat
from tests.model.beats import Said
from tests.model.codec import Codec
from tests.model.fields import EPOCH, NOW, Code
from tests.model.node import TICK, Given, Node, Running, Settings
from tests.model.topology import Reach, Topology

SETTLE = 60  # ticks from boot until both agree
LEAD = 16  # added to a difference of epochs, so that it is not negative


class State(NamedTuple):
    """`a`, `b`: numbers of the nodes' states. `beats`: number of what the second one said in the last tick. `lead`: the
    least epoch a knows less that of b. `broken`: mask of the topology's faults."""

    a: int
    b: int
    beats: int
    lead: int
    broken: int


@dataclass(frozen=True, slots=True)
class Face:
    """What shows of a node's state. `probing`: a probe round of its is under way."""

    on: bool
    frozen: bool
    answers: bool
    serves: bool
    asks: bool
    probing: bool
    row: str = ""


class Event(NamedTuple):
    """`what`: break | heal (`which`: bit of the fault) | off | boot | freeze | thaw | thaw-late (`which`: the node)."""

    what: str
    which: int


@dataclass(slots=True)
class Known:
    """What was asked of the engine: the numbers of nodes' states and of messages, and what follows on each."""

    codes: list[Code] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)
    numbers: dict[tuple[int, Code], int] = field(default_factory=dict)
    beats: list[tuple[Said, ...]] = field(default_factory=lambda: [()])
    beat_numbers: dict[tuple[Said, ...], int] = field(default_factory=lambda: {(): 0})
    ticks: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    changes: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)


class Pair:
    """`first`: which node moves first in a tick. `known`: of pairs with these settings and this first, on networks
    that do the same while they are whole. `start`: both at rest."""

    def __init__(self, settings: Settings, topology: Topology, first: int = 0, known: Known | None = None) -> None:
        self.settings, self.topology, self.first = settings, topology, first
        nodes = self.settle()
        self.codec = Codec(settings, nodes)
        self.asked = 0  # how often the engine was
        self.known = known = known or Known()
        self.codes, self.faces, self._numbers = known.codes, known.faces, known.numbers
        self._beats, self._beat_numbers = known.beats, known.beat_numbers
        self._ticks, self._changes = known.ticks, known.changes
        self._reach = [topology.reach(broken) for broken in range(1 << len(topology.faults))]
        codes = [self.codec.put(node) for node in nodes]
        a, b = (self._number(n, code) for n, (code, _) in enumerate(codes))
        second = 1 - first
        said = [self.codec.beats.put(beat, nodes[second].now, codes[second][1]) for beat in nodes[second].sent]
        self.start = State(a, b, self._beat_number(tuple(said)), codes[0][1] - codes[1][1], 0)

    def settle(self) -> tuple[Node, Node]:
        """Both booted, and long at rest."""
        nodes = Node(self.settings, 0), Node(self.settings, 1)
        reach = self.topology.reach(0)
        now = NOW - SETTLE * TICK
        for node in nodes:
            node.boot(now)
        for _ in range(SETTLE):
            now += TICK
            play(nodes, now, self.first, reach, nodes[1 - self.first].sent)
        return nodes

    # -- numbers -------------------------------------------------------------------------------------------------------

    def _number(self, number: int, code: Code, node: Node | None = None) -> int:
        key = number, code
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.codes)
            self.codes.append(code)
            self.faces.append(_face(node or self.codec.get(code, number)))
        return known

    def _beat_number(self, beats: tuple[Said, ...]) -> int:
        known = self._beat_numbers.get(beats)
        if known is None:
            known = self._beat_numbers[beats] = len(self._beats)
            self._beats.append(beats)
        return known

    # -- a tick --------------------------------------------------------------------------------------------------------

    def tick(self, state: State) -> State:
        a, b, beats, lead, broken = state
        reach = self._reach[broken]
        if self.first == 0:
            a2, said, up = self._move(0, a, b, beats if reach.beat[1] else 0, -lead, reach)
            lead += up
            b2, beats, up = self._move(1, b, a2, said if reach.beat[0] else 0, lead, reach)
            return State(a2, b2, beats, lead - up, broken)
        b2, said, up = self._move(1, b, a, beats if reach.beat[0] else 0, lead, reach)
        lead -= up
        a2, beats, up = self._move(0, a, b2, said if reach.beat[1] else 0, -lead, reach)
        return State(a2, b2, beats, lead + up, broken)

    def _move(self, number: int, me: int, other: int, beats: int, lead: int, reach: Reach) -> tuple[int, int, int]:
        """One node; `lead`: the other's least epoch less mine. Its new number, what it says, its least epoch's rise."""
        mine = self.faces[me]
        if not mine.on:
            return me, 0, 0
        theirs = self.faces[other]
        bits = reach.control[number] | (reach.asks[1 - number] and theirs.asks) << 1
        if mine.probing:
            lan = reach.lan
            bits |= (lan and theirs.answers) << 2 | (lan and theirs.on) << 3 | reach.neighbour[number] << 4
        key = (me << 20 | beats) << 10 | bits << 5 | (lead + LEAD if beats else 0)
        known = self._ticks.get(key)
        if known is None:
            known = self._ticks[key] = self._ask(number, me, beats, lead, bits)
        return known

    def _ask(self, number: int, me: int, beats: int, lead: int, bits: int) -> tuple[int, int, int]:
        """The real engine."""
        assert abs(lead) < LEAD
        self.asked += 1
        codec, now = self.codec, NOW + TICK
        node = codec.get(self.codes[me], number)
        sent = NOW if number == self.first else now
        heard = [codec.beats.get(said.raised(lead), 1 - number, sent) for said in self._beats[beats]]
        node.tick(now, Given(heard, bool(bits & 1), bool(bits & 4), bool(bits & 8), bool(bits & 16), bool(bits & 2)))
        code, least = codec.put(node)
        said = self._beat_number(tuple(codec.beats.put(beat, now, least) for beat in node.sent))
        return self._number(number, code, node), said, least - EPOCH

    # -- events --------------------------------------------------------------------------------------------------------

    def faults(self, state: State) -> Iterator[Event]:
        for bit in range(len(self.topology.faults)):
            if not state.broken >> bit & 1:
                yield Event("break", bit)
        for number, face in enumerate((self.faces[state.a], self.faces[state.b])):
            if face.on:
                yield Event("off", number)
                if not face.frozen:
                    yield Event("freeze", number)

    def heals(self, state: State) -> Iterator[Event]:
        for bit in range(len(self.topology.faults)):
            if state.broken >> bit & 1:
                yield Event("heal", bit)
        for number, face in enumerate((self.faces[state.a], self.faces[state.b])):
            if not face.on:
                yield Event("boot", number)
            elif face.frozen:
                yield Event("thaw", number)
                yield Event("thaw-late", number)

    def strike(self, state: State, event: Event) -> State:
        what, which = event
        a, b, beats, lead, broken = state
        if what in ("break", "heal"):
            return State(a, b, beats, lead, broken ^ 1 << which)
        nodes, rises = [a, b], [0, 0]
        nodes[which], rises[which] = self._change(what, which, nodes[which])
        on_its_way = self._beats[beats]
        if what == "boot":
            nodes[1 - which], _ = self._change("elder", 1 - which, nodes[1 - which])
            if which == self.first:
                on_its_way = tuple(said.to_elder() for said in on_its_way)
        if which != self.first:
            on_its_way = tuple(said.raised(-rises[which]) for said in on_its_way)
        return State(nodes[0], nodes[1], self._beat_number(on_its_way), lead + rises[0] - rises[1], broken)

    def _change(self, what: str, number: int, me: int) -> tuple[int, int]:
        """Its new number, and how its least epoch rose."""
        key = what, me
        known = self._changes.get(key)
        if known is None:
            code, least = self._changed(what, number, self.codes[me])
            known = self._changes[key] = self._number(number, code), least - EPOCH
        return known

    def _changed(self, what: str, number: int, code: Code) -> tuple[Code, int]:
        if what == "boot":
            return ("new", *code[1:]), EPOCH
        if what == "elder" and code[0] == "off":
            return code, EPOCH
        node = self.codec.get(code, number)
        match what:
            case "off":
                node.off()
            case "freeze":
                node.run = Running.FROZEN
            case "thaw":
                node.run = Running.PULSE_FIRST
            case "thaw-late":
                node.run = Running.DAEMON_FIRST
            case "elder":
                self.codec.elder(node)
        return self.codec.put(node)


def play(nodes: tuple[Node, Node], now: int, first: int, reach: Reach, said: list[Beat]) -> None:
    """One tick of two nodes as they are. `said`: by the second one in the tick before."""
    for x in (first, 1 - first):
        me, other = nodes[x], nodes[1 - x]
        beats = said if x == first else other.sent
        me.tick(
            now,
            Given(
                beats if reach.beat[1 - x] else [],
                reach.control[x],
                reach.lan and other.answers_vip,
                reach.lan and other.heart is not None,
                reach.neighbour[x],
                reach.asks[1 - x] and other.asks,
            ),
        )


def _face(node: Node) -> Face:
    row = ""
    if node.engine is not None:
        row = node.engine.world.groups[node.settings.group.name].row
    return Face(
        node.heart is not None, node.run is Running.FROZEN, node.answers_vip, node.serves, node.asks,
        node.probe is not None, row,
    )  # fmt: skip
