"""Who reaches whom: wires, switches, cards and the ping node, each with its ways to fail.

Owns what is broken. A device name is a segment: every machine has one card on it, all joined by one switch, and the
ping node and the clients are on the service segment. Invariant: nothing here delays or decides; a path is there or not.
Must not know engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hbcore.engine.config import ClusterConfig


def service_of(config: ClusterConfig) -> str:
    """The segment where a cluster is served: the first device that an address names, else the first link's."""
    named = next((a.device for g in config.groups for a in g.addresses if a.device), "")
    return named or config.links[0].device


@dataclass(slots=True)
class Network:
    """`beats_cut`: (device, from, to). `cards`: (machine, device) -> "down" | "silent" | "no-tx" | "no-rx".

    `pairs_cut`: devices on which the nodes do not reach each other, though both reach the switch's other ports.
    """

    service: str
    links: tuple[str, ...]
    controlled: bool = True
    beats_cut: set[tuple[str, int, int]] = field(default_factory=set)
    cards: dict[tuple[int, str], str] = field(default_factory=dict)
    switches_down: set[str] = field(default_factory=set)
    pairs_cut: set[str] = field(default_factory=set)
    lan_cut: bool = False  # questions between the nodes are lost on the service segment, heartbeats are not
    ping_down: bool = False
    pings_cut: set[int] = field(default_factory=set)  # these machines do not reach it, though their cards work
    foreign: str = ""  # an address that a foreign machine says it has
    neighbours: bool = False  # another machine on the service segment answers, too

    def heal(self) -> None:
        self.beats_cut.clear()
        self.cards.clear()
        self.switches_down.clear()
        self.pairs_cut.clear()
        self.pings_cut.clear()
        self.lan_cut = self.ping_down = False
        self.foreign = ""

    def sends(self, machine: int, device: str) -> bool:
        return self.cards.get((machine, device)) not in ("down", "silent", "no-tx") and device not in self.switches_down

    def receives(self, machine: int, device: str) -> bool:
        return self.cards.get((machine, device)) not in ("down", "silent", "no-rx") and device not in self.switches_down

    def carrier(self, machine: int, device: str) -> bool:
        return self.cards.get((machine, device)) != "down"

    def beat(self, device: str, source: int, target: int) -> bool:
        return (
            device not in self.pairs_cut
            and (device, source, target) not in self.beats_cut
            and self.sends(source, device)
            and self.receives(target, device)
        )

    def on_lan(self, machine: int) -> bool:
        """The machine's card on the service segment works both ways: a client reaches it."""
        return self.sends(machine, self.service) and self.receives(machine, self.service)

    def lan(self, one: int, other: int) -> bool:
        """A question and its answer pass between two machines on the service segment."""
        return self.asks(one, other) and self.asks(other, one)

    def asks(self, source: int, target: int) -> bool:
        """A broadcast of one is heard by the other on the service segment."""
        cut = self.lan_cut or self.service in self.pairs_cut
        return not cut and self.sends(source, self.service) and self.receives(target, self.service)

    def control(self, machine: int) -> bool:
        """The ping node is reached, and its answer comes back."""
        return self.controlled and not self.ping_down and machine not in self.pings_cut and self.on_lan(machine)

    def any_neighbour(self, machine: int) -> bool:
        return self.on_lan(machine) and (self.neighbours or self.control(machine))

    def heard(self, source: int, target: int) -> bool:
        """Beats from one to the other pass by at least one link."""
        return any(self.beat(device, source, target) for device in self.links)

    @property
    def parted(self) -> bool:
        """No direct path is left, neither for beats in any direction nor for a question."""
        return not self.heard(0, 1) and not self.heard(1, 0) and not self.lan(0, 1)

    @property
    def split(self) -> bool:
        """No direct path is left in one direction or the other, neither for beats nor for a question."""
        return not (self.heard(0, 1) and self.heard(1, 0)) and not self.lan(0, 1)
