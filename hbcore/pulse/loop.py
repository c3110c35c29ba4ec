"""Pulse's loop: reads everything, lets the Heart judge, sends.

Owns the sockets, the signals and the order "drain, then judge". Invariant: no decision is taken here and nothing waits:
a slow disk, a slow daemon or a slow name server cannot delay a beat. Must not know groups beyond their addresses.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hbcore.engine.config import SECOND, ClusterConfig
from hbcore.engine.effects import Hold, Prove, Say
from hbcore.engine.events import Answered, Guarded, Namesake, Stalled
from hbcore.engine.flows import Page
from hbcore.engine.heart import Heart
from hbcore.engine.keys import Keyring
from hbcore.engine.leases import Answer
from hbcore.engine.pulse_effects import AskPing, PulseEffect, Rebuild, Refresh, Renew, Send, Shut, TakeOff, Tell
from hbcore.host import clock, pipe, realtime
from hbcore.host.notify import Notifier
from hbcore.links.carriers import Carriers
from hbcore.links.ping import Pingers
from hbcore.links.wire import Reject
from hbcore.pulse.child import Child
from hbcore.pulse.counts import Counts
from hbcore.pulse.gates import Gates
from hbcore.pulse.lists import Lists
from hbcore.pulse.succession import Succession
from hbcore.words import say

HEIRS = frozenset({signal.SIGUSR1, signal.SIGUSR2})
BYES = 3
READ_AT_ONCE = 200  # datagrams: some ms of work
STALL_NS = 10_000_000
BYE_GAP_S = 0.02
HANG_KILL_NS = 10 * SECOND  # a daemon that showed no life for so long is ended, so that a new one can adopt
GIVE_UP_LEAVING_NS = 300 * SECOND


Reread = Callable[[], tuple[Keyring | None, list[pipe.Told]]]  # new keys or None, and what to tell


@dataclass(frozen=True, slots=True)
class Start:
    """What pulse starts from. `incarnation` stays over a restart of pulse alone, `generation` counts those. `told`:
    whether `node` is what somebody told it to be; else it is the machine's own name.
    """

    node: str
    config: ClusterConfig
    keys: Keyring
    config_dir: Path
    state_dir: Path
    runtime_dir: Path
    incarnation: int
    generation: int
    told: bool = True


class Pulse:
    """`run()` returns the exit status."""

    def __init__(
        self, start: Start, reread: Reread, inheritance: pipe.Inheritance | None = None, child: Child | None = None
    ) -> None:
        """`inheritance`: of a pulse that ended for this one, which brings a daemon that waits for its first message."""
        self._start = start
        self._keys = start.keys
        self._reread = reread
        now = clock.now_ns()
        config = start.config
        self._gates = Gates()
        self._nodes = sorted(config.nodes)
        self._heart = Heart(
            me=self._nodes.index(start.node),
            cluster=config.cluster_id,
            incarnation=start.incarnation,
            generation=start.generation,
            nonce=int.from_bytes(os.urandom(8), "big") or 1,
            timing=config.timing,
            pings=config.pings,
            now_ns=now,
            resumed=start.generation > 0,
            guard=self._gates.trouble,
        )
        self._born_ns = now
        self._links = Carriers(config, clock)
        self._lists = Lists(self._nodes.index(start.node), self._heart, self._links)
        six = any(":" in ip for name in config.pings for ip in config.asked(name))
        self._pinger = Pingers({group.name: group.members for group in config.ping_groups}, clock, six=six)
        self._child = child or Child(arguments(start))
        self._counts = Counts(config.timing.deadtime_ns)
        self._poll = select.poll()
        self._signals, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pending: set[int] = set()
        self._leaving_ns = 0
        self._daemon_seen_ns = now
        self._counted_ns = 0
        self._exit: int | None = None
        self._resumed = start.generation > 0
        self._realtime = ""
        self._manager = Notifier(
            successor=start.generation > 0 or inheritance is not None,
            silent=inheritance is not None and inheritance.managed,
        )
        self._ready = False  # this daemon was, once
        self._succession: Succession | None = None
        if inheritance is not None:
            self._inherit(inheritance, now)

    # -- life ----------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Raises LinkError where a link cannot be opened; everything later is counted or told, never raised."""
        self._links.open()
        self._pinger.open()
        self._realtime = realtime.schedule() or realtime.lock_memory()
        realtime.protect()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, *HEIRS):
            signal.signal(number, lambda n, _: self._pending.add(n))
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for fd in (self._links.fileno(), self._pinger.fileno(), self._signals):
            self._poll.register(fd, select.POLLIN)
        gc.collect()
        gc.freeze()
        self._birth(clock.now_ns())
        while self._exit is None:
            self._turn()
        self._links.close()
        return self._exit

    def _turn(self) -> None:
        now = clock.now_ns()
        deadline = min(self._heart.next_deadline(now), self._gates.next_ns())
        if self._child.pipe is None:
            deadline = min(deadline, max(self._child.due_ns, now))
        ready = {fd for fd, _ in self._poll.poll(max(0, -(-(deadline - now) // 1_000_000)))}
        now = clock.now_ns()
        stalled = now - deadline > STALL_NS  # then more may have come since the kernel was asked
        if stalled or self._links.fileno() in ready:
            self._hear()
        if stalled or self._pinger.fileno() in ready:
            self._hear_pings()
        if self._child.pipe is not None and (stalled or self._child.pipe.fileno() in ready):
            self._obey(self._child.pipe)
        if self._succession is not None and self._succession.pipe.fileno() in ready:
            self._hear_heir(self._succession)
        now = clock.now_ns()
        if self._gates.gone(now) and self._missing():
            self._carry_out(self._heart.leases.lost(now))
        self._handle_signals(now)
        self._carry_out(self._heart.timer(now))
        self._look_after_child(now)
        if now - self._counted_ns >= SECOND:
            self._counted_ns = now
            if self._child.pipe is not None:
                self._child.pipe.send(self._counts.told(self._links, self._realtime, self._heart, now))
            if self._ready and now - self._daemon_seen_ns < HANG_KILL_NS:
                self._manager.well(now)

    def _birth(self, now: int) -> None:
        """Start a daemon and tell it all it needs."""
        child = self._child.pipe
        if child is None:
            child = self._child.start(now)
        else:
            self._heart.daemon_came(now)
        self._poll.register(child.fileno(), select.POLLIN)
        self._daemon_seen_ns = now
        start = self._start
        child.send(
            pipe.Hello(
                pipe.VERSION, start.node, start.config, str(start.config_dir), self._born_ns,
                self._heart.silence_ns, self._heart.asked_ns, self._resumed, start.incarnation, start.generation,
                self._keys, dict(self._heart.released),
            )
        )  # fmt: skip
        self._resumed = True
        child.send(Guarded(self._heart.leases.guard))
        if self._heart.refused:
            child.send(Namesake(now, refused=True))
        self._lists.tell(child)
        if self._leaving_ns:
            child.send(pipe.Asked("leave"))
        if self._succession is not None:  # beside it a daemon died, perhaps for want of memory, and had not agreed
            self._tell_person("heir-dropped", "error")
            self._forget_heir(self._succession)

    def _look_after_child(self, now: int) -> None:
        if self._child.pipe is None:
            if self._succession is not None and self._succession.agreed:
                self._hand_over(self._succession)
            elif now >= self._child.due_ns:
                self._birth(now)
        elif now - self._daemon_seen_ns > HANG_KILL_NS:
            self._daemon_seen_ns = now
            self._child.kill()
        if self._leaving_ns and now - self._leaving_ns > GIVE_UP_LEAVING_NS:
            self._finish(1)

    # -- who comes after -----------------------------------------------------------------------------------------------

    def _succeed(self, *, managed: bool) -> None:
        """A new pulse, by the code and the files on the disk, is to go on in our place."""
        if self._succession is not None or self._leaving_ns or self._child.pipe is None:
            return
        try:
            self._succession = Succession(heirs_arguments(self._start), managed=managed)
        except OSError as error:
            self._tell_person("heir-failed", "error", error=error.strerror or "")
            return
        self._poll.register(self._succession.pipe.fileno(), select.POLLIN)

    def _hear_heir(self, succession: Succession) -> None:
        was = succession.ready
        if code := succession.heard(self._start.config.cluster_id, self._start.node):
            self._tell_person(code, "error")
            self._forget_heir(succession)
        elif succession.ready and not was and self._child.pipe is not None:
            self._child.pipe.send(pipe.Rest(succession.groups))

    def _forget_heir(self, succession: Succession) -> None:
        self._poll.unregister(succession.pipe.fileno())
        succession.pipe.close()
        self._succession = None

    def _hand_over(self, succession: Succession) -> None:
        """The daemon is gone: all that is left to do is to end. The links go first, their ports are the heir's."""
        self._links.close()
        places, installed, lifted = self._gates.leave()
        legacy = self._heart.leave()
        if succession.hand_over(pipe.Inheritance(legacy, places, installed, lifted, self._born_ns, succession.managed)):
            self._finish(0)
            return
        self._forget_heir(succession)
        self._links.open()

    def _inherit(self, inheritance: pipe.Inheritance, now: int) -> None:
        self._gates.inherit(inheritance.places, inheritance.installed, inheritance.lifted)
        legacy = inheritance.legacy
        self._heart.inherit(legacy, now)
        self._start = replace(self._start, incarnation=legacy.incarnation, generation=legacy.generation)
        self._born_ns = inheritance.born_ns
        self._resumed = True

    def _tell_person(self, code: str, severity: str, **args: str) -> None:
        if self._child.pipe is not None:
            self._child.pipe.send(pipe.Told(code, tuple(args.items()), severity, "node"))

    # -- reading -------------------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Everything queued, before anybody is judged; where more comes than can be read, nobody is judged."""
        begun = clock.now_ns()
        while True:
            for received in self._links.drain(READ_AT_ONCE, self._keys):
                beat = received.beat
                if isinstance(beat, Reject):
                    self._counts.add(beat.value)
                    continue
                if isinstance(beat, Page):
                    self._counts.add(self._lists.hear(beat, self._child.pipe).value)
                    continue
                kind, tell = self._heart.hear(received.link, received.at_ns, beat)
                self._counts.add(kind.value)
                if tell is not None:
                    self._tell(tell)
            if self._links.dry:
                break
            now = clock.now_ns()
            if now - begun >= self._start.config.timing.keepalive_ns // 2:  # beats and leases must go on
                self._tell(Tell(Stalled(begun, now)))
                break

    def _hear_pings(self) -> None:
        for answer in self._pinger.drain():
            self._tell(self._heart.answered(Answered(answer.target, answer.sent_ns, answer.at_ns)))

    def _obey(self, child: pipe.Pipe) -> None:
        messages = child.drain()
        if child.alive:
            child.alive = False
            self._heart.daemon_came(clock.now_ns())
        for message in messages:
            now = clock.now_ns()
            self._daemon_seen_ns = now
            match message:
                case pipe.Ready():
                    self._heart.daemon_came(now)
                    self._ready = True
                    self._manager.ready()
                case Say() | Hold() | Prove():
                    self._carry_out(self._heart.obey(now, message))
                case pipe.Places(places):
                    self._gates.put(places)
                case pipe.Lifted(ips):
                    self._gates.lifted(ips)
                case pipe.Watch(pings):
                    self._heart.watch(pings, now)
                case pipe.Clients():
                    self._lists.send(message, self._keys.signer)
                case pipe.Rested(lacking) if self._succession is not None:
                    self._succession.agreed = not lacking
                    if lacking:
                        self._forget_heir(self._succession)
                case pipe.Quit(clean):
                    self._bye()
                    self._finish(0 if clean else 1)
        if child.closed and self._exit is None:
            now = clock.now_ns()
            self._poll.unregister(child.fileno())
            self._ready = False
            self._heart.daemon_went(now)
            self._child.ended(now)

    # -- doing ---------------------------------------------------------------------------------------------------------

    def _carry_out(self, effects: list[PulseEffect]) -> None:
        for effect in effects:
            match effect:
                case Send(beat):
                    self._links.send(beat, self._keys.signer)
                case AskPing(ping):
                    self._pinger.send(ping, clock.now_ns())
                case Tell():
                    self._tell(effect)
                case Renew():
                    answer = self._gates.renew(effect, self._heart.lease.ticket_ns)
                    if answer is Answer.LOST and not self._missing():
                        answer = Answer.FAILED
                    self._carry_out(self._heart.gated(clock.now_ns(), effect, answer))
                case Rebuild():
                    trouble = self._gates.rebuild()
                    self._carry_out(self._heart.leases.rebuilt(clock.now_ns(), trouble))
                case Refresh(group):
                    self._gates.refresh(group)
                case Shut(groups):
                    self._gates.shut(groups)
                case TakeOff(groups):
                    self._gates.take_off(groups)
                    if select.select([], [sys.stderr], [], 0)[1]:  # whoever reads our words must not hold us up
                        print(say("pulse-abandons", groups=", ".join(groups) or "-"), file=sys.stderr, flush=True)

    def _missing(self) -> bool:
        """Whether rules of ours are gone, and the daemon did not lift them: it says so before, if it was read yet."""
        if self._child.pipe is not None:
            self._obey(self._child.pipe)
        return not self._gates.stands()

    def _tell(self, tell: Tell) -> None:
        if self._child.pipe is not None:
            self._child.pipe.send(tell.event)

    def _bye(self) -> None:
        """The last words again, in case a copy is lost."""
        for _ in range(BYES):
            self._carry_out(self._heart.say_bye(clock.now_ns()))
            select.select([], [], [], BYE_GAP_S)

    def _finish(self, status: int) -> None:
        self._exit = status

    # -- signals -------------------------------------------------------------------------------------------------------

    def _handle_signals(self, now: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._signals, 256)
        pending, self._pending = self._pending, set()
        if signal.SIGCHLD in pending:
            self._child.reap()
        if signal.SIGHUP in pending:
            self._reload()
        if heirs := pending & HEIRS:
            self._succeed(managed=signal.SIGUSR1 in heirs)
        if pending & {signal.SIGTERM, signal.SIGINT}:
            self._manager.stopping()
            if not self._leaving_ns and self._child.pipe is not None:
                self._child.pipe.send(pipe.Asked("leave"))
            self._leaving_ns = self._leaving_ns or now

    def _reload(self) -> None:
        """New keys are taken when the file is right; a bad one leaves the old keys in force."""
        self._manager.reloading()
        keys, notes = self._reread()
        if keys is not None:
            self._keys = keys
        if self._child.pipe is not None:
            self._child.pipe.send(pipe.Keys(self._keys))
            for note in notes:
                self._child.pipe.send(note)
        self._manager.ready()


def heirs_arguments(start: Start) -> list[str]:
    """The heir's command line. A machine that was renamed has another name than ours, and an heir of that is refused:
    it needs a stop and a start.
    """
    where = ["--config", str(start.config_dir), "--state", str(start.state_dir), "--runtime", str(start.runtime_dir)]
    return [*where, "--node", start.node] if start.told else where


def arguments(start: Start) -> list[str]:
    """The daemon's command line."""
    return ["--state", str(start.state_dir), "--runtime", str(start.runtime_dir)]
