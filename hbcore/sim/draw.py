"""From a seed to a whole run: the cluster, its parameters, and the faults that come (swarm testing: each run has
another mix, so that rare mixes are often seen).

Owns the distributions. Invariant: everything comes from the seed's own streams. Must not know outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hbcore.engine.config import (
    MS,
    SECOND,
    Address,
    ClusterConfig,
    GroupDef,
    Link,
    Media,
    Resource,
    Timing,
    Weight,
)
from hbcore.engine.lease import PROFILES
from hbcore.sim.chance import Stream
from hbcore.sim.daemon import Agent
from hbcore.sim.faults import Fault
from hbcore.sim.network import service_of
from hbcore.sim.world import Noise

NAMES = ("node1", "node2")
PING = "192.168.100.254"
LENGTH_NS = 120 * SECOND  # or longer, where it takes longer until all must be well again
HEAL_NS = 75 * SECOND
FAULTS_END_NS = HEAL_NS - SECOND
SLOW = PROFILES["vm"]  # up to these times a run is as long as that; a slower cluster's is longer
SERVICE, WIRE = "eth0", "eth1"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run is made of. `boots_ns`: when each machine is switched on. `capable`: kernels that can guard.

    `pace`: so many times as long it takes, since its cluster is so much slower.
    """

    seed: int
    config: ClusterConfig
    ppm: tuple[float, float] = (0.0, 0.0)
    offset_ns: tuple[int, int] = (0, 0)
    noise: Noise = field(default_factory=Noise)
    neighbours: bool = False
    capable: tuple[bool, bool] = (True, True)
    boots_ns: tuple[int, int] = (0, 0)
    disk_ns: tuple[int, int] = (MS, MS)
    agent: Agent = field(default_factory=Agent)
    faults: tuple[Fault, ...] = ()
    accurate: bool = False
    pace: float = 1.0

    @property
    def length_ns(self) -> int:
        return int(LENGTH_NS * self.pace)

    @property
    def heal_ns(self) -> int:
        """When everything is mended."""
        return int(HEAL_NS * self.pace)


@dataclass(frozen=True, slots=True)
class Target:
    """What faults may strike: the segments, and kinds of faults with their weights. `pace`: as Plan's."""

    config: ClusterConfig
    devices: tuple[str, ...]
    kinds: dict[str, float]
    pace: float

    def ns(self, s: Stream, low_ms: float, high_ms: float) -> int:
        return int(s.ns(low_ms, high_ms) * self.pace)


def plan(seed: int, config: ClusterConfig | None = None, capable: tuple[bool, bool] = (True, True)) -> Plan:
    """The run of this seed, of a cluster that is drawn, too; or of `config`, a cluster with at least one group, whose
    kernels can guard as `capable` says.
    """
    s = Stream(seed, "plan")
    given = config is not None  # then only what is not the cluster's own is drawn
    config = config or _config(Stream(seed, "config"))
    service, kinds = (service_of(config), _felt(config, capable)) if given else (SERVICE, _WEIGHTS)
    timing = config.timing
    pace = max(1.0, timing.deadtime_ns / SLOW.deadtime_ns, timing.initdead_ns / SLOW.initdead_ns)
    target = Target(config, tuple(dict.fromkeys([*(link.device for link in config.links), service])), kinds, pace)
    accurate, noisy = s.chance(0.12), s.chance(0.4)
    loss = s.between(0, 0.004 if accurate else 0.05)  # four in a row are a deadtime: L3 asks for less
    noise = Noise(loss, s.between(0, 0.05), s.between(0, 5)) if noisy else Noise()
    late = target.ns(s, 200, 30_000) if s.chance(0.3) and not accurate else s.ns(0, 300)
    boots = (0, late) if s.chance(0.5) else (late, 0)
    steady = s.chance(0.1)
    return Plan(
        seed=seed,
        config=config,
        ppm=(0.0, 0.0) if steady else (s.between(-500, 500), s.between(-500, 500)),
        offset_ns=(s.ns(0, 3_600_000), s.ns(0, 3_600_000)),
        noise=noise,
        neighbours=s.chance(0.5),
        capable=(s.chance(0.96), s.chance(0.96)) if not given else capable,
        boots_ns=boots,
        disk_ns=(s.ns(0.2, 20), s.ns(0.2, 20)),
        agent=Agent(s.ns(5, 900), s.ns(5, 900)),
        faults=_faults(seed, target, accurate=accurate),
        accurate=accurate,
        pace=pace,
    )


def _config(s: Stream) -> ClusterConfig:
    kinds = s.weighted([(("light",), 5.0), (("heavy",), 2.5), (("light", "light"), 1.0), (("light", "heavy"), 1.0),
                        (("bare",), 0.8), (("plain",), 0.4)])  # fmt: skip
    groups = tuple(group(n, kind, tuple(s.pick((NAMES, NAMES[::-1])))) for n, kind in enumerate(kinds))
    wires = s.weighted([((SERVICE,), 3.5), ((SERVICE, WIRE), 4.5), ((WIRE,), 2.0)])
    links = tuple(Link(device, Media.MCAST, device, "225.100.0.1", 694) for device in wires)
    timing = s.weighted(
        [(PROFILES["standard"], 7.5), (PROFILES["vm"], 1.5),
         (Timing(50 * MS, 150 * MS, 400 * MS, 5 * SECOND, 400 * MS), 1.0)]
    )  # fmt: skip
    pings = (PING,) if s.chance(0.85) else ()
    return ClusterConfig("sim", NAMES, links, pings, groups, timing, s.chance(0.75))


def group(number: int, kind: str, prefer: tuple[str, ...]) -> GroupDef:
    """light | heavy: an address and a service; plain (light) | bare (heavy): a service alone."""
    ip, light = f"192.168.100.{100 + number}", kind in ("light", "plain")
    script = "httpd" if light else "mysqld"
    service = Resource(script, "script", script)
    vip = Resource(ip, "address", "IPaddr", (), Address(ip, 24, SERVICE))
    weight = Weight.LIGHT if light else Weight.HEAVY
    return GroupDef(f"{kind}{number}", prefer, (service,) if kind in ("bare", "plain") else (vip, service), weight)


# kind -> weight; a run draws some kinds only, and of these each as often as it comes
_WEIGHTS = {
    "beats": 3.0, "all-beats": 1.5, "card": 3.0, "flap": 0.8, "switch": 1.2, "pair": 1.2, "ping": 1.5, "noise": 0.8,
    "foreign": 0.8,
    "replay": 0.5, "freeze": 2.5, "hang": 1.0, "pause": 0.8, "renew-pause": 1.0, "wall": 0.3, "power": 3.0,
    "daemon": 1.6, "pulse": 1.0, "ours": 1.2, "leave": 1.0, "edge": 1.5, "disk": 0.8, "flush": 0.8, "address": 0.6,
    "service": 0.8, "agent": 0.8, "order": 2.0,
}  # fmt: skip
_COMPANIONS = {  # kind -> how often it has one, of these kinds
    "foreign": (0.7, ("power", "ours")), "agent": (0.7, ("power", "leave")), "disk": (0.7, ("power",)),
    "flush": (0.7, ("freeze",)), "ping": (0.7, ("power",)), "order": (0.7, ("power",)), "power": (0.4, ("fence",)),
}  # fmt: skip
_GENTLE = (
    "ping",
    "replay",
    "renew-pause",
    "wall",
    "daemon",
    "disk",
    "flush",
    "address",
    "service",
    "order",
    "hang",
    "freeze",
)
_EFFECTS = ("Say", "Hold", "Persist", "Run", "Persist Run", "Say Hold Persist Run Probe")


def _felt(config: ClusterConfig, capable: tuple[bool, bool]) -> dict[str, float]:
    """Without the kinds that nothing in this cluster would notice: they would count as tried."""
    addressed = any(g.addresses for g in config.groups)
    gated = any(g.gated for g in config.groups) and any(capable)
    scripts = any(r.agent == "script" for g in config.groups for r in g.resources)
    there = {
        "ping": bool(config.pings), "foreign": addressed, "address": addressed, "agent": scripts, "service": scripts,
        "flush": gated, "renew-pause": gated,
    }  # fmt: skip
    return {kind: weight for kind, weight in _WEIGHTS.items() if there.get(kind, True)}


def _faults(seed: int, target: Target, *, accurate: bool) -> tuple[Fault, ...]:
    s = Stream(seed, "faults")
    names = [k for k in (_GENTLE if accurate else _WEIGHTS) if k in target.kinds]
    kinds = [(k, target.kinds[k]) for k in names if s.chance(0.45)] or [("power", 1.0)]
    if accurate and kinds == [("power", 1.0)]:
        kinds = [("order", 1.0)]
    count = int(s.between(1, 9))
    begun = target.ns(s, 1_000, 20_000)
    burst = s.chance(0.5)  # close together, so that one meets the other's consequences
    faults = []
    for number in range(count):
        at = begun + (target.ns(s, 0, 4_000) if burst else target.ns(s, 0, 50_000))
        own = Stream(seed, f"fault {number}")
        fault = _fault(own, at, s.weighted(kinds), target, accurate=accurate)
        faults.append(fault)
        often, companions = _COMPANIONS.get(fault.kind, (0.0, ()))
        if companions and not accurate and own.chance(often):
            faults.append(_companion(own, fault, own.pick(companions), target))
    return tuple(sorted(faults, key=lambda f: f.at_ns))


def _companion(s: Stream, fault: Fault, kind: str, target: Target) -> Fault:
    """What brings the first one's consequences to light: a script that cannot start is noticed by who has to.

    "fence": the operator's word, given on the other node.
    """
    after = fault.at_ns + target.ns(s, 50, 3_000)
    one = _fault(s, after, "order" if kind == "fence" else kind, target, accurate=False)
    if kind == "fence":
        one = replace(one, detail=kind)
    return replace(one, at_ns=max(after, one.at_ns), node=1 - fault.node if kind != "freeze" else fault.node)


def _fault(s: Stream, at_ns: int, kind: str, target: Target, *, accurate: bool) -> Fault:
    config = target.config
    node, device = int(s.u01() * 2), s.pick(target.devices)
    lengths = target.ns(s, 20, 900), target.ns(s, 600, 4_000), target.ns(s, 3_000, 25_000), 0
    lasts = s.weighted(list(zip(lengths, (2.0, 3.0, 3.0, 1.0), strict=True)))
    lasts = min(lasts, max(0, int(FAULTS_END_NS * target.pace) - at_ns))
    detail, amount = "", 0
    match kind:
        case "beats":
            device, detail = s.pick([link.device for link in config.links]), s.pick(("to", "from", "both"))
        case "card":
            detail = s.pick(("down", "silent", "no-tx", "no-rx"))
        case "flap":
            amount, lasts = int(s.between(30, 900)), lasts or 5 * SECOND
        case "noise":
            detail = s.pick(("loss", "slow"))
            amount = int(s.between(50, 500)) if detail == "loss" else int(s.between(20, 900))
        case "foreign":
            lasts = max(lasts, s.ns(4_000, 15_000))
        case "ping":
            detail = s.weighted([("", 3.0), ("one", 1.0)])
        case "renew-pause":
            amount = int(s.between(5, 120) if accurate or s.chance(0.6) else s.between(40, 9_000))
        case "wall":
            amount = int(s.between(-7200, 7200))
        case "freeze" if accurate:
            lasts = min(config.timing.deadtime_ns * 2 // 5, max(lasts, 5 * MS))
        case "hang" if accurate:
            lasts = s.ns(100, 4_000)
        case "power":
            detail = s.weighted([("", 8.0), ("wiped", 1.0), ("stale", 1.0)])
        case "edge":
            what = s.weighted([("power", 3.0), ("daemon", 3.0), ("pulse", 3.0), ("freeze", 2.0), ("hang", 1.0)])
            detail, amount = f"{what} {s.pick(_EFFECTS)}", int(s.between(0, 12))
            lasts = lasts or 10 * SECOND
        case "disk":
            detail, amount = s.pick(("slow", "full")), int(s.between(50, 3_000))
        case "agent":
            detail = f"{s.weighted([('fails', 5.0), ('hangs', 1.0)])} {s.pick(('start', 'stop', 'status'))}"
            lasts = max(lasts, s.ns(5_000, 20_000))
            if detail.startswith("hangs"):
                at_ns, lasts = min(at_ns, 9 * SECOND), s.ns(100, 3_000)
        case "order":
            name = s.pick(config.groups).name
            detail = s.pick(("standby", "online", "takeover", "fence", f"group-stop {name}", f"group-start {name}",
                             f"group-move {name}", f"group-clear {name}"))  # fmt: skip
    return Fault(at_ns, kind, node, device, lasts, amount, detail)
