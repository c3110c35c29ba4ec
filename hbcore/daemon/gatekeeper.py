"""The daemon's share of the guard: a gate is shut before its address is put on, and lifted after it is off again.

Owns which addresses are gated here. Invariant: it never opens a gate; pulse hears of a lift before it happens, so that
it does not take it for somebody else's. Must not know leases.
"""

from __future__ import annotations

from collections.abc import Callable

from hbcore.engine.config import GroupDef, Timing
from hbcore.engine.lease import lease_of, valid_s
from hbcore.host.guard import Gate, Guard


class Gatekeeper:
    """`definitions`: what the groups run by here now; `lifting` is told of addresses whose gates are about to go."""

    def __init__(
        self,
        timing: Timing,
        definitions: Callable[[], tuple[GroupDef, ...]],
        lifting: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._guard = Guard()
        self._usable = False
        self._lifting = lifting
        self._definitions = definitions
        self._valid_s = valid_s(lease_of(timing))

    def gate(self, ip: str) -> Gate | None:
        """None: this address needs none."""
        gated = (g for g in self._definitions() if g.gated and any(a.ip == ip for a in g.addresses))
        return next((Gate(ip, g.director) for g in gated), None)

    def valid_s(self, group: str) -> int | None:
        """How long the kernel keeps an address of this group that nobody refreshes; None: for ever."""
        ends = any(g.name == group and g.can_be_gated for g in self._definitions())
        return self._valid_s if ends else None

    def told(self, trouble: str) -> None:
        """Pulse's word of its guard ("" = it stands): who opens the gates decides whether there are any. One that ever
        stood has to stand again, and is no reason to go on without.
        """
        self._usable = self._usable or not trouble

    def shut(self, ip: str) -> str:
        """Before the address is put on; "", or the errno for which it must not be. What is open already stays so."""
        gate = self.gate(ip) if self._usable else None
        return self._guard.install([gate]) if gate else ""

    def silenced(self, ip: str) -> bool:
        """Whether the kernel keeps it silent now: then nobody may speak for it past the gate either."""
        return self._usable and self.gate(ip) is not None and self._guard.remaining(ip) is None

    def lift(self, ip: str) -> None:
        """After it is off. Also where it needs none: another definition may have had one."""
        self._lifting((ip,))
        self._guard.lift([ip])

    def close(self) -> None:
        self._guard.close()
