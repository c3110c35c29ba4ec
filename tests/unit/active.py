"""Two nodes of the simulator that are both active: `web` is at home on node1, `ftp` on node2.

Owns the names of the tests that ask, as heartbeat's specification does, for local, foreign and all. Must not know the
engine's insides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hbcore.engine.config import CARE, SECOND, Address, Care, ClusterConfig, GroupDef, Resource, Weight
from tests.unit.duo import NAMES, Duo, config

A, B = NAMES
SECOND_VIP = "192.168.100.101"
HOME = ({"web"}, {"ftp"})


def active(weight: Weight = Weight.LIGHT, *, failback: bool = True, care: Care = CARE) -> ClusterConfig:
    """Each group is an address and a script, which is looked after so."""
    one = config(weight, failback=failback)
    (web,) = one.groups
    vip = Resource(SECOND_VIP, "address", SECOND_VIP, (), Address(SECOND_VIP, 24, "eth0"))
    web = replace(web, resources=(web.resources[0], replace(web.resources[1], care=care)))
    ftp = GroupDef("ftp", (B, A), (vip, Resource("ftpd", "script", "ftpd", care=care)), weight)
    return replace(one, groups=(web, ftp))


def held(duo: Duo) -> tuple[set[str], set[str]]:
    """The groups that are whole on each machine: its address is there and its script runs."""
    found: list[set[str]] = []
    for machine in duo.world.machines:
        kernel = machine.kernel
        whole = {
            g.name for g in duo.config.groups
            if all(a.ip in kernel.addresses for a in g.addresses)
            and all((g.name, r.name) in kernel.services for r in g.resources if r.agent != "address")
        }  # fmt: skip
        found.append(whole if machine.powered else set())
    return found[0], found[1]


def until(duo: Duo, truth: Callable[[], bool], seconds: float = 10) -> float:
    """Run until it is true; the seconds it took, to 5 ms. AssertionError."""
    begun = duo.now
    while not truth():
        assert duo.now - begun < seconds * SECOND, f"not within {seconds} s: {held(duo)}"
        duo.leap(0.005)
    return (duo.now - begun) / SECOND


def comes(duo: Duo, one: set[str], two: set[str], seconds: float = 10) -> float:
    """Run until the groups are so; the seconds it took."""
    return until(duo, lambda: held(duo) == (one, two), seconds)


def stays(duo: Duo, one: set[str], two: set[str], seconds: float = 5) -> None:
    """They are so now, and for so long."""
    for _ in range(int(seconds * 20)):
        assert held(duo) == (one, two), held(duo)
        duo.leap(0.05)


def up(configuration: ClusterConfig | None = None) -> Duo:
    """Both are there, each has what is its own, and that has been so for a while."""
    duo = Duo(configuration or active())
    duo.boot(0)
    duo.boot(1)
    comes(duo, *HOME)
    duo.leap(1.2)
    return duo


def once(duo: Duo) -> None:
    """No group ever ran on both."""
    duo.judge.look()
    assert duo.judge.overlaps == [], duo.judge.overlaps
