"""One simulated machine: its clock, its kernel, and the lives of our two processes on it.

Owns who lives when, what stops them, and the messages between the two. Invariant: what a process had under way ends
with it, what the kernel has does not; a stopped process does nothing. Must not know which faults there are, nor what is
right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from hbcore.engine.config import MS, SECOND, ClusterConfig
from hbcore.engine.engine import Engine
from hbcore.engine.events import AddressGone, Event, Leave, Tick
from hbcore.engine.heart import Heart
from hbcore.engine.lease import GONE_NS, lease_of
from hbcore.sim.daemon import UNIX, Agent, Daemon, Edge
from hbcore.sim.kernel import Kernel
from hbcore.sim.pulse import Pulse

if TYPE_CHECKING:
    from hbcore.sim.world import World

LIFE_SIGN_NS = 30 * MS  # from a daemon's start to its sign of life, before it imports anything
IMPORTS_NS = 250 * MS
EXEC_NS = 150 * MS  # a daemon that turns into the next pulse
BACKOFF_NS = (0, 0, 200 * MS, 500 * MS, SECOND, 2 * SECOND, 4 * SECOND)  # pulse.child
RETRY_NS = 20 * MS  # how late a stopped process takes up what was due meanwhile


class Machine:
    """`paused`: the whole machine, kernel and clock too; `frozen`: all of ours; `hung`: the daemon alone;
    `still`: pulse alone.

    `returning`: a pulse that died will be replaced. `edge`: a crash that waits for its effect. `woke_ns`: when all of
    ours last went on after D of being frozen (true time).
    """

    def __init__(
        self, world: World, number: int, config: ClusterConfig, *, ppm: float = 0.0, offset_ns: int = 0
    ) -> None:
        self.world, self.number, self.config = world, number, config
        self.name = sorted(config.nodes)[number]
        self.mac, self.base = bytes((2, 0, 0, 0, 0, number + 1)), f"base-{number}"
        self.kernel = Kernel()
        self.lease = lease_of(config.timing)
        self.agents: dict[tuple[str, str], Agent] = {}
        self.disk_ns, self.disk_full, self.disk_free_ns = MS, False, 0
        self.powered = self.paused = self.frozen = self.hung = self.still = self.returning = False
        self.pulse: Pulse | None = None
        self.daemon: Daemon | None = None
        self.edge: Edge | None = None
        self.leaving = False
        self.left: bool | None = None  # it left, and whether cleanly
        self.ups = 0  # how many daemons came up
        self._starting = False
        self._ppm, self._offset_ns, self._paused_ns = ppm, offset_ns, 0
        self._stopped_ns = self.woke_ns = 0
        self._lives = self._ours = self._birth = self._generation = self._nonces = 0
        self._deaths: deque[int] = deque(maxlen=len(BACKOFF_NS))
        self._pumping = False

    # -- time and place ------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The machine's own clock."""
        at = self.world.now
        return at + int((at - self.world.begun) * self._ppm / 1e6) + self._offset_ns

    def true(self, local_ns: int) -> int:
        at = local_ns - self._offset_ns
        return at - int((at - self.world.begun) * self._ppm / (1e6 + self._ppm))

    @property
    def other(self) -> Machine:
        return self.world.machines[1 - self.number]

    @property
    def heart(self) -> Heart | None:
        return None if self.pulse is None else self.pulse.heart

    @property
    def engine(self) -> Engine | None:
        return None if self.daemon is None else self.daemon.engine

    @property
    def awake(self) -> bool:
        return self.powered and not self.paused and not self.frozen

    def gated(self) -> list[str]:
        return [g.name for g in self.config.groups if self.world.gated[g.name]]

    # -- lives ---------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Power on, and hbcored is started."""
        self.powered, self.paused, self.frozen = True, False, False
        self._lives += 1
        self.start_ours()

    def power_off(self) -> None:
        self.powered = self.paused = False
        self.disk_free_ns = 0
        self._lives += 1
        self.end_ours()
        self.kernel.power_off()
        self.world.judge.off(self)

    def start_ours(self, *, resumed: bool = False) -> None:
        """hbcored begins: at boot, by its administrator, or (`resumed`) in place of a pulse that died."""
        self._ours += 1
        self._nonces += 1
        self.frozen = self.returning = self.leaving = False
        self.left = None
        if resumed:
            self._generation += 1
        else:
            self._generation = 0
            self.kernel.incarnation = max(self.kernel.incarnation + 1, (UNIX + self.now) // SECOND)
            self._deaths.clear()
        nonce = (self.kernel.incarnation * 1000 + self._nonces) * 10 + self.number + 1
        self.pulse = Pulse(self, nonce=nonce, generation=self._generation)
        self.begin_daemon(resumed=resumed)

    def end_ours(self) -> None:
        """All of ours is gone (killed, or left); the kernel and the services stay as they are."""
        self._ours += 1
        self.returning = self.still = False
        self.pulse = None
        self._end_daemon()

    def kill_pulse(self) -> None:
        """The daemon turns into the next pulse, which starts a daemon."""
        heir, hung = self.daemon is not None or self._starting, self.hung
        self.end_ours()
        self.hung, self.returning = hung, True
        if heir:
            self.later_ours(EXEC_NS, partial(self.start_ours, resumed=True), still=lambda: self.hung)
        else:
            self.later_ours(SECOND, self.start_ours)  # nobody is left but the init system

    def kill_daemon(self) -> None:
        """Pulse goes on, vouches for a second, and starts the next one."""
        if self.daemon is None and not self._starting:
            return
        self.lose_daemon()
        if self.pulse is not None:
            self._deaths.append(self.now)
            recent = sum(1 for at in self._deaths if self.now - at < 60 * SECOND)
            backoff = BACKOFF_NS[min(recent, len(BACKOFF_NS) - 1)]
            self.later_ours(backoff, partial(self.begin_daemon, resumed=True))

    @property
    def speechless(self) -> bool:
        """No daemon for longer than pulse vouches for one: it said so, and is silent by rule (safety.md 7)."""
        return self.daemon is None and bool(self._deaths) and self.now - self._deaths[-1] > GONE_NS

    def lose_daemon(self) -> None:
        """It is dead, and for now none takes its place."""
        self._end_daemon()
        if self.pulse is not None:
            self.pulse.heart.daemon_went(self.now)
            self.pulse.timer()

    def begin_daemon(self, *, resumed: bool) -> None:
        assert self.pulse is not None
        self._starting = True
        self._birth += 1
        birth = self._birth
        self.pulse.seen_ns = self.now
        self.later_ours(LIFE_SIGN_NS, lambda: self._life_sign() if self._birth == birth else None)
        self.later_ours(IMPORTS_NS, lambda: self._daemon_up(resumed) if self._birth == birth else None)

    def _former(self) -> None:
        """A daemon that comes ends the scripts of the one before (agents.orphans), and is told what pulse was told."""
        self.ups += 1
        if self.leaving:
            self.tell(Leave())

    def _life_sign(self) -> None:
        assert self.pulse is not None
        self.pulse.seen_ns = self.now
        self.pulse.heart.daemon_came(self.now)
        self.pulse.timer()

    def _daemon_up(self, resumed: bool) -> None:
        assert self.pulse is not None
        self._starting = False
        self.pulse.seen_ns = self.now
        self.pulse.heart.daemon_came(self.now)
        self.daemon = Daemon(self, self.pulse, resumed=resumed)
        self.world.judge.daemon_began(self)
        self._former()
        self.pump()

    def _end_daemon(self) -> None:
        self._birth += 1
        self._starting = self.hung = False
        self.daemon = None

    # -- stops and goes ------------------------------------------------------------------------------------------------

    def freeze(self) -> None:
        """SIGSTOP for all of ours."""
        self.frozen, self._stopped_ns = True, self.world.now

    def thaw(self) -> None:
        self.frozen = False
        if self.world.now - self._stopped_ns >= self.lease.deadtime_ns:
            self.woke_ns = self.world.now
        self._go_on()

    def pause(self) -> None:
        """The hypervisor stops the machine: kernel timers and clock, too."""
        self.paused, self._paused_ns = True, self.world.now

    def resume(self) -> None:
        self.paused = False
        self._offset_ns -= self.world.now - self._paused_ns
        if self.pulse is not None:
            self.pulse.lose_queue()
        for group in self.config.groups:
            self.world.judge.answers(self, group.name)
        self._go_on()

    def hang(self) -> None:
        """SIGSTOP for the daemon alone."""
        self.hung = True

    def unhang(self) -> None:
        self.hung = False
        self.tell(Tick())

    def stand(self) -> None:
        """SIGSTOP for pulse alone."""
        self.still = True

    def walk(self) -> None:
        self.still = False
        if self.awake and self.pulse is not None:
            self.pulse.go_on()

    def _go_on(self) -> None:
        """Which of the two wakes first is chance."""
        if not self.awake:
            return
        if self.world.daemon_first() and self.daemon is not None:
            self.tell(Tick())
        if self.pulse is not None and not self.still:
            self.pulse.go_on()
        self.tell(Tick())

    # -- between the two -----------------------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """A fact for the daemon; it waits while the daemon is stopped, and is lost where there is none."""
        if self.daemon is not None and not self.paused:
            self.daemon.tell(event)

    def to_daemon(self, event: Event) -> None:
        """From pulse, over the pipe."""
        if self.daemon is not None:
            self.daemon.waiting.append(event)

    def order(self, verb: str, node: str = "", group: str = "", scope: str = "all") -> str:
        """An operator's order; "" where it was taken, else why it was refused."""
        if self.daemon is None or not self.awake or self.hung:
            return "no-daemon"
        return self.daemon.order(verb, node, group, scope)

    def pump(self) -> None:
        """Carry messages until nothing waits, as two processes would that are never late."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self.awake and self.daemon is not None:
                daemon, pulse = self.daemon, self.pulse
                if daemon.said and not self.still:
                    message = daemon.said.popleft()
                    if pulse is not None and pulse.halted is None:
                        pulse.obey(message)
                        if not daemon.said and pulse.alive:
                            pulse.timer()
                elif daemon.waiting and not self.hung:
                    daemon.step()
                else:
                    break
        finally:
            self._pumping = False

    def leave(self) -> None:
        """SIGTERM to pulse."""
        if self.pulse is not None:
            self.leaving = True
            self.tell(Leave())

    # -- what the host does --------------------------------------------------------------------------------------------

    def ran(self, started: bool, key: tuple[str, str], ups: int) -> None:
        """A script came to its end, unless a daemon that came since has killed it."""
        if self.ups != ups:
            return
        if started:
            self.kernel.services.add(key)
            self.world.judge.answers(self, key[0])
        else:
            self.kernel.services.discard(key)

    def services_die(self) -> None:
        """All that scripts started here, by itself; nobody tells."""
        self.kernel.services.clear()

    def remove_address(self, ip: str) -> None:
        """Not by the daemon, which is told by the kernel."""
        if ip in self.kernel.addresses:
            self.kernel.addresses.discard(ip)
            self.later_kernel(MS, lambda: self.tell(AddressGone(ip, self.now)))

    def flush_guard(self) -> None:
        """Somebody's `nft flush ruleset`; the kernel tells pulse, if pulse can hear."""
        self.kernel.flush()
        for group in self.config.groups:
            self.world.judge.answers(self, group.name)
        self.world.judge.order.flushed(self)
        if self.awake and not self.still:  # else the next renewal will find out
            self.later_ours(MS, lambda: self.pulse.guard_changed() if self.pulse is not None else None)

    # -- later ---------------------------------------------------------------------------------------------------------

    def later_ours(self, after_ns: int, call: Callable[[], None], still: Callable[[], bool] = lambda: False) -> None:
        """By a process of ours, which does nothing while it is stopped (`still`: for another reason than those)."""
        life, ours = self._lives, self._ours

        def due() -> None:
            if (self._lives, self._ours) != (life, ours):
                return
            if self.paused or self.frozen or still():
                self.world.later(RETRY_NS, due)
            else:
                call()

        self.world.later(after_ns, due)

    def later_kernel(self, after_ns: int, call: Callable[[], None]) -> None:
        """By the machine, whatever our processes do."""
        life = self._lives

        def due() -> None:
            if self._lives != life:
                return
            if self.paused:
                self.world.later(RETRY_NS, due)
            else:
                call()

        self.world.later(after_ns, due)
