"""How long groups had no owner in a run.

Owns that measure. Invariant: it only looks, and judges nothing. Must not know why nobody owned a group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hbcore.sim.world import World


@dataclass(frozen=True, slots=True)
class Outage:
    """A group that had an owner had none for so long. `unplanned`: a machine, or its network, was in trouble.

    `open`: it had none yet when all was healed, so it may have lasted for ever.
    """

    group: str
    length_ns: int
    unplanned: bool
    open: bool = False


@dataclass(slots=True)
class Outages:
    """`found`: those that ended, and at the end those that did not."""

    found: list[Outage] = field(default_factory=list)
    _gone: dict[str, tuple[int, bool]] = field(default_factory=dict)  # group: since when, and was there trouble
    _served: set[str] = field(default_factory=set)

    def measure(self, world: World) -> None:
        """Called often."""
        for group in world.config.groups:
            name = group.name
            if world.owners(name):
                self._served.add(name)
                if name in self._gone:
                    since, unplanned = self._gone.pop(name)
                    self.found.append(Outage(name, world.now - since, unplanned))
            elif name in self._served and name not in self._gone:
                self._gone[name] = (world.now, _trouble(world))

    def before_healing(self, world: World) -> None:
        """What is not over now was not ended by the nodes."""
        self.found += [Outage(name, world.now - at, why, True) for name, (at, why) in self._gone.items()]
        self._gone.clear()


def _trouble(world: World) -> bool:
    run = all(m.awake and not m.still and m.engine is not None for m in world.machines)
    well = run and all(world.network.on_lan(m.number) for m in world.machines)
    return not well or world.network.split
