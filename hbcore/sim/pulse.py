"""Simulated pulse: the real Heart, its sockets' queues, and the carrying out of its effects as pulse's loop does it.

Owns the process from its birth to its end. Invariant: while it is stopped its queues fill; on waking it goes on in the
middle of what it did, then reads all that is queued, and only then looks at the time. Must not know faults.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hbcore.engine.beat import Beat
from hbcore.engine.config import SECOND
from hbcore.engine.effects import Hold, Prove, Say
from hbcore.engine.events import Answered
from hbcore.engine.heart import Heart
from hbcore.engine.leases import Answer, Swap, Ticket, renewal
from hbcore.engine.pulse_effects import AskPing, PulseEffect, Rebuild, Refresh, Renew, Send, Shut, TakeOff, Tell

if TYPE_CHECKING:
    from hbcore.sim.machine import Machine

NEVER = 1 << 62
HANG_KILL_NS = 10 * SECOND  # pulse.loop
INBOX = 4096  # datagrams a socket keeps
REPLAYED = 64  # beats taken that somebody may send again
Steps = Generator[Ticket | Swap, tuple[Answer, int], Answer]


@dataclass(slots=True)
class Halted:
    """A renewal that was stopped between its ticket and its swap (before its second step, whatever that is), and what
    was to follow it.
    """

    steps: Steps
    step: Ticket | Swap
    renew: Renew
    rest: list[PulseEffect]


class Pulse:
    """`due`: when its timer goes (true time). `seen_ns`: when the daemon last showed life (the machine's clock)."""

    def __init__(self, machine: Machine, *, nonce: int, generation: int) -> None:
        self.machine = machine
        config, kernel = machine.config, machine.kernel
        self.born_ns = machine.now
        self.heart = Heart(
            me=machine.number, cluster=config.cluster_id, incarnation=kernel.incarnation, generation=generation,
            nonce=nonce, timing=config.timing, pings=config.pings, now_ns=machine.now, resumed=generation > 0,
            guard="" if kernel.capable else "EOPNOTSUPP",
        )  # fmt: skip
        self.due = NEVER
        self.seen_ns = machine.now
        self.taken: deque[tuple[str, Beat]] = deque(maxlen=REPLAYED)
        self.pause_ns = 0  # the next renewal is stopped this long between its ticket and its swap
        self.halted: Halted | None = None
        self._beats: deque[tuple[str, int, Beat]] = deque(maxlen=INBOX)
        self._answers: deque[Answered] = deque(maxlen=INBOX)

    @property
    def alive(self) -> bool:
        """It was not replaced or ended meanwhile."""
        return self.machine.pulse is self

    # -- what comes in -------------------------------------------------------------------------------------------------

    def arrive(self, link: str, beat: Beat) -> None:
        """A datagram is in the socket's queue."""
        self._beats.append((link, self.machine.now, beat))
        self._wake()

    def pinged(self, ping: str, sent_ns: int) -> None:
        self._answers.append(Answered(ping, sent_ns, self.machine.now))
        self._wake()

    def _wake(self) -> None:
        if self.machine.awake and not self.machine.still and self.halted is None:
            self._read()
            self.machine.pump()
            self.timer()

    def _read(self) -> None:
        while self._beats:
            link, at_ns, beat = self._beats.popleft()
            _, tell = self.heart.hear(link, at_ns, beat)
            if tell is not None:
                self.taken.append((link, beat))
                self.machine.to_daemon(tell.event)
        while self._answers:
            self.machine.to_daemon(self.heart.answered(self._answers.popleft()).event)

    def obey(self, message: Say | Hold | Prove) -> None:
        self.seen_ns = self.machine.now
        self.do(self.heart.obey(self.machine.now, message))

    def timer(self) -> None:
        machine = self.machine
        if not machine.awake or machine.still or self.halted is not None or not self.alive:
            return
        now = machine.now
        self.do(self.heart.timer(now))
        if self.alive and machine.awake:
            self.due = machine.true(self.heart.next_deadline(now)) + 1
            if now - self.seen_ns > HANG_KILL_NS:
                self.seen_ns = now
                machine.kill_daemon()
        machine.pump()

    def lose_queue(self) -> None:
        """The machine was paused: what came meanwhile is lost."""
        self._beats.clear()

    def go_on(self) -> None:
        """After a stop."""
        if self.halted is not None:
            halted, self.halted = self.halted, None
            self._finish(halted.steps, halted.step, halted.renew)
            self.do(halted.rest)
        if self.alive:
            self._wake()

    # -- what it does --------------------------------------------------------------------------------------------------

    def do(self, effects: list[PulseEffect]) -> None:
        machine = self.machine
        for at, effect in enumerate(effects):
            if not self.alive:
                return
            match effect:
                case Send(beat):
                    machine.world.send(machine, beat)
                case AskPing(name):
                    machine.world.ping(machine, name)
                case Tell(event):
                    machine.to_daemon(event)
                case Renew():
                    if not self._renew(effect, effects[at + 1 :]):
                        return
                case Rebuild():
                    self.do(self.heart.leases.rebuilt(machine.now, machine.kernel.install(machine.gated())))
                case Refresh():
                    pass  # the slow second layer is not simulated: runs must be right without it
                case Shut(groups):
                    for group in groups:
                        machine.kernel.shut(group)
                case TakeOff(groups):
                    for group in groups:
                        machine.kernel.shut(group)
                        for ip in sorted(machine.world.ips[group]):
                            machine.remove_address(ip)

    def _renew(self, renew: Renew, rest: list[PulseEffect]) -> bool:
        """False where this process was stopped in between."""
        machine = self.machine
        if renew.fresh:
            machine.kernel.install([renew.group])
        steps = renewal(renew, machine.lease.ticket_ns)
        step = self._step(steps, next(steps), renew)
        if step is None or not self.pause_ns:
            self._finish(steps, step, renew)
            return True
        length_ns, self.pause_ns = self.pause_ns, 0
        self.halted = Halted(steps, step, renew, rest)
        machine.freeze()
        machine.world.later(length_ns, lambda: machine.thaw() if machine.frozen and self.alive else None)
        return False

    def _step(self, steps: Steps, step: Ticket | Swap, renew: Renew) -> Ticket | Swap | None:
        """The kernel does this one; the next, or None where the renewal is over."""
        machine, kernel = self.machine, self.machine.kernel
        match step:
            case Ticket(timeout_ns):
                answer = kernel.ticket(renew.group, machine.now, timeout_ns)
            case Swap(remaining_ns, fresh):
                answer = kernel.swap(renew.group, machine.now, remaining_ns, fresh=fresh)
                if answer is Answer.DONE:
                    machine.world.judge.gate(machine, renew)
        try:
            return steps.send((answer, machine.now))
        except StopIteration as done:
            self._renewed(renew, done.value)
            return None

    def _finish(self, steps: Steps, step: Ticket | Swap | None, renew: Renew) -> None:
        while step is not None:
            step = self._step(steps, step, renew)

    def _renewed(self, renew: Renew, answer: Answer) -> None:
        if answer is Answer.LAPSED:
            self.machine.world.judge.count("renewals refused")
        self.do(self.heart.gated(self.machine.now, renew, answer))

    def guard_changed(self) -> None:
        """The kernel says that somebody changed its rules."""
        if not self.machine.kernel.guard:
            self.do(self.heart.leases.lost(self.machine.now))
            self.machine.pump()
