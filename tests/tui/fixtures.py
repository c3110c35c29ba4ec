"""A small cluster in memory behind a real control server: what the window's tests look at and steer.

It moves groups when told to, in steps that take time, and publishes as the daemon does: at each change and once a
second. It decides nothing cleverly; it is there to give the window something true to show.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from hbcore.control.schema import (
    API,
    Action,
    Actor,
    Agent,
    AgentClass,
    Alarm,
    Effect,
    Event,
    Group,
    Link,
    Node,
    Outcome,
    Output,
    OutputParams,
    Ping,
    Plan,
    Protection,
    Quorum,
    Resource,
    Rule,
    Said,
    Settled,
    Status,
    Value,
)
from hbcore.control.server import Server

ONE, TWO = "node1.xiaofei.com", "node2.xiaofei.com"
HOLES = [
    Said(code="H1", text="H1: a paused or isolated peer is presumed dead; heavy groups and groups without an address."),
    Said(code="H2", text="H2: every direct path cut while both still reach 192.168.100.254 gives two owners."),
    Said(code="H6", text="H6: no guard yet: with everything of ours frozen or killed, the address keeps answering."),
    Said(code="H7", text="H7: the key in authkeys has 64 bit; under 128 bit heartbeats can be forged."),
]
LEVEL = {"online": 1, "group-clear": 2, "group-start": 1, "group-stop": 3, "fence": 4}


def group(name: str, owner: str | None, prefer: list[str], since: float, *parts: tuple[str, str, str]) -> Group:
    state = "started" if owner else "stopped"
    resources = [
        Resource(name=n, agent=a, state=state, node=owner, failcount=0, detail=d, since=since) for n, a, d in parts
    ]
    why = [Said(code="why-home", text=f"{prefer[0]} comes first in haresources")]
    return Group(
        name=name,
        state="started" if owner else "stopped",
        node=owner,
        prefer=prefer,
        protection=Protection(level="classic", holes=HOLES[1:3]),
        why=why,
        resources=resources,
        weight="light",
        weight_why=Said(code="weight-known-light", text="all its resources may run twice for a moment"),
        epoch=3,
        since=since,
    )


def two_nodes(at: float | None = None) -> Status:
    """The tutorial's cluster, healthy, as node1 sees it."""
    at = time.time() if at is None else at
    parts = (
        ("192.168.100.100", "address", "192.168.100.100/24 eth0:0"),
        ("httpd", "script", "/etc/ha.d/resource.d/httpd"),
    )
    return Status(
        api=API,
        cluster="web",
        node=ONE,
        coordinator=None,
        generation=41,
        quorum=Quorum(quorate=True, votes=2, expected=2, mode="classic"),
        protection=Protection(level="classic", holes=HOLES),
        nodes=[
            Node(name=ONE, state="online", heard="self", version="0.2.0", incarnation=1795340511, control="ok"),
            Node(name=TWO, state="online", heard="two-way", version="0.2.0", incarnation=1795340513, control="ok"),
        ],
        links=[Link(name="eth0", peer=TWO, state="up", rtt_ms=0.41, reason=None, media="mcast", age_ms=41.0)],
        groups=[group("192.168.100.100", ONE, [ONE, TWO], at - 11_220, *parts)],
        rules=[],
        at=at,
        version="0.2.0",
        pings=[Ping(name="192.168.100.254", state="up", rtt_ms=0.3, age_ms=80.0)],
        values=[
            Value(option="keepalive", value="100 ms", source="ours", heartbeats="1 s"),
            Value(option="warntime", value="250 ms", source="ours", heartbeats="10 s"),
            Value(option="deadtime", value="500 ms", source="ours", heartbeats="30 s"),
            Value(option="initdead", value="12 s", source="ours", heartbeats="60 s"),
            Value(option="auto_failback", value="on", source="ours", heartbeats="legacy"),
            Value(option="mcast", value="eth0 225.100.0.1:694", source="file"),
        ],
    )


def many(nodes: int, groups: int, each: int) -> Status:
    """A big cluster: `groups` groups of `each` resources on `nodes` nodes."""
    names = [f"n{number:02}.example.org" for number in range(1, nodes + 1)]
    base = two_nodes(time.time())
    made = []
    for number in range(groups):
        home = names[number % nodes]
        parts = [(f"res-{number:03}-{part}", "ocf:heartbeat:Dummy", f"instance {part}") for part in range(each)]
        made.append(group(f"group-{number:03}", home, [home, names[(number + 1) % nodes]], base.at - 90_000, *parts))
    return msgspec.structs.replace(
        base,
        node=names[0],
        nodes=[Node(name=n, state="online", heard="two-way" if n != names[0] else "self") for n in names],
        links=[Link(name="eth0", peer=n, state="up", rtt_ms=0.3, reason=None, media="ucast") for n in names[1:]],
        groups=made,
    )


class Cluster:
    """A `control.server.Backend`. `step_s`: how long a stop and a start take each."""

    def __init__(self, status: Status, step_s: float = 0.15) -> None:
        self.now = status
        self.step_s = step_s
        self.acted: list[tuple[Action, Actor]] = []
        self.log: list[Event] = []
        self.server: Server | None = None
        self._ids = itertools.count(1)
        self._tickets: dict[int, asyncio.Task[None]] = {}
        self.say("node", f"{status.node} joined the cluster", about=status.node)

    # --- what the server asks ---

    def status(self) -> Status:
        return msgspec.structs.replace(self.now, at=time.time(), pending=self._pending())

    def events(self, since: float | None, limit: int) -> list[Event]:
        return [event for event in self.log if since is None or event.at >= since][-limit:]

    def output(self, asked: OutputParams) -> list[Output]:
        return []  # nothing was started since this daemon began

    async def agents(self, kind: AgentClass | None) -> list[str]:
        return []

    async def agent(self, name: str) -> Agent:
        problem = Said(code="agent-not-here", text=f"there is no {name} on this node")
        return Agent(name=name, kind="", path="", short="", about=[], parameters=[], problem=problem)

    def plan(self, action: Action) -> Plan:
        refused = None
        if action.generation not in (None, self.now.generation):
            refused = Said(code="state-changed", text="The state changed since the plan was made.")
        if action.node is not None and action.node not in [node.name for node in self.now.nodes]:
            refused = Said(code="no-such-node", text=f"There is no node {action.node}.")
        words = ["hbctl", action.verb.replace("group-", "group "), action.group, action.node]
        return Plan(
            action=action.verb,
            command=" ".join(word for word in words if word),
            generation=self.now.generation,
            effects=self.effects(action),
            warnings=[Said(code="alone", text="node1 is then the only node that can run anything")],
            refused=refused,
            level=LEVEL.get(action.verb, 2),
            undo="hbctl online" if action.verb == "standby" else "",
        )

    async def act(self, action: Action, actor: Actor) -> Outcome:
        plan = self.plan(action)
        if plan.refused is not None:
            return Outcome(accepted=False, plan=plan)
        self.acted.append((action, actor))
        ticket = len(self.acted)
        self._tickets[ticket] = asyncio.create_task(self._run(plan.effects, action, actor))
        return Outcome(accepted=True, plan=plan, ticket=ticket)

    async def settled(self, ticket: int, timeout_s: float) -> Settled:
        start = time.monotonic()
        done, _ = await asyncio.wait({self._tickets[ticket]}, timeout=timeout_s)
        elapsed = (time.monotonic() - start) * 1000
        said = [] if done else [Said(code="waiting", text="httpd is still stopping")]
        return Settled(done=bool(done), ok=bool(done), said=said, elapsed_ms=elapsed)

    # --- the little world ---

    def effects(self, action: Action) -> list[Effect]:
        found = (
            [Effect(kind="mode", subject=action.node, to="standby")] if action.verb == "standby" and action.node else []
        )
        if action.verb == "online" and action.node:
            found.append(Effect(kind="mode", subject=action.node, to="online"))
        for one in self.now.groups:
            to = self._destination(action, one)
            if action.verb == "group-stop" and action.group == one.name:
                found.append(Effect(kind="stop", subject=one.name, node=one.node))
            elif action.verb == "group-start" and action.group == one.name:
                found.append(Effect(kind="start", subject=one.name, node=one.prefer[0]))
            elif to is not None and to != one.node:
                found.append(Effect(kind="move", subject=one.name, node=one.node, to=to, outage_ms=38.0))
        return found

    def _destination(self, action: Action, one: Group) -> str | None:
        other = next((n for n in one.prefer if n != one.node), None)
        match action.verb:
            case "standby":
                return other if one.node == action.node else None
            case "takeover":
                return action.node
            case "group-move":
                return action.node if one.name == action.group else None
            case "group-clear":
                return one.prefer[0] if one.name == action.group else None
        return None

    async def _run(self, effects: list[Effect], action: Action, actor: Actor) -> None:
        self.say("config", f"{action.verb} {action.node or action.group} asked for", actor=actor)
        for effect in effects:
            match effect.kind:
                case "mode":
                    self.set_node(effect.subject, state=effect.to)
                    self.say("standby", f"{effect.subject} is now {effect.to}", actor=actor, about=effect.subject)
                case "move":
                    await self.move(effect.subject, effect.to)
                case "stop":
                    await self.move(effect.subject, None)
                    self.set_group(effect.subject, wanted="stopped")
                case "start":
                    self.set_group(effect.subject, wanted="started")
                    await self.move(effect.subject, effect.node)

    async def move(self, name: str, to: str | None) -> None:
        self.set_group(name, state="stopping")
        await asyncio.sleep(self.step_s)
        self.place(name, None, "stopped")
        self.say("stop", f"{name} stopped", about=name)
        if to is not None:
            self.place(name, to, "starting")
            await asyncio.sleep(self.step_s)
            self.place(name, to, "started")
            self.say("start", f"{name} started on {to}", about=name)

    def place(self, name: str, node: str | None, state: str) -> None:
        one = next(g for g in self.now.groups if g.name == name)
        at = time.time()
        resources = [msgspec.structs.replace(r, state=state, node=node, since=at) for r in one.resources]
        self.set_group(name, state=state, node=node, since=at, resources=resources)

    def set_group(self, name: str, **fields: Any) -> None:
        groups = [msgspec.structs.replace(g, **fields) if g.name == name else g for g in self.now.groups]
        self.change(groups=groups)

    def set_node(self, name: str, **fields: Any) -> None:
        self.change(nodes=[msgspec.structs.replace(n, **fields) if n.name == name else n for n in self.now.nodes])

    def change(self, **fields: Any) -> None:
        self.now = msgspec.structs.replace(self.now, generation=self.now.generation + 1, **fields)
        self.publish()

    def publish(self) -> None:
        if self.server is not None:
            self.server.publish(self.status())

    def say(self, kind: Any, text: str, about: str = "", actor: Actor | None = None, severity: Any = "info") -> None:
        event = Event(
            id=next(self._ids),
            at=time.time(),
            node=self.now.node,
            code=f"{kind}-said",
            text=text,
            kind=kind,
            about=about,
            actor=actor,
            severity=severity,
        )
        self.log.append(event)
        if self.server is not None:
            self.server.announce(event)

    def _pending(self) -> int:
        return sum(not task.done() for task in self._tickets.values())


def troubled(at: float | None = None) -> Status:
    """The same cluster after a takeover with a pin, a link that is one-way and an alarm."""
    base = two_nodes(at)
    moved = group("192.168.100.100", TWO, [ONE, TWO], base.at - 42, *_parts(base))
    moved = msgspec.structs.replace(moved, why=[Said(code="why-pinned", text=f"pinned to {TWO}")])
    return msgspec.structs.replace(
        base,
        groups=[moved],
        rules=[Rule(group=moved.name, node=TWO, kind="pin", by="root", at="2026-11-22T09:00:00Z",
                    expires="2026-11-22T17:00:00Z", reason="kernel update")],
        links=[Link(name="eth0", peer=TWO, state="one-way", rtt_ms=None, reason="node2 does not hear us", media="mcast",
                    age_ms=90.0, late=12)],
        alarms=[Alarm(code="one-way", text="node2.xiaofei.com is heard one-way on every link", since=base.at - 40,
                      about=TWO, severity="critical")],
    )  # fmt: skip


def _parts(status: Status) -> list[tuple[str, str, str]]:
    return [(r.name, r.agent, r.detail) for r in status.groups[0].resources]


@contextlib.asynccontextmanager
async def serving(cluster: Cluster, path: Path) -> AsyncIterator[Server]:
    """`cluster` behind a real control server at `path`, publishing once a second."""
    server = Server(cluster, path)
    await server.start()
    cluster.server = server

    async def beat() -> None:
        while True:
            await asyncio.sleep(1.0)
            cluster.publish()

    beating = asyncio.create_task(beat())
    try:
        yield server
    finally:
        beating.cancel()
        await server.close()
        cluster.server = None


async def serve_forever(path: Path, status: Status) -> None:
    async with serving(Cluster(status), path):
        await asyncio.Event().wait()
