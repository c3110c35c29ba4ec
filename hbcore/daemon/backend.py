"""The control server's backend: questions and orders of the windows, put to the engine.

Owns the way from an Action to an Order and from the engine's plan to the API's. Invariant: what is shown as a plan is
what runs; a plan made from an older generation is refused. Must not know sockets or roles.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec

from hbcore.agents.catalogue import Catalogue
from hbcore.agents.outputs import Outputs
from hbcore.control import schema
from hbcore.control.schema import Action, Actor, Event, Outcome, Said, Settled, Status
from hbcore.daemon.described import described
from hbcore.daemon.journal import Journal
from hbcore.daemon.snapshot import said
from hbcore.engine import events, planner
from hbcore.engine.effects import Effect
from hbcore.engine.engine import Engine
from hbcore.engine.planner import Order
from hbcore.host import clock
from hbcore.words import say

POLL_S = 0.05
LINE = 1000  # characters of one line of output: fewer bytes than sanitise.MAX_TEXT


class Backend:
    """`carry_out` runs the effects of an order that was accepted; `current` makes a Status."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        current: Callable[[], Status],
        carry_out: Callable[[list[Effect]], None],
        outputs: Outputs,
        catalogue: Catalogue,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._current = current
        self._carry_out = carry_out
        self._outputs = outputs
        self._catalogue = catalogue
        self._tickets = int(time.time() * 1000)

    def status(self) -> Status:
        return self._current()

    def events(self, since: float | None, limit: int) -> list[Event]:
        return self._journal.since(since, limit)

    def output(self, asked: schema.OutputParams) -> list[schema.Output]:
        found = self._outputs.of(asked.group, asked.resource, asked.operation or "")
        fields = [
            {
                "group": one.group, "resource": one.resource, "operation": one.operation, "outcome": one.outcome.value,
                "exit": one.code, "said": one.said, "at": one.ended_s, "took_ms": one.took_ns / 1e6,
                "lines": list(_lines(one.text)),
            }
            for one in found
        ]  # fmt: skip
        return msgspec.convert(fields, list[schema.Output])

    async def agents(self, kind: schema.AgentClass | None) -> list[str]:
        return await self._catalogue.names(kind or "")

    async def agent(self, name: str) -> schema.Agent:
        return described(name, await self._catalogue.show(name))

    def plan(self, action: Action) -> schema.Plan:
        order, problem = self._order(action)
        if problem is not None:
            return self._refused(action, problem)
        if action.verb == "fence" and not action.confirm_off:
            return self._refused(action, said("fence-needs-confirm", node=order.node))
        return self._shown(action, self._engine.plan(clock.now_ns(), order))

    async def act(self, action: Action, actor: Actor) -> Outcome:
        plan = self.plan(action)
        if plan.refused is not None:
            return Outcome(accepted=False, plan=plan)
        if action.generation is not None and action.generation != self._engine.generation:
            stale = msgspec.structs.replace(plan, refused=said("state-changed"))
            return Outcome(accepted=False, plan=stale)
        order, _ = self._order(action)
        self._tickets += 1
        who = events.Actor(
            actor.uid if actor.uid is not None else -1, actor.login if actor.login is not None else -1, actor.name,
            actor.ssh, actor.tool, action.reason or actor.reason,
        )  # fmt: skip
        asked = events.Asked(self._tickets, order.verb, order.node, order.group, order.scope, who)
        again, effects = self._engine.ask(clock.now_ns(), order, asked)
        self._carry_out(effects)
        if again.refused:
            return Outcome(accepted=False, plan=self._shown(action, again))
        return Outcome(accepted=True, plan=plan, ticket=self._tickets)

    async def settled(self, ticket: int, timeout_s: float) -> Settled:
        """Wait until what the order asked for is so, or the time is over."""
        end = time.monotonic() + timeout_s
        while True:
            found = self._engine.tickets.get(ticket)
            if found is None:
                return Settled(done=True, ok=False, said=[said("no-such-ticket", ticket=str(ticket))])
            elapsed_ms = (clock.now_ns() - found.begun_ns) / 1e6
            if found.done_ns:
                return Settled(done=True, ok=True, said=[], elapsed_ms=(found.done_ns - found.begun_ns) / 1e6)
            if time.monotonic() >= end:
                missing = [Said(code=code, text=say(code, **dict(args))) for code, args in found.missing]
                return Settled(done=False, ok=False, said=missing, elapsed_ms=elapsed_ms)
            await asyncio.sleep(POLL_S)

    # -- translation ---------------------------------------------------------------------------------------------------

    def _order(self, action: Action) -> tuple[Order, Said | None]:
        config = self._engine.world.config
        order = Order(action.verb, action.node or "", action.group or "", action.scope)
        if action.verb not in planner.PLANS:
            return order, said("unknown-verb", verb=action.verb, known=", ".join(planner.PLANS))
        if action.node and action.node not in config.nodes:
            return order, said("no-such-node", node=action.node, known=", ".join(config.nodes))
        if action.resource and (group := self._engine.world.groups.get(order.group)):
            known = [member.resource.name for member in group.members]
            if action.resource not in known:
                return order, said(
                    "no-such-resource", group=group.name, resource=action.resource, known=", ".join(known)
                )
        return order, None

    def _refused(self, action: Action, why: Said) -> schema.Plan:
        return schema.Plan(
            action=action.verb, command=_command(action), generation=self._engine.generation, effects=[], warnings=[],
            refused=why, level=0,
        )  # fmt: skip

    def _shown(self, action: Action, plan: planner.Plan) -> schema.Plan:
        if plan.refused:
            args = dict(plan.refused_args)
            if "why" in args:
                args["why"] = say(f"why-{args['why']}", peer=args.get("other", args.get("node", "")), **args)
            return self._refused(action, said(plan.refused, **args))
        effects = []
        for line in plan.lines:
            args = dict(line.args)
            text = None
            if line.code:
                known = f"why-{line.code}" if line.kind == "blocked" else line.code
                text = said(known, peer=args.get("node", ""), group=line.subject, **args)
            fields = {
                "kind": line.kind, "subject": line.subject, "node": line.node or None, "to": line.to or None,
                "outage_ms": line.outage_ns / 1e6 if line.outage_ns >= 0 else None, "said": text,
            }  # fmt: skip
            effects.append(msgspec.convert(fields, schema.Effect))
        return schema.Plan(
            action=action.verb, command=_command(action), generation=self._engine.generation, effects=effects,
            warnings=[said(code, **dict(args)) for code, args in plan.warnings], refused=None, level=plan.level,
            undo=plan.undo,
        )  # fmt: skip


def _command(action: Action) -> str:
    """The same by hand."""
    words = ["hbctl", *action.verb.split("-", 1)]
    if action.verb == "cleanup":
        words += [action.resource or "-", "--group"]
    words += [w for w in (action.group, action.node) if w]
    if action.scope != "all":
        words.append(action.scope)
    if action.confirm_off:
        words.append("--confirm-off")
    return " ".join(words)


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n") if text else ():
        for at in range(0, max(1, len(line)), LINE):
            yield line[at : at + LINE]
