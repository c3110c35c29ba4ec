"""hbctl explain: what this very cluster does on each fault, beside what heartbeat 3 does with the same files.

Owns which sentences apply: a table of faults, each with what holds for the kinds of groups there are, by the engine's
own arithmetic. Invariant: nothing is claimed that the engine does not do; a hole that the files leave open is named
where it opens. Must not know the sentences.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hbcore.cli import care
from hbcore.cli.care import Said
from hbcore.cli.look import put_json, put_lines
from hbcore.cli.readable import readable
from hbcore.engine.config import SECOND, ClusterConfig, GroupDef, Link, Media, Problem, Weight
from hbcore.engine.group import STOP_RETRIES
from hbcore.engine.holes import STRONG_BITS
from hbcore.engine.lease import HUNG_NS, Lease, lease_of, valid_s
from hbcore.engine.probing import ROUND_NS
from hbcore.engine.serial import frame_bytes, pace_ns
from hbcore.formats.haresources import written
from hbcore.formats.timing import HEARTBEATS_DEADTIME_NS, HEARTBEATS_KEEPALIVE_NS
from hbcore.formats.values import show
from hbcore.words import say


@dataclass(frozen=True, slots=True)
class View:
    """The cluster as the sentences need it. `ipfail`: ha.cf starts it. `left_out`: options that no file says."""

    config: ClusterConfig
    lease: Lease
    key_bits: int
    ipfail: bool
    left_out: frozenset[str]

    def groups(self, *kinds: str) -> str:
        return ", ".join(g.name for g in self.config.groups if kind(g) in kinds)

    @property
    def ping(self) -> str:
        return ", ".join(self.config.pings)

    @property
    def takeover(self) -> str:
        """Silence until it is LOST, and the claim, which lasts for a round of questions at least."""
        return show(self.lease.deadtime_ns + max(self.lease.claim_ns, ROUND_NS))

    @property
    def deadtime(self) -> str:
        return show(self.lease.deadtime_ns)

    @property
    def hb_deadtime_ns(self) -> int:
        return HEARTBEATS_DEADTIME_NS if "deadtime" in self.left_out else self.lease.deadtime_ns

    @property
    def hb_keepalive_ns(self) -> int:
        return HEARTBEATS_KEEPALIVE_NS if "keepalive" in self.left_out else self.lease.keepalive_ns

    def theirs(self, option: str, ours_ns: int) -> str:
        """What heartbeat would take for a time: its own where no file says it."""
        return next((c.heartbeats for c in self.config.chosen if c.option == option), show(ours_ns))


@dataclass(frozen=True, slots=True)
class Fault:
    code: str
    here: tuple[Said, ...]
    heartbeat: tuple[Said, ...]
    holes: tuple[Said, ...] = ()


def explain(args: argparse.Namespace) -> int:
    path = Path(args.dir)
    config, keys, problems = readable(path, "explain")
    view = View(
        config, lease_of(config.timing), keys.weakest_bits, ipfail(problems), frozenset(c.option for c in config.chosen)
    )
    faults = [fault for fault in (answer(view) for answer in ANSWERS) if fault is not None]
    if args.json:
        put_json(_as_json(view, faults))
    else:
        put_lines(list(_text(view, faults)))
    return 0


def ipfail(problems: tuple[Problem, ...]) -> bool:
    """Does ha.cf start ipfail, without which heartbeat looked at no ping node?"""
    return any(p.code == "respawn-built-in" and ("program", "ipfail") in p.args for p in problems)


def kind(group: GroupDef) -> str:
    """gated | open (light, no guard) | bare (light, no address) | heavy | heavy-bare."""
    if group.weight is Weight.HEAVY:
        return "heavy" if group.addresses else "heavy-bare"
    if not group.addresses:
        return "bare"
    return "gated" if group.gated else "open"


LIGHT = ("gated", "open")
ALL = (*LIGHT, "bare", "heavy", "heavy-bare")


def _of(view: View, code: str, *kinds: str, **args: object) -> list[Said]:
    """The sentence about the groups of these kinds, where there are any."""
    groups = view.groups(*kinds)
    return [(code, {"groups": groups, **args})] if groups else []


def _hole(code: str, groups: str = "", **args: object) -> Said:
    """`groups`: whose it is, where not all's."""
    return f"hole-{code}", {"groups": groups, **args}


def _twice(view: View) -> list[Said]:
    """H1, of groups that must not run twice and of those that no address tells of."""
    kinds = ((("heavy", "heavy-bare"), "heavy"), (("bare",), say("explain-kind-bare")))
    return [_hole("H1", groups, why=why) for names, why in kinds if (groups := view.groups(*names))]


def _power(view: View) -> Fault:
    times = {"takeover": view.takeover, "deadtime": view.deadtime}
    here = _of(view, "x-power-light", *LIGHT, **times) + _of(view, "x-power-heavy", "heavy", **times)
    here += _of(view, "x-power-bare", "bare", "heavy-bare", **times)
    if view.config.pings:
        here.append(("x-power-ping", {**times, "ping": view.ping}))
    back = "x-back-on" if view.config.auto_failback else "x-back-off"
    here.append((back, {"well": show(2 * view.lease.deadtime_ns)}))
    heartbeat: list[Said] = [("hb-power", {"deadtime": show(view.hb_deadtime_ns)})]
    if "auto_failback" in view.left_out:
        heartbeat.append(("hb-power-legacy", {}))
    return Fault("when-power", tuple(here), tuple(heartbeat))


def _frozen(view: View) -> Fault:
    silent = show(view.lease.lease_ns + view.lease.ticket_ns)
    here = _of(view, "x-frozen-gated", "gated", silent=silent, takeover=view.takeover)
    here += _of(view, "x-frozen-open", "open", valid=f"{valid_s(view.lease)} s")
    here += _of(view, "x-frozen-bare", "bare") + _of(view, "x-frozen-heavy", "heavy", "heavy-bare")
    heavy, unguarded = view.groups("heavy", "heavy-bare"), view.groups("open")
    holes = [_hole("H4", heavy)] if heavy else []
    if unguarded:
        holes.append(_hole("H6", unguarded, error="guard: off", seconds=valid_s(view.lease)))
    return Fault("when-frozen", tuple(here), (("hb-frozen", {"deadtime": show(view.hb_deadtime_ns)}),), tuple(holes))


def _process(view: View) -> Fault:
    return Fault("when-process", (("x-process", {"hung": show(HUNG_NS)}),), (("hb-process", {}),))


def _paused(view: View) -> Fault:
    heartbeat = (("hb-frozen", {"deadtime": show(view.hb_deadtime_ns)}),)
    return Fault("when-paused", (("x-paused", {}),), heartbeat, (_hole("H5"), *_twice(view)))


def _one_link(view: View) -> Fault:
    links = view.config.links
    if len({(link.device, link.media) for link in links}) == 1:
        return Fault("when-one-link", (("x-one-path", {"link": links[0].name}),), (("hb-same", {}),))
    return Fault("when-one-link", (("x-one-link", {"deadtime": view.deadtime}),), (("hb-same", {}),))


def _all_links(view: View) -> Fault:
    here = _of(view, "x-cut-veto", *LIGHT) + _of(view, "x-cut-heavy", "heavy")
    here += _of(view, "x-cut-block", "bare", "heavy-bare")
    times = {"lease": show(view.lease.lease_ns), "deadtime": view.deadtime, "takeover": view.takeover}
    here.append(("x-cut-ping", times | {"ping": view.ping}) if view.config.pings else ("x-cut-gateway", {}))
    holes = [_hole("H2", control=view.ping) if view.config.pings else _hole("H3"), *_twice(view)]
    restart = show(view.hb_deadtime_ns + SECOND)  # it sleeps so long, that the other may notice
    heartbeat = ("hb-cut", {"deadtime": show(view.hb_deadtime_ns), "restart": restart})
    return Fault("when-all-links", tuple(here), (heartbeat,), tuple(holes))


def _card(view: View) -> Fault | None:
    """Where heartbeats and addresses may have different devices."""
    devices = {a.device for g in view.config.groups for a in g.addresses}
    if not devices or {link.device for link in view.config.links} == devices:
        return None
    ping = {"ping": view.ping, "deadtime": view.deadtime}
    here: Said = ("x-card-ping", ping) if view.config.pings else ("x-card-gateway", ping)
    if not (view.ipfail and view.config.pings):
        return Fault("when-card", (here,), (("hb-card", {}),))
    deadping = show(view.hb_deadtime_ns if "deadping" in view.left_out else view.config.timing.deadping_ns)
    damping = show(2 * view.hb_keepalive_ns)
    return Fault("when-card", (here,), (("hb-card-ipfail", {"deadping": deadping, "damping": damping}),))


def _ping(view: View) -> Fault | None:
    if not view.config.pings:
        return None
    return Fault("when-ping", (("x-ping", {"deadtime": view.deadtime}),), (("hb-ping", {}),))


def _idle(view: View) -> Fault:
    return Fault("when-idle", (("x-idle", {}),), (("hb-same", {}),))


def _boot(view: View) -> Fault:
    initdead = view.config.timing.initdead_ns
    alone = {"initdead": show(initdead), "deadtime": view.deadtime}
    theirs = {"initdead": view.theirs("initdead", initdead)}
    return Fault("when-boot", (("x-boot-both", {}), ("x-boot-alone", alone)), (("hb-boot", theirs),))


def _leave(view: View) -> Fault:
    return Fault("when-leave", (("x-leave", {}),), (("hb-leave", {}),))


def _service(view: View) -> Fault | None:
    here = care.failing(view.config.groups)
    if view.groups(*LIGHT, "heavy"):
        here.append(("x-address", {}))
    return Fault("when-service", tuple(here), (("hb-service", {}),)) if here else None


def _start(view: View) -> Fault:
    hangs = care.hanging("x-start-hangs", view.config.groups, lambda one: one.start_ns)
    return Fault("when-start", (("x-start", {}), *hangs), (("hb-start", {}),))


def _stop(view: View) -> Fault:
    hangs = care.hanging("x-stop-hangs", view.config.groups, lambda one: one.stop_ns)
    return Fault("when-stop", (("x-stop", {"tries": 1 + STOP_RETRIES}), *hangs), (("hb-stop", {}),))


ANSWERS: tuple[Callable[[View], Fault | None], ...] = (
    _power, _frozen, _process, _paused, _one_link, _all_links, _card, _ping, _idle, _boot, _leave,
    _service, _start, _stop,
)  # fmt: skip


# -- telling -----------------------------------------------------------------------------------------------------------


def _cluster(view: View) -> list[Said]:
    config = view.config
    links = ", ".join(dict.fromkeys(_link(view, link) for link in config.links))
    said: list[Said] = [
        ("explain-cluster", {"cluster": config.cluster, "nodes": ", ".join(config.nodes)}),
        ("explain-beat", {"keepalive": show(view.lease.keepalive_ns), "links": links, "deadtime": view.deadtime}),
        ("explain-ping", {"ping": view.ping}) if config.pings else ("explain-no-ping", {}),
        ("explain-lease", {"lease": show(view.lease.lease_ns), "ticket": show(view.lease.ticket_ns)}),
    ]
    return said + ([_hole("H7", bits=view.key_bits)] if view.key_bits < STRONG_BITS else [])


def _link(view: View, link: Link) -> str:
    if not link.on_network:  # slower than the others, where it must be
        pace = pace_ns(frame_bytes(len(view.config.groups)), link.baud, view.lease.keepalive_ns)
        return say("explain-line", device=link.device, baud=link.baud, pace=show(pace))
    if link.media is Media.BCAST:
        return say("explain-link-all", device=link.device)
    return say("explain-link", device=link.device, target=link.target)


def _group(group: GroupDef) -> tuple[str, ...]:
    why = say(group.weight_why, of=group.weight_of)
    first = say("explain-group", group=group.name, home=group.prefer[0], weight=group.weight, why=why)
    return first, say("explain-resources", resources="  ".join(_resource(r) for r in group.resources)), *_own(group)


def _own(group: GroupDef) -> list[str]:
    return [say("explain-care", resource=name, listed=listed) for name, listed in care.own(group)]


def _resource(resource: Any) -> str:
    if resource.address is None or resource.args:
        return written(resource)
    one = resource.address
    return "/".join(str(part) for part in (one.ip, one.prefix, one.device, one.broadcast) if part is not None)


def _tell(said: Said) -> str:
    code, args = said
    text = say(code, **args)
    if not code.startswith("hole-"):
        return text
    whose = say("explain-who", names=args["groups"]) if args["groups"] else ""
    return say("explain-hole", hole=code.removeprefix("hole-"), whose=whose, text=text)


def _text(view: View, faults: list[Fault]) -> Iterator[str]:
    for said in _cluster(view):
        yield _tell(said)
    yield ""
    yield say("explain-groups" if view.config.groups else "explain-no-groups")
    for group in view.config.groups:
        first, *more = _group(group)
        yield f"  {first}"
        yield from (f"    {line}" for line in more)
    for fault in faults:
        yield ""
        yield say(fault.code)
        for said in (*fault.here, *fault.holes):
            yield f"  {_tell(said)}"
        for said in fault.heartbeat:
            yield f"  {say('explain-heartbeat', text=_tell(said))}"


def _as_json(view: View, faults: list[Fault]) -> dict[str, Any]:
    return {
        "cluster": view.config.cluster,
        "nodes": list(view.config.nodes),
        "said": [_coded(said) for said in _cluster(view)],
        "groups": [
            {"name": g.name, "home": g.prefer[0], "weight": str(g.weight), "kind": kind(g), "why": _group(g)[0],
             "resources": [_resource(r) for r in g.resources], "care": _own(g)}
            for g in view.config.groups
        ],
        "faults": [
            {"code": fault.code, "text": say(fault.code), "here": [_coded(said) for said in fault.here],
             "heartbeat": [_coded(said) for said in fault.heartbeat], "holes": [_coded(said) for said in fault.holes]}
            for fault in faults
        ],
    }  # fmt: skip


def _coded(said: Said) -> dict[str, Any]:
    return {"code": said[0], "text": say(said[0], **said[1])}
