"""A node's state written down: a tuple, equal for two states that behave alike.

Owns how a whole node is taken apart and put together. Invariant: a node is always made anew from its tuple, so nothing
that the tuple leaves out can have an effect. Times are relative to now, an old one is only old; epochs are relative to
the least the node knows; numbers of beats to the tick, of lives to the present one. Left out is what only a person
reads (notes, status, trace). Must not know the search.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from hbcore.engine.effects import Held, Hold, Probe, Run, Stored
from hbcore.engine.engine import Engine
from hbcore.engine.events import Done, Event, Probed, Seen, Sighting
from hbcore.engine.heart import Heart, Life
from hbcore.engine.leases import Leases, Renewed
from tests.model.beats import Beats, tick_of
from tests.model.daemon_codec import DaemonCodec
from tests.model.fields import COUNT, DEAD, EPOCH, LEASE, NOW, OLD, Code, age, get, put, time
from tests.model.node import INBOX, LIFE, SEQS, TICK, VIP, Node, Running, Settings

LIVES = 2  # so many earlier lives of the peer are remembered


class Codec:
    """For one cluster; `settled`: its two nodes, running and in agreement, from which is taken what never changes."""

    def __init__(self, settings: Settings, settled: tuple[Node, Node]) -> None:
        self.settings = settings
        engines = (_engine(settled[0]), _engine(settled[1]))
        one, two = engines[0]._said, engines[1]._said
        assert one is not None and two is not None
        self.beats = Beats(settings, (one, two))
        self._daemon = DaemonCodec(settings, engines, self.beats)
        self._hearts = (_heart(settled[0]), _heart(settled[1]))
        self._stored_like = (settled[0].kernel.stored, settled[1].kernel.stored)
        self._number = engines[0].world.groups[settings.group.name].number

    # -- a whole node --------------------------------------------------------------------------------------------------

    def put(self, node: Node) -> tuple[Code, int]:
        """The tuple, and the least epoch the node knows."""
        (stored,) = node.kernel.stored.groups
        if node.heart is None or node.engine is None:
            return ("off", stored.mine, stored.manual, len(stored.failbacks)), stored.epoch
        heart, engine = node.heart, node.engine
        (group,) = engine.world.groups.values()
        spoken = [heart._words, engine.world.peer.words, *(beat.words for _, beat in node.inbox)]
        least = min([group.token.epoch, *(w.groups[0].epoch for w in spoken if w is not None and w.groups)])
        assert engine._said == heart._words and engine._stored == node.kernel.stored and stored == group.stored()
        code = (
            node.run,
            self._put_heart(node, heart, least),
            self._put_leases(heart, engine, node.now),
            self._daemon.put(engine, node.now, least),
            self._put_kernel(node),
            self._put_under_way(node, engine, least),
        )
        return code, least

    def get(self, code: Code, number: int) -> Node:
        """A node as it was, at NOW, with EPOCH for the least epoch. "new": it was off and boots now."""
        node = Node(self.settings, number)
        node.now = NOW
        if code[0] in ("off", "new"):
            _, mine, manual, failbacks = code
            node.kernel.stored = self._stored(number, mine, manual, failbacks)
            if code[0] == "new":
                node.boot(NOW)
            return node
        node.run, heart, leases, engine, kernel, under_way = code
        node.heart = self._get_heart(node.run, heart, number)
        node.engine = self._daemon.get(engine, number)
        node.engine._said = node.heart._words
        self._get_leases(leases, node.heart, node.engine, number)
        (group,) = node.engine.world.groups.values()
        node.kernel.stored = node.engine._stored = replace(self._stored_like[number], groups=(group.stored(),))
        self._get_kernel(kernel, node)
        self._get_under_way(under_way, node)
        return node

    def _stored(self, number: int, mine: bool, manual: bool, failbacks: int) -> Stored:
        like = self._stored_like[number]
        group = replace(like.groups[0], epoch=EPOCH, mine=mine, manual=manual, failbacks=(0,) * failbacks)
        return replace(like, groups=(group,))

    def elder(self, node: Node) -> None:
        """The peer has begun another life: what was its present one is now the one before."""
        heart, peer = _heart(node), _engine(node).world.peer
        heart._lives = OrderedDict((self._earlier(node, key), life) for key, life in heart._lives.items())
        if heart._current is not None:
            heart._current = self._earlier(node, heart._current)
        if heart._candidate is not None:
            heart._candidate = self._earlier(node, heart._candidate[0]), heart._candidate[1]
        for key, life in [*heart._lives.items(), *([heart._candidate] if heart._candidate else [])]:
            life.nonce = key[2]
        peer.incarnation -= bool(peer.incarnation)
        node.inbox = [
            (at, replace(b, frame=replace(b.frame, incarnation=b.frame.incarnation - 1, nonce=b.frame.nonce - 10)))
            for at, b in node.inbox
        ]

    def _earlier(self, node: Node, key: tuple[int, int, int]) -> tuple[int, int, int]:
        return self._key(node.number, key[0] - LIFE - 1)

    # -- pulse ---------------------------------------------------------------------------------------------------------

    def _put_heart(self, node: Node, heart: Heart, least: int) -> Code:
        now, tick = node.now, node.now // TICK
        lives = [k[0] - LIFE for k in heart._lives if k == heart._current or k[0] >= LIFE - LIVES]
        newest = tick_of(next(reversed(heart._sent), 0))  # of a stopped node that of its last tick
        return (
            put(Heart, heart, now),
            age(heart._asked.get(self.settings.control, 0), now, LEASE),
            None if heart._words is None else self.beats.put_words(heart._words, least),
            tuple(lives),
            None if heart._current is None else _put_life(heart._current, heart._lives[heart._current], now),
            None if heart._candidate is None else _put_life(*heart._candidate, now),
            tuple(seq - tick * SEQS for seq in heart._sent if tick - INBOX - DEAD < tick_of(seq) > newest - DEAD),
            max(0, heart._seq - (tick + 1) * SEQS),
            age(heart._expected_ns, now, DEAD + 2),
            max(heart._alive_ns - now, -(DEAD + 2) * TICK),
        )

    def _get_heart(self, run: Running, code: Code, number: int) -> Heart:
        generic, asked, words, lives, current, candidate, sent, seq, expected, alive = code
        settings, tick = self.settings, NOW // TICK
        heart: Heart = get(Heart, generic, self._hearts[number])
        due = NOW + TICK if run is Running.YES else NOW  # or long overdue, which makes no difference
        heart._pings = dict.fromkeys(settings.config.pings, due)
        heart._asked = {} if asked is None else {settings.control: time(asked)}
        heart._words = None if words is None else self.beats.get_words(words, number)
        heart._lives = OrderedDict((self._key(number, life), Life(0)) for life in lives)
        heart._current = heart._candidate = None
        if current is not None:
            heart._current, life = self._get_life(number, current)
            heart._lives[heart._current] = life
            life.by_link[settings.link] = life.seq
        if candidate is not None:
            heart._candidate = self._get_life(number, candidate)
        heart._sent = OrderedDict((tick * SEQS + s, tick_of(tick * SEQS + s) * TICK) for s in sent)
        heart._seq = (tick + 1) * SEQS + seq
        heart._next_beat_ns = due
        heart._expected_ns, heart._alive_ns = time(expected), NOW + alive
        return heart

    def _key(self, number: int, life: int) -> tuple[int, int, int]:
        return LIFE + life, 0, self.settings.nonce(1 - number, LIFE + life)

    def _get_life(self, number: int, code: Code) -> tuple[tuple[int, int, int], Life]:
        life, seq, heard = code
        key = self._key(number, life)
        return key, Life(key[2], NOW // TICK * SEQS + seq, time(heard))

    def _put_leases(self, heart: Heart, engine: Engine, now: int) -> Code:
        by_group, unsure = heart.leases.by_group, engine._hold.unsure
        assert engine._hold.held == tuple(r.held for name, r in by_group.items() if name not in unsure)
        held = [(put(Renewed, r, now), r.held.alone, age(r.held.opened_ns, now, OLD + 1)) for r in by_group.values()]
        return put(Leases, heart.leases, now), tuple(held), bool(unsure)

    def _get_leases(self, code: Code, heart: Heart, engine: Engine, number: int) -> None:
        generic, held, unsure = code
        heart.leases = get(Leases, generic, self._hearts[number].leases)
        heart.leases.by_group = {}
        settings, group = self.settings, self.settings.group
        for renewed_code, alone, opened in held:
            renewed: Renewed = get(Renewed, renewed_code, None)
            renewed.held = Held(
                group.name, self._number, settings.control, alone, settings.light, settings.gated, time(opened)
            )
            heart.leases.by_group[group.name] = renewed
        leases = () if unsure else tuple(r.held for r in heart.leases.by_group.values())
        engine._hold = Hold(leases, (group.name,) if unsure else ())

    # -- the kernel, and what is under way -----------------------------------------------------------------------------

    def _put_kernel(self, node: Node) -> Code:
        kernel, name = node.kernel, self.settings.group.name
        gate = kernel.gates.get(name, 0)
        return (
            kernel.guard,
            bool(kernel.addresses),
            name in kernel.gated,
            gate - node.now if gate > node.now else None,
            bool(kernel.services),
        )

    def _get_kernel(self, code: Code, node: Node) -> None:
        kernel, name = node.kernel, self.settings.group.name
        kernel.guard, address, gated, gate, services = code
        kernel.addresses = set(self.settings.ips) if address else set()
        kernel.gated = {name} if gated else set()
        kernel.gates = {} if gate is None else {name: NOW + gate}
        kernel.services = {(name, "service")} if services else set()

    def _put_under_way(self, node: Node, engine: Engine, least: int) -> Code:
        now = node.now
        probe = None if node.probe is None else node.probe[0]
        events = dict.fromkeys(_put_event(e, now, engine._ops) for e in node.events)  # the same twice is once
        return (
            None if probe is None else (probe.neighbours, probe.targets, probe.confirm),
            tuple(_put_run(run, now, engine._ops) for run in node.runs),
            tuple(events),
            tuple((max(at - now, -OLD * TICK), self.beats.put(beat, now, least)) for at, beat in node.inbox),
            node.asks,
        )

    def _get_under_way(self, code: Code, node: Node) -> None:
        probe, runs, events, inbox, node.asks = code
        number, name = node.number, self.settings.group.name
        if probe is not None:
            neighbours, targets, macs = probe
            node.probe = Probe(COUNT, "eth0", self.settings.base(number), targets, macs, neighbours), NOW
        resources = {r.name: r for r in self.settings.group.resources}
        node.runs = [Run(COUNT + op, name, resources[which], what, 0, time(late)) for op, which, what, late in runs]
        node.events = [self._get_event(code, number) for code in events]
        node.inbox = [(NOW + at, self.beats.get(beat, 1 - number, NOW)) for at, beat in inbox]

    def _get_event(self, code: Code, number: int) -> Event:
        kind, *rest = code
        mac = self.settings.mac(1 - number)
        if kind == "done":
            return Done(COUNT + rest[0], rest[1])
        if kind == "seen":
            return Seen("eth0", VIP, mac, "probe", NOW)
        begun, ended, ips, neighbours = rest
        return Probed(COUNT, NOW + begun, NOW + ended, tuple(Sighting(ip, mac, True) for ip in ips), neighbours)


def _engine(node: Node) -> Engine:
    assert node.engine is not None
    return node.engine


def _heart(node: Node) -> Heart:
    assert node.heart is not None
    return node.heart


def _put_life(key: tuple[int, int, int], life: Life, now: int) -> Code:
    """However old, its number is below that of a beat that still waits to be heard."""
    known = (OLD + 1) * SEQS - 1
    return key[0] - LIFE, max(life.seq - now // TICK * SEQS, -known), age(life.heard_ns, now, DEAD)


def _put_run(run: Run, now: int, ops: int) -> Code:
    late = max(run.not_after_ns - now, -TICK) if run.not_after_ns else None
    return run.op - ops, run.resource.name, run.operation, late


def _put_event(event: Event, now: int, ops: int) -> Code:
    """One that waits for a stopped daemon."""
    match event:
        case Done(op, outcome):
            return "done", op - ops, outcome
        case Seen():
            return ("seen",)
        case Probed(_, begun, ended, answers, neighbours):
            ago = (max(at - now, -OLD * TICK) for at in (begun, ended))
            return "probed", *ago, tuple(s.ip for s in answers), neighbours
    raise AssertionError(event)
