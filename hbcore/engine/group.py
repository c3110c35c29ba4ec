"""One resource group on this node: its token and the order in which its resources start and stop.

Owns the token's life (safety.md 2) and the start / stop sequence; whether to start or stop is decided elsewhere.
Invariant: release raises the epoch and comes only after every resource is known to be stopped; a stop that cannot be
shown to have worked blocks the group and keeps the token. Must not know the peer, the network or time's passing by
itself.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from enum import StrEnum

from hbcore.engine.beat import Stand, State
from hbcore.engine.config import SECOND, GroupDef, Weight
from hbcore.engine.effects import Note, Run, StoredGroup
from hbcore.engine.events import Done, GroupFacts, Outcome
from hbcore.engine.member import AFTER_STOP, FAILED, MONITOR, STATUS_RETRY_NS, Member, Res
from hbcore.engine.probing import Probing

UNSEEN = "host-unseen"  # code of GroupFacts.problem
STOP_RETRY_NS = SECOND
CONFLICT_OVER_NS = 10 * SECOND  # so long without a sign of the foreign holder, and the conflict is over
STOP_RETRIES = 10  # heartbeat: one stop and ten more, a second apart


class Phase(StrEnum):
    PROBING = "probing"  # asking what runs here already
    FOUND = "found"  # it ran when the daemon came; the right to it is not proved yet
    IDLE = "idle"  # nothing of it runs
    CLAIMING = "claiming"
    STARTING = "starting"
    RUNNING = "running"
    MENDING = "mending"  # a resource failed by itself: it and all behind it stop, then start again
    SHUT = "shut"  # lapsed: addresses off, waiting for proof or the end of D
    STOPPING = "stopping"
    BLOCKED = "blocked"  # a stop did not work


class Then(StrEnum):
    """What follows a complete stop."""

    KEEP = "keep"  # the operator wants it stopped: the token stays
    RELEASE = "release"
    YIELD = "yield"  # the peer holds already
    STAY_SHUT = "stay-shut"  # lapse: only the addresses go first


STATES = {
    Phase.PROBING: State.UNKNOWN,
    Phase.FOUND: State.STARTED,
    Phase.IDLE: State.STOPPED,
    Phase.CLAIMING: State.STOPPED,
    Phase.STARTING: State.STARTING,
    Phase.RUNNING: State.STARTED,
    Phase.MENDING: State.STARTING,
    Phase.SHUT: State.STOPPING,
    Phase.STOPPING: State.STOPPING,
    Phase.BLOCKED: State.BLOCKED,
}


@dataclass(slots=True)
class Token:
    """`confirmed`: the right was proved since this boot; a stored token alone starts nothing."""

    epoch: int = 0
    mine: bool = False
    confirmed: bool = False


@dataclass(slots=True)
class Group:
    """`released`: my last word about it was a release nobody took yet. `left_until_ns`: so long it is the peer's to
    take. `barrier`, `release_barrier`: numbers of the
    Persist that its start, its release wait for (0 = none). `settled`: alone for long enough, with control ok (O7).
    `licence`: by what its right came here: a claim's row, "release", "bye", "found" or "stored". `contested`: the
    peer held it too. `unplanned`: this node took it because the peer was lost. `written`: the definition of this
    node's files, `digest` its own; `definition`: the one it runs by. `cleared`: version of the operator's last
    clear that was obeyed. `number`: its name in beats. `peer_without_ns`: since when the peer says that it has not got
    it, nor is stopping it (0 = it does not say so).
    """

    definition: GroupDef
    deadtime_ns: int
    token: Token = field(default_factory=Token)
    members: list[Member] = field(default_factory=list)
    phase: Phase = Phase.PROBING
    then: Then = Then.KEEP
    why: tuple[str, tuple[tuple[str, str], ...]] = ("", ())
    row: str = ""
    licence: str = ""
    facts: GroupFacts = field(default_factory=lambda: GroupFacts("", problem=UNSEEN))
    agreed: GroupDef | None = None
    failed: bool = False
    manual: bool = False
    cleared: int = 0
    failbacks: tuple[int, ...] = ()
    released: bool = False
    left_until_ns: int = 0
    unplanned: bool = False
    barrier: int = 0
    barrier_ns: int = 0
    release_barrier: int = 0
    held_epoch: int = 0
    claim_ns: int = 0
    backoff_ns: int = 0
    lapsed_ns: int = 0
    opened_ns: int = 0
    passed_ns: int = 0
    shutting: bool = False
    isolated_ns: int = 0
    conflict_ns: int = 0
    conflict_mac: str = ""
    since_ns: int = 0
    peer_can_since_ns: int = 0
    peer_control_beats: int = 0
    peer_control_ns: int = 0
    peer_without_ns: int = 0
    settled: bool = False
    contested: bool = False
    notes: list[Note] = field(default_factory=list)
    probing: Probing = field(init=False)
    written: GroupDef = field(init=False)
    number: int = field(init=False)
    digest: int = field(init=False)

    def __post_init__(self) -> None:
        self.written = self.definition
        self.number, self.digest = zlib.crc32(self.name.encode()), self.written.digest()
        self.use(self.written)

    def use(self, definition: GroupDef) -> None:
        """Run by this definition; resources of the same name keep their state. What the host said was of another one:
        until it looked again nothing starts, so pulse's places and the gates are always those of what runs.
        """
        kept = {m.resource.name: m for m in self.members}
        self.definition = definition
        self.members = [kept.get(r.name, Member(r)) for r in definition.resources]
        for member, resource in zip(self.members, definition.resources, strict=True):
            member.resource = resource
        self.probing = Probing(tuple(a.ip for a in definition.addresses), self.deadtime_ns)
        self.facts = replace(self.facts, problem=UNSEEN)

    @property
    def definitions(self) -> tuple[GroupDef, ...]:
        """All that may run here, the one in use first."""
        return tuple(d for d in (self.definition, self.written, self.agreed) if d is not None)

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def light(self) -> bool:
        return self.definition.weight is Weight.LIGHT

    @property
    def gated(self) -> bool:
        """The kernel's guard has its addresses. Heavy ones go on unmanaged rather than silent (safety.md 6)."""
        return self.definition.gated

    @property
    def owner(self) -> bool:
        return self.token.mine and self.token.confirmed

    @property
    def holding(self) -> bool:
        """Its lease is kept: mine by right, or found running (also while that is being claimed)."""
        if self.owner:
            return self.phase is not Phase.IDLE
        return self.phase is Phase.FOUND or (self.phase is Phase.CLAIMING and bool(self.running_members()))

    @property
    def standing(self) -> tuple[object, ...]:
        """What of its own the table's inputs are made of."""
        return self.token.epoch, self.token.mine, self.token.confirmed, self.settled

    @property
    def busy(self) -> bool:
        """A monitor holds nothing up: who starts or stops a resource ends the question."""
        return any(m.op and m.operation != MONITOR for m in self.members)

    @property
    def ailing(self) -> bool:
        """It runs, and something in it failed."""
        return self.phase is Phase.RUNNING and any(m.state is Res.FAILED for m in self.members)

    @property
    def stand(self) -> Stand:
        """A release is said only after the disk has it."""
        if self.owner or self.release_barrier or self.phase is Phase.FOUND:
            return Stand.HOLDS
        if self.phase is Phase.CLAIMING:
            return Stand.CLAIMS
        return Stand.RELEASED if self.released else Stand.NONE

    @property
    def shown_epoch(self) -> int:
        return self.held_epoch if self.release_barrier else self.token.epoch

    @property
    def state(self) -> State:
        if self.phase is Phase.IDLE and self.failed:
            return State.FAILED
        return STATES[self.phase]

    def stored(self) -> StoredGroup:
        used = None if self.definition == self.written else self.definition
        return StoredGroup(
            self.name, self.token.epoch, self.token.mine, self.failed, self.failbacks, self.manual, self.agreed, used
        )

    def note(self, code: str, severity: str = "info", kind: str = "other", **args: str) -> None:
        self.notes.append(Note(code, (("group", self.name), *args.items()), severity, kind, self.name))

    def conflict(self, now_ns: int, mac: bytes) -> None:
        """A foreign machine says that it has an address of ours; told when it begins, alarmed while it lasts."""
        text = mac.hex(":")
        if text != self.conflict_mac or now_ns - self.conflict_ns >= CONFLICT_OVER_NS:
            self.note("vip-conflict", "error", "failure", mac=text, ip=", ".join(self.probing.ips))
        self.conflict_ns, self.conflict_mac = now_ns, text

    # -- sequences -----------------------------------------------------------------------------------------------------

    def enter(self, phase: Phase, now_ns: int) -> None:
        if phase is not self.phase:
            self.phase, self.since_ns = phase, now_ns

    def settle_idle(self, now_ns: int) -> None:
        """Back to rest: what was found running stays found."""
        self.enter(Phase.FOUND if self.running_members() else Phase.IDLE, now_ns)

    def begin_start(self, now_ns: int) -> None:
        self.lapsed_ns = self.isolated_ns = 0
        self.opened_ns, self.shutting = now_ns, False
        self.enter(Phase.STARTING, now_ns)

    def begin_mending(self, now_ns: int) -> None:
        """Stop what failed and all that started after it, then start again; the right to the group stays."""
        for member in self.members:
            member.tries, member.retry_ns = 0, 0
        self.enter(Phase.MENDING, now_ns)

    def begin_stop(self, now_ns: int, then: Then, code: str, **args: str) -> None:
        """Stop all, in order; where `code` says so the addresses go at once, whatever else is under way."""
        self.then, self.why = then, (code, tuple(args.items()))
        self.shutting = self.shutting or code in ADDRESSES_FIRST
        for member in self.members:
            member.tries, member.retry_ns = 0, 0
        self.enter(Phase.SHUT if then is Then.STAY_SHUT else Phase.STOPPING, now_ns)

    def advance(self, now_ns: int, next_op: int, *, persisted: int, wait_ns: int, not_after_ns: int) -> list[Run]:
        """The operations that are due now. `next_op`: first free number; `wait_ns`: how long a disk may take."""
        asks = [m for m in self.members if m.operation == AFTER_STOP and not m.op]
        if asks:
            return [self._ask(m, "status", next_op + k) for k, m in enumerate(asks)]
        if self.phase is Phase.PROBING:
            due = [m for m in self.members if m.state is Res.UNKNOWN and not m.op and now_ns >= m.retry_ns]
            return [self._ask(m, "status", next_op + k) for k, m in enumerate(due)]
        if self.phase is Phase.STARTING:
            if self.barrier > persisted and now_ns - self.barrier_ns < wait_ns:
                return []
            return self._next_start(now_ns, next_op, not_after_ns)
        if self.phase is Phase.RUNNING:
            due = [m for m in self.members if m.monitor_ns and now_ns >= m.monitor_ns and not m.op]
            return [self._ask(m, MONITOR, next_op + k) for k, m in enumerate(due)]
        if self.phase is Phase.MENDING:
            return self._mend(now_ns, next_op)
        if self.phase in (Phase.STOPPING, Phase.SHUT, Phase.BLOCKED):
            return self._shut(now_ns, next_op) or self._next_stop(now_ns, next_op)
        return []

    def _next_start(self, now_ns: int, next_op: int, not_after_ns: int) -> list[Run]:
        member = next((m for m in self.members if m.state is not Res.STARTED), None)
        if member is None:
            self.enter(Phase.RUNNING, now_ns)
            self.failed = False
            for one in self.members:
                one.plan_monitor(now_ns, first=True)
            self.note("group-started", kind="start")
            return []
        if self.busy:
            return []
        member.state, member.since_ns = Res.STARTING, now_ns
        return [self._run(member, "start", member.resource.care.start_ns, next_op, not_after_ns)]

    def _mend(self, now_ns: int, next_op: int) -> list[Run]:
        """From the last back to the first that failed; then all is started that is not. Addresses stay: no client is
        better off without, and a gate that was lifted asks for a new right.
        """
        ours = [m for m in self.members if m.resource.agent != "address"]
        first = next((n for n, m in enumerate(ours) if m.state not in (Res.STARTED, Res.STOPPED)), None)
        if first is None:
            self.enter(Phase.STARTING, now_ns)
            return []
        member = next(m for m in reversed(ours[first:]) if m.state is not Res.STOPPED)
        return [] if self.busy or now_ns < member.retry_ns else [self._stop(member, now_ns, next_op)]

    def _shut(self, now_ns: int, next_op: int) -> list[Run]:
        """All addresses off at once, beside a script that takes its time and in a blocked group, too."""
        if not self.shutting:
            return []
        due = [m for m in self.members if m.resource.agent == "address" and m.state is not Res.STOPPED and not m.op]
        return [self._stop(m, now_ns, next_op + k) for k, m in enumerate(due) if now_ns >= m.retry_ns]

    def _next_stop(self, now_ns: int, next_op: int) -> list[Run]:
        if self.busy or self.phase is not Phase.STOPPING:
            return []
        member = next((m for m in reversed(self.members) if m.state is not Res.STOPPED), None)
        return [self._stop(member, now_ns, next_op)] if member is not None and now_ns >= member.retry_ns else []

    def _stop(self, member: Member, now_ns: int, op: int) -> Run:
        member.state, member.since_ns = Res.STOPPING, now_ns
        return self._run(member, "stop", member.resource.care.stop_ns, op)

    @property
    def stopped(self) -> bool:
        return not self.busy and all(m.state is Res.STOPPED for m in self.members)

    def next_ns(self) -> int:
        """When a retry or a monitor is due, 0 = none."""
        due = [m.retry_ns for m in self.members if m.retry_ns and not m.op]
        if self.phase is Phase.RUNNING:
            due += [m.monitor_ns for m in self.members if m.monitor_ns and not m.op]
        return min(due, default=0)

    def _ask(self, member: Member, operation: str, op: int) -> Run:
        """Its status, under the name that tells later what the answer is for."""
        run = self._run(member, "status", member.resource.care.status_ns, op)
        member.operation = operation
        return run

    def _run(self, member: Member, operation: str, timeout_ns: int, op: int, not_after_ns: int = 0) -> Run:
        member.op, member.operation = op, operation
        return Run(op, self.name, member.resource, operation, timeout_ns, not_after_ns)

    def done(self, now_ns: int, event: Done) -> bool:
        """Take an operation's result; False where it is not one of mine."""
        member = next((m for m in self.members if m.op and m.op == event.op), None)
        if member is None:
            return False
        member.op, member.detail = 0, event.detail or member.detail
        DONE[member.operation](self, now_ns, member, event)
        return True

    def _status_done(self, now_ns: int, member: Member, event: Done) -> None:
        if self.phase in (Phase.STOPPING, Phase.SHUT, Phase.BLOCKED, Phase.MENDING):  # asked after a stop that failed
            if event.outcome is Outcome.STOPPED:
                member.set(Res.STOPPED, now_ns)
            else:
                self._stop_again(now_ns, member)
            return
        member.proved = member.proved or event.outcome is Outcome.RUNNING
        known = {Outcome.RUNNING: Res.STARTED, Outcome.STOPPED: Res.STOPPED}.get(event.outcome, Res.UNKNOWN)
        member.set(known, now_ns)
        member.retry_ns = now_ns + STATUS_RETRY_NS if known is Res.UNKNOWN else 0
        if known is Res.UNKNOWN:
            self.note("status-unknown", "warning", "failure", resource=member.resource.name, detail=event.detail)

    def _monitor_done(self, now_ns: int, member: Member, event: Done) -> None:
        member.plan_monitor(now_ns)
        if self.phase is not Phase.RUNNING or member.state is not Res.STARTED:
            return
        if code := member.monitored(now_ns, event):
            count = {"count": str(member.failures)} if code == FAILED else {}
            severity = "error" if code == FAILED else "warning"
            self.note(code, severity, "failure", resource=member.resource.name, **count, detail=event.detail)
        self.failed = self.failed or member.spent

    def _start_done(self, now_ns: int, member: Member, event: Done) -> None:
        member.start_took_ns = event.took_ns
        if event.outcome is Outcome.OK:
            member.set(Res.STARTED, now_ns)
            return
        if event.outcome is Outcome.LATE:
            member.set(Res.STOPPED, now_ns)
            if self.phase is Phase.STARTING:
                self.begin_stop(now_ns, Then.RELEASE, "start-too-late", resource=member.resource.name)
            return
        member.set(Res.FAILED, now_ns)
        member.failures += 1
        self.failed = True
        self.note("start-failed", "error", "failure", resource=member.resource.name, detail=event.detail)
        if self.phase is Phase.STARTING:
            self.begin_stop(now_ns, Then.RELEASE, "start-failed", resource=member.resource.name, detail=event.detail)

    def _stop_done(self, now_ns: int, member: Member, event: Done) -> None:
        member.stop_took_ns = event.took_ns
        if event.outcome is Outcome.OK:
            member.set(Res.STOPPED, now_ns)
            return
        member.failures += 1
        self.note("stop-failed", "error", "failure", resource=member.resource.name, detail=event.detail)
        member.set(Res.UNKNOWN, now_ns)
        member.operation = AFTER_STOP  # ask what is true before trying again, as heartbeat's ResourceManager did

    def _stop_again(self, now_ns: int, member: Member) -> None:
        member.tries += 1
        member.set(Res.FAILED, now_ns)
        member.retry_ns = now_ns + STOP_RETRY_NS
        if member.tries > STOP_RETRIES and self.phase is not Phase.BLOCKED:
            self.enter(Phase.BLOCKED, now_ns)
            self.note("stop-blocked", "error", "failure", resource=member.resource.name)

    def probed(self) -> bool:
        return all(m.state is not Res.UNKNOWN for m in self.members)

    def running_members(self) -> list[Member]:
        return [m for m in self.members if m.state is Res.STARTED]

    def address_gone(self, ip: str, now_ns: int) -> bool:
        """Somebody took an address of a running group off; it starts again in its place."""
        for member in self.members:
            if member.resource.address and member.resource.address.ip == ip and member.state is Res.STARTED:
                member.set(Res.STOPPED, now_ns)
                if self.phase is Phase.RUNNING:
                    self.enter(Phase.STARTING, now_ns)
                return True
        return False


ADDRESSES_FIRST = frozenset({"lapsed", "yielded", "one-way-claim", "isolated"})
DONE = {
    "status": Group._status_done,
    MONITOR: Group._monitor_done,
    "start": Group._start_done,
    "stop": Group._stop_done,
}
