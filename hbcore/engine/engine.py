"""The daemon's engine: step(now_ns, event) -> effects.

Owns the funnel every fact goes through, the persist barrier, and what pulse is told. Decisions live in classic,
placement and planner. Invariant: the same configuration, stored state and events give the same effects, in any process.
Must not know clocks, files, sockets, processes or sentences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from hbcore.engine import classic, planner, senses, speech
from hbcore.engine.beat import Verdict, Words
from hbcore.engine.config import SECOND, ClusterConfig, GroupDef
from hbcore.engine.effects import Announce, Effect, Gone, Hold, Note, Persist, Say, Stored
from hbcore.engine.events import Asked, Done, Event, Persisted, Probed
from hbcore.engine.group import Group, Phase, Token
from hbcore.engine.lease import lease_of
from hbcore.engine.peer import Path, PeerView
from hbcore.engine.rules import RuleBook
from hbcore.engine.table import Peer
from hbcore.engine.world import PERSIST_WAIT_NS, World

TRACE = 1024
ROUNDS = 6  # evaluations that may follow from one event before it must have settled
OWNER_PROBE_NS = 2 * SECOND  # how often an owner asks whether anybody else has its address
HEALTHY_PROBE_NS = 10 * SECOND  # how often the other one asks whether it could see the owner's address at all
UNABLE_DEADTIMES = 4  # as seldom asks who may not start it: a question holds a rival back for one


class Engine:
    """`born_ns`: when this node's pulse began to listen; `heard_ns`: when it last heard the peer (0 = never);
    `asked_ns`: Heart.asked_ns.

    `resumed`: this is a new daemon under a pulse that went on, so a failed start is remembered and nothing is new.
    """

    def __init__(
        self, config: ClusterConfig, me: str, stored: Stored, now_ns: int, *,
        born_ns: int = 0, heard_ns: int = 0, asked_ns: Mapping[str, int] | None = None, resumed: bool = False,
        version: str = "",
    ) -> None:  # fmt: skip
        lease = lease_of(config.timing)
        paths = {link.name: Path(link.name, link.media.value) for link in config.links}
        peer = PeerView(config.peer_of(me), config.timing, lease, born_ns or now_ns, paths, heard_ns)
        peer.began_ns = now_ns
        kept = {g.name: g for g in stored.groups}
        groups = {}
        for definition in config.groups:
            group = Group(definition, lease.deadtime_ns)
            if old := kept.get(definition.name):
                group.token = Token(old.epoch, old.mine)
                group.failed = old.failed and resumed
                group.failbacks, group.manual, group.agreed = old.failbacks, old.manual, old.agreed
                if resumed and old.used is not None:  # what runs is asked, kept and stopped by what it was started by
                    group.use(old.used)
            group.cleared = max(
                (r.version for r in stored.rules if (r.kind, r.subject) == ("clear", group.name)), default=0
            )
            groups[definition.name] = group
        self.world = World(me, config, lease, peer, groups, RuleBook(stored.rules), version=version)
        self.world.peer_macs, self.world.peer_bases = stored.peer_macs, stored.peer_bases
        self.world.former_macs = stored.own_macs
        self.world.answered = dict(asked_ns or {})
        for name in config.pings:
            self.world.ask(name, now_ns)
        self.tickets: dict[int, planner.Ticket] = {}
        self.generation = 0
        self.trace: deque[tuple[int, Event]] = deque(maxlen=TRACE)
        self._stored = stored
        self._persists = self._persisted = 0
        self._ops = 0
        self._probes = 0
        self._said: Words | None = None
        self._said_ns = 0
        self._hold = Hold(())
        self._gone = False
        self._peer_was = peer.state(now_ns)
        self._shape: object = None
        self._deadline_ns = self._look_ns = now_ns

    # -- the funnel ----------------------------------------------------------------------------------------------------

    def step(self, now_ns: int, *events: Event) -> list[Effect]:
        """Take what happened; return what is to be done, in order.

        All that waits is given at once: nobody is judged before everything queued was read (design 4), or a daemon that
        was stopped for a while would call a peer lost on the oldest of its beats.
        """
        out: list[Effect] = []
        if now_ns - self._deadline_ns > self.world.lease.deadtime_ns // 2:  # this daemon was stopped, and not told yet
            senses.lengthen(self.world, self._deadline_ns, now_ns)
        concerned: dict[str, Group] = {}
        for event in events:
            self.trace.append((now_ns, event))
            concerned |= self._concerned(event)
            self._take(now_ns, event, out)
        planner.obey_clears(self.world, now_ns)
        deaf = self.world.deaf(now_ns)
        if deaf:
            senses.lengthen(self.world, self.world.listened_ns, now_ns)
        for _ in range(0 if deaf else ROUNDS):
            before = self._signature()
            for group in concerned.values():
                classic.evaluate(self.world, group, now_ns)
            self._persist(now_ns, out)
            self._advance(now_ns, out)
            if self._signature() == before:
                break
        if not deaf:  # an owner that cannot renew must not look like a rival, whose questions hold the other back
            self._look(now_ns, out)
        self._tell_pulse(now_ns, out)
        self._leave(now_ns, out)
        self._note_peer(now_ns)
        self._notes(out)
        planner.settle(self.world, self.tickets, now_ns)
        self._publish(now_ns)
        self._deadline_ns = self._next(now_ns)
        return out

    def _concerned(self, event: Event) -> dict[str, Group]:
        """The groups an event can be news for: the results of one operation or probe are about its own only."""
        groups = self.world.groups
        match event:
            case Done(op):
                return {name: g for name, g in groups.items() if any(m.op == op for m in g.members)}
            case Probed(probe):
                return {name: g for name, g in groups.items() if g.probing.asked == probe}
            case _:
                return groups

    @property
    def definitions(self) -> tuple[GroupDef, ...]:
        """What the groups run by here now; the host is looked at, guarded and refreshed by these."""
        return tuple(group.definition for group in self.world.groups.values())

    def next_deadline(self) -> int:
        """When to send a Tick at the latest (ns)."""
        return self._deadline_ns

    def plan(self, now_ns: int, order: planner.Order) -> planner.Plan:
        """What an order would do now; nothing changes."""
        return planner.plan(self.world, order, now_ns)

    def ask(self, now_ns: int, order: planner.Order, event: Asked) -> tuple[planner.Plan, list[Effect]]:
        """Plan an order and run that plan, unless it is refused."""
        plan = self.plan(now_ns, order)
        if plan.refused:
            return plan, []
        return plan, self.step(now_ns, event)

    def _take(self, now_ns: int, event: Event, out: list[Effect]) -> None:
        match event:
            case Persisted(number, error):
                self._persisted = max(self._persisted, number)
                if error:
                    self.world.notes.append(Note("persist-failed", (("error", error),), "error", "failure"))
            case Asked():
                planner.run(self.world, self.tickets, event, now_ns)
            case _:
                out.extend(senses.take(self.world, event, now_ns))

    # -- effects -------------------------------------------------------------------------------------------------------

    def _persist(self, now_ns: int, out: list[Effect]) -> None:
        """Write what changed; whoever waits for the disk waits for this number."""
        stored = self.world.stored()
        groups = self.world.groups.values()
        if stored != self._stored or any(-1 in (g.barrier, g.release_barrier) for g in groups):
            self._stored = stored
            self._persists += 1
            out.append(Persist(self._persists, stored))
            for group in groups:
                if group.barrier == -1:
                    group.barrier = self._persists
                if group.release_barrier == -1:
                    group.release_barrier = self._persists
        for group in groups:
            waited = now_ns - group.barrier_ns >= PERSIST_WAIT_NS
            if group.release_barrier > 0 and (group.release_barrier <= self._persisted or waited):
                group.release_barrier = 0

    def _advance(self, now_ns: int, out: list[Effect]) -> None:
        not_after_ns = now_ns + self.world.lease.lease_ns
        for group in self.world.groups.values():
            runs = group.advance(
                now_ns, self._ops + 1, persisted=self._persisted, wait_ns=PERSIST_WAIT_NS, not_after_ns=not_after_ns
            )
            self._ops += len(runs)
            out.extend(runs)
            if group.name in self.world.announce:
                self.world.announce.discard(group.name)
                out.extend(Announce(group.facts.device, ip) for ip in group.probing.ips)

    def _look(self, now_ns: int, out: list[Effect]) -> None:
        """Probe while the peer is not heard in time; now and then while it is, to know that probing works."""
        world, lease = self.world, self.world.lease
        state = world.peer.state(now_ns)
        self._look_ns = now_ns + HEALTHY_PROBE_NS
        suspect = state is not Peer.TWO_WAY or world.peer.silent_ns(now_ns) >= 2 * lease.keepalive_ns
        for group in world.groups.values():
            if self._mute(group, now_ns):
                continue
            probing = group.probing
            at_work = group.owner and group.phase is not Phase.IDLE
            unable = not group.holding and not classic.may_start(world, group, now_ns)
            calm = self._proved(group, now_ns) if at_work else unable or not suspect
            pace_ns = OWNER_PROBE_NS if group.owner else HEALTHY_PROBE_NS
            if unable:  # it would hold back a claim of the other with each question
                pace_ns = max(pace_ns, UNABLE_DEADTIMES * lease.deadtime_ns)
            if not calm and not suspect:
                pace_ns = lease.lease_ns // 2  # a spare proof for the lease, should a beat or two get lost
            due_ns = probing.round_begun_ns + pace_ns
            if (calm or not suspect) and now_ns < due_ns:
                self._look_ns = min(self._look_ns, due_ns)
                continue
            probe = probing.request(
                now_ns, self._probes + 1, group.facts.device, group.facts.source, world.peer_bases, world.member_macs,
                neighbours=not self._proved(group, now_ns),
            )  # fmt: skip
            if probe is not None:
                self._probes += 1
                out.append(probe)

    def _mute(self, group: Group, now_ns: int) -> bool:
        """It may not claim: it just released, or its control has not answered for long. A silence would prove nothing,
        and who asks looks like a rival.
        """
        if group.owner or group.holding:
            return False
        if now_ns < group.left_until_ns:
            return True
        control = self.world.controls.get(group.facts.control)
        if control is None or control.verdict(now_ns) is not Verdict.NO:
            return False
        return now_ns - control.silent_from_ns >= 2 * self.world.lease.deadtime_ns

    def _proved(self, group: Group, now_ns: int) -> bool:
        """A control that answers is proof enough; with one answer late, others are asked in time."""
        control = self.world.controls.get(group.facts.control)
        return control is None or now_ns < control.late_at_ns()

    def _tell_pulse(self, now_ns: int, out: list[Effect]) -> None:
        hold = Hold(speech.held(self.world), speech.unsure(self.world))
        if hold != self._hold:
            self._hold = hold
            out.append(hold)
        words = speech.words(self.world, now_ns)
        urgent = self._said is None or speech.weighty(words) != speech.weighty(self._said)
        if urgent or now_ns - self._said_ns >= self.world.lease.keepalive_ns * 4 // 5:
            self._said, self._said_ns = words, now_ns
            out.append(Say(words, urgent))

    def _leave(self, now_ns: int, out: list[Effect]) -> None:
        world = self.world
        if not world.leaving or self._gone:
            return
        groups = [g for g in world.groups.values() if g.phase is not Phase.BLOCKED]
        if any(g.phase is not Phase.IDLE or g.busy or g.release_barrier or g.owner for g in groups):
            return
        self._gone = True
        clean = len(groups) == len(world.groups)
        world.left = clean
        self._tell_pulse(now_ns, out)
        out.append(Gone(clean))

    def _note_peer(self, now_ns: int) -> None:
        """Say it when the peer is heard otherwise than before."""
        state, name = self.world.peer.state(now_ns), self.world.peer.name
        if state is not self._peer_was and not (state is Peer.ONE_WAY and self.world.peer.late(now_ns)):
            code, severity = PEER_NOTES[state]
            self.world.notes.append(Note(code, (("node", name),), severity, "node", name))
            self._peer_was = state

    def _notes(self, out: list[Effect]) -> None:
        out.extend(self.world.notes)
        self.world.notes.clear()
        for group in self.world.groups.values():
            out.extend(group.notes)
            group.notes.clear()

    # -- when and what changed -----------------------------------------------------------------------------------------

    def _signature(self) -> object:
        return [
            (g.phase, g.token.epoch, g.token.mine, g.token.confirmed, g.release_barrier, g.barrier, g.released,
             [(m.op, m.state) for m in g.members])
            for g in self.world.groups.values()
        ]  # fmt: skip

    def _publish(self, now_ns: int) -> None:
        """The generation moves when anything a plan could depend on moved."""
        world = self.world
        shape = (
            world.peer.state(now_ns), world.peer.words.mode, world.mode(now_ns), world.book.digest(),
            world.config_differs, [(g.phase, g.owner, g.failed, g.manual, g.row, world.cannot_peer(g, now_ns),
            g.token.epoch) for g in world.groups.values()],
        )  # fmt: skip
        if shape != self._shape:
            self._shape = shape
            self.generation += 1

    def _next(self, now_ns: int) -> int:
        world, lease = self.world, self.world.lease
        times = [now_ns + lease.keepalive_ns, self._look_ns]
        silent_at = world.peer.heard_ns + 2 * lease.keepalive_ns
        times += [t for t in (world.peer.lost_at_ns(), silent_at) if t > now_ns]
        for group in world.groups.values():
            control = world.controls.get(group.facts.control)
            if control is not None and group.holding and control.late_at_ns() > now_ns:
                times.append(control.late_at_ns())
            if group.phase is Phase.CLAIMING:
                times.append(group.claim_ns + lease.claim_ns)
            times += [t for t in (group.next_ns(), group.probing.next_ns) if t > now_ns]
        return max(min(times), now_ns + 1_000_000)


PEER_NOTES = {
    Peer.TWO_WAY: ("peer-two-way", "info"),
    Peer.ONE_WAY: ("peer-one-way", "warning"),
    Peer.LOST: ("peer-lost", "error"),
    Peer.BYE: ("peer-left-cleanly", "info"),
    Peer.NEVER: ("peer-never", "info"),
}
