"""A small second implementation of `control.server.Backend`: a two-node cluster in memory, for tests of both ends."""

from __future__ import annotations

import asyncio
import time

import msgspec

from hbcore.control import schema as api

LEVEL = {"online": 1, "group-clear": 1, "group-start": 1, "group-stop": 3, "fence": 4}


def status(owner: str = "node1.xiaofei.com") -> api.Status:
    nodes = ["node1.xiaofei.com", "node2.xiaofei.com"]
    hole = api.Said(code="H2", text="every direct path cut while both reach the control")
    classic = api.Protection(level="classic", holes=[hole])
    vip = api.Resource(
        name="192.168.100.100", agent="address", state="started", node=owner, failcount=0, detail="eth0:0"
    )
    web = api.Resource(name="httpd", agent="script", state="started", node=owner, failcount=0)
    parts = [vip, web]
    why = [api.Said(code="why-first-in-prefer", text=f"{owner} comes first in haresources")]
    return api.Status(
        api=api.API,
        cluster="web",
        node=nodes[0],
        coordinator=None,
        generation=7,
        quorum=api.Quorum(quorate=True, votes=2, expected=2, mode="classic"),
        protection=classic,
        nodes=[api.Node(name=nodes[0], state="online"), api.Node(name=nodes[1], state="online", heard="two-way")],
        links=[api.Link(name="eth0", peer=nodes[1], state="up", rtt_ms=0.4, reason=None, media="mcast", age_ms=40.0)],
        groups=[
            api.Group(
                name="vip", state="started", node=owner, prefer=nodes, protection=classic, why=why, resources=parts
            )
        ],
        rules=[],
        at=time.time(),
    )


class Cluster:
    """`acted` and `actors` keep what was accepted; `hang` makes settled wait its whole timeout."""

    def __init__(self) -> None:
        self.now = status()
        self.acted: list[api.Action] = []
        self.actors: list[api.Actor] = []
        self.log = [
            api.Event(id=n, at=1000.0 + n, node=self.now.node, code="x", text=f"event {n}") for n in range(1, 6)
        ]
        self.hang = False

    def status(self) -> api.Status:
        return msgspec.structs.replace(self.now, at=time.time())

    def events(self, since: float | None, limit: int) -> list[api.Event]:
        return [e for e in self.log if since is None or e.at >= since][-limit:]

    def output(self, asked: api.OutputParams) -> list[api.Output]:
        lines = ["Starting httpd", "", "port 80 is taken"]
        made = api.Output(
            group=asked.group, resource=asked.resource, operation="start", outcome="failed", exit=7, said="failed",
            at=1000.0, took_ms=12.0, lines=lines,
        )  # fmt: skip
        return [made] if asked.resource == "httpd" and asked.operation in (None, "start") else []

    async def agents(self, kind: api.AgentClass | None) -> list[str]:
        listed = {"script": ["Filesystem"], "ocf": ["ocf:heartbeat:Filesystem"]}
        return [name for one, some in listed.items() for name in some if kind in (None, one)]

    async def agent(self, name: str) -> api.Agent:
        problem = None if "Filesystem" in name else api.Said(code="agent-not-here", text=f"there is no {name}")
        device = api.Parameter(name="device", required=True, type="string", default=None, short="device", about="")
        slow = api.Parameter(name="slow", required=False, type="boolean", default="false", short="", about="wait long")
        return api.Agent(
            name=name, kind="ocf", path="" if problem else "/usr/lib/ocf/x", short="" if problem else "Mounts",
            about=[], parameters=[] if problem else [device, slow], problem=problem,
        )  # fmt: skip

    def plan(self, action: api.Action) -> api.Plan:
        refused = api.Said(code="no-such-node", text="no such node") if action.node == "nowhere" else None
        if action.generation not in (None, self.now.generation):
            refused = api.Said(code="state-changed", text="The state changed since the plan was made.")
        if action.verb == "fence" and not action.confirm_off:
            refused = api.Said(code="fence-needs-confirm", text="no fence device: --confirm-off")
        here = self.now.groups[0].node
        move = api.Effect(kind="move", subject="vip", node=here, to="node2.xiaofei.com", outage_ms=40.0)
        return api.Plan(
            action=action.verb,
            command=f"hbctl {action.verb}",
            generation=self.now.generation,
            effects=[move],
            warnings=[api.Said(code="w", text="node2 is then alone")],
            refused=refused,
            level=LEVEL.get(action.verb, 2),
            undo="hbctl online",
        )

    async def act(self, action: api.Action, actor: api.Actor) -> api.Outcome:
        plan = self.plan(action)
        if plan.refused is not None:
            return api.Outcome(accepted=False, plan=plan)
        self.acted.append(action)
        self.actors.append(actor)
        return api.Outcome(accepted=True, plan=plan, ticket=len(self.acted))

    async def settled(self, ticket: int, timeout_s: float) -> api.Settled:
        if self.hang:
            await asyncio.sleep(timeout_s)
        said = [api.Said(code="waiting", text="httpd is still stopping")] if self.hang else []
        return api.Settled(done=not self.hang, ok=not self.hang, said=said, elapsed_ms=12.0)
