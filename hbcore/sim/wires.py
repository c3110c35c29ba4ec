"""Faults of the network: beats, cards, switches, the ping node, strangers on the wire.

Owns what each does to the simulated network, and how it is taken back. Invariant: as that of faults.py. Must not know
the rest of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hbcore.engine.config import MS
from hbcore.engine.events import Carrier
from hbcore.sim.machine import Machine
from hbcore.sim.world import Noise, World

if TYPE_CHECKING:
    from hbcore.sim.faults import Fault

Undo = Callable[[], None]


def _beats(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail "to" | "from": beats of this node, or to it; "both"."""
    way = (fault.device, machine.number, 1 - machine.number)
    back = (fault.device, 1 - machine.number, machine.number)
    ways = {"to": {way}, "from": {back}}.get(fault.detail, {way, back})
    world.network.beats_cut |= ways
    return lambda: world.network.beats_cut.difference_update(ways)


def _all_beats(world: World, machine: Machine, fault: Fault) -> Undo:
    ways = {(d, a, 1 - a) for d in world.network.links for a in (0, 1)}
    world.network.beats_cut |= ways
    return lambda: world.network.beats_cut.difference_update(ways)


def _card(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail: down | silent | no-tx | no-rx."""
    world.network.cards[machine.number, fault.device] = fault.detail
    if fault.detail == "down":
        machine.tell(Carrier(fault.device, False))
    return lambda: card_up(world, machine, fault.device)


def card_up(world: World, machine: Machine, device: str) -> None:
    was = world.network.cards.pop((machine.number, device), "")
    if was == "down":
        machine.tell(Carrier(device, True))


def _flap(world: World, machine: Machine, fault: Fault) -> Undo:
    """The card goes down and up, `amount` ms each."""
    on = [True]

    def turn(down: bool) -> None:
        if not on[0]:
            return
        if down:
            _card(world, machine, replace(fault, detail="down"))
        else:
            card_up(world, machine, fault.device)
        world.judge.look()
        world.later(fault.amount * MS, partial(turn, not down))

    def stop() -> None:
        on[0] = False
        card_up(world, machine, fault.device)

    turn(True)
    return stop


def _switch(world: World, machine: Machine, fault: Fault) -> Undo:
    world.network.switches_down.add(fault.device)
    return lambda: world.network.switches_down.discard(fault.device)


def _pair(world: World, machine: Machine, fault: Fault) -> Undo:
    world.network.pairs_cut.add(fault.device)
    return lambda: world.network.pairs_cut.discard(fault.device)


def _ping(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail "" : it is gone; "one": this node alone does not reach it."""
    network = world.network
    if fault.detail == "one":
        network.pings_cut.add(machine.number)
        return lambda: network.pings_cut.discard(machine.number)
    network.ping_down = True

    def up() -> None:
        network.ping_down = False

    return up


def _foreign(world: World, machine: Machine, fault: Fault) -> Undo:
    """A machine that is none of ours says that it has an address of the first group that has one."""
    world.network.foreign = next((ip for ips in world.ips.values() for ip in sorted(ips)), "")

    def gone() -> None:
        world.network.foreign = ""

    return gone


def _noise(world: World, machine: Machine, fault: Fault) -> Undo:
    """detail "loss": `amount` permille; "slow": `amount` ms on every beat."""
    one = Noise(loss=fault.amount / 1000) if fault.detail == "loss" else Noise(slow_ms=float(fault.amount))
    world.noises.append(one)

    def over() -> None:
        world.noises = [noise for noise in world.noises if noise is not one]

    return over


def _replay(world: World, machine: Machine, fault: Fault) -> None:
    """Somebody sends beats again that were taken before, and forged ones without this node's nonce (S8)."""
    pulse = machine.pulse
    if pulse is None or not machine.awake:
        return
    for link, beat in list(pulse.taken):
        stranger = replace(beat, frame=replace(beat.frame, seq=1 << 40, your_nonce=pulse.heart.nonce ^ 1, nonce=1))
        for one in (beat, stranger):
            _, tell = pulse.heart.hear(link, machine.now, one)
            world.judge.replayed(machine, tell is not None)
    pulse.timer()


KINDS: dict[str, Callable[[World, Machine, Fault], Undo | None]] = {
    "beats": _beats,
    "all-beats": _all_beats,
    "card": _card,
    "flap": _flap,
    "switch": _switch,
    "pair": _pair,
    "ping": _ping,
    "foreign": _foreign,
    "noise": _noise,
    "replay": _replay,
}
