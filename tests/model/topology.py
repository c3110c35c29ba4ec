"""The three networks that are searched, their parts that can break, and who reaches whom while some are broken.

Owns the names of the faults. Invariant: reach is asked of the simulator's own Network; a path found here plays there.
Must not know engines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hbcore.sim.network import Network

SERVICE, WIRE = "eth0", "eth1"  # WIRE: a cross-over cable in T1, the management switch in T3b
Break = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Pairs are by node: `beat[0]` is from node 0 to the other one; `client[0]`: clients reach node 0."""

    beat: tuple[bool, bool]
    client: tuple[bool, bool]
    control: tuple[bool, bool]
    neighbour: tuple[bool, bool]
    asks: tuple[bool, bool]  # its ARP question is heard by the other one
    lan: bool


@dataclass(frozen=True, slots=True)
class Topology:
    """`breaks`: name of a fault -> what breaks; a set of faults is a bit mask in this order."""

    name: str
    link: str
    breaks: dict[str, Break]
    controlled: bool = True
    neighbours: bool = True
    _reach: dict[int, Reach] = field(default_factory=dict, repr=False)

    @property
    def faults(self) -> tuple[str, ...]:
        return tuple(self.breaks)

    def named(self, broken: int) -> tuple[str, ...]:
        return tuple(name for bit, name in enumerate(self.breaks) if broken >> bit & 1)

    def network(self, broken: int) -> Network:
        network = Network(SERVICE, (self.link,), controlled=self.controlled, neighbours=self.neighbours)
        for name in self.named(broken):
            kind, *args = self.breaks[name]
            APPLY[kind](network, *args)
        return network

    def reach(self, broken: int) -> Reach:
        if (known := self._reach.get(broken)) is not None:
            return known
        net = self.network(broken)
        known = self._reach[broken] = Reach(
            beat=(net.beat(self.link, 0, 1), net.beat(self.link, 1, 0)),
            client=(net.on_lan(0), net.on_lan(1)),
            control=(net.control(0), net.control(1)),
            neighbour=(net.any_neighbour(0), net.any_neighbour(1)),
            asks=(net.asks(0, 1), net.asks(1, 0)),
            lan=net.lan(0, 1),
        )
        return known


def _beats(network: Network, device: str, source: str, target: str) -> None:
    network.beats_cut.add((device, int(source), int(target)))


def _card(network: Network, node: str, device: str, way: str) -> None:
    key = (int(node), device)
    network.cards[key] = way if network.cards.get(key, way) == way else "silent"


def _switch(network: Network, device: str) -> None:
    network.switches_down.add(device)


def _pair(network: Network, device: str) -> None:
    network.pairs_cut.add(device)


def _ping(network: Network) -> None:
    network.ping_down = True


APPLY: dict[str, Callable[..., None]] = {
    "beats": _beats, "card": _card, "switch": _switch, "pair": _pair, "ping": _ping,
}  # fmt: skip

T1 = Topology(
    "T1", WIRE,
    {
        "wire A>B": ("beats", WIRE, "0", "1"),
        "wire B>A": ("beats", WIRE, "1", "0"),
        "card A": ("card", "0", SERVICE, "silent"),
        "card B": ("card", "1", SERVICE, "silent"),
        "ping": ("ping",),
        "switch": ("switch", SERVICE),
        "pair": ("pair", SERVICE),
    },
)  # fmt: skip
T2 = Topology(
    "T2", SERVICE,
    {
        "beats A>B": ("beats", SERVICE, "0", "1"),
        "beats B>A": ("beats", SERVICE, "1", "0"),
        "A sends": ("card", "0", SERVICE, "no-tx"),
        "A receives": ("card", "0", SERVICE, "no-rx"),
        "B sends": ("card", "1", SERVICE, "no-tx"),
        "B receives": ("card", "1", SERVICE, "no-rx"),
        "ping": ("ping",),
        "switch": ("switch", SERVICE),
    },
)  # fmt: skip
T3B = Topology(
    "T3b", WIRE,
    {
        "management A": ("card", "0", WIRE, "silent"),
        "management B": ("card", "1", WIRE, "silent"),
        "management switch": ("switch", WIRE),
        "card A": ("card", "0", SERVICE, "silent"),
        "card B": ("card", "1", SERVICE, "silent"),
        "switch": ("switch", SERVICE),
        "gateway": ("ping",),
    },
)  # fmt: skip
TOPOLOGIES = {t.name: t for t in (T1, T2, T3B)}
