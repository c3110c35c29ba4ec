"""The commands that act: standby, online, takeover, group, cleanup, fence.

Owns the way from a typed line to a done deed: names, plan, question, request, wait. Invariant: on a terminal nothing of
confirmation level 2 or more happens without its plan shown and a yes (or --yes); off a terminal nothing is ever asked,
the words of the line are the consent, and fence takes --confirm-off as its own.
Must not know how the daemon decides.
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from hbcore.cli import names, show
from hbcore.cli.look import put_json, put_lines
from hbcore.control.client import Client, Target, connect
from hbcore.control.schema import Action, Outcome, Plan, Settled, Status
from hbcore.control.wire import Ask
from hbcore.words import say


def build(args: argparse.Namespace, status: Status) -> Action:
    """The request that the line means, with full names. Raises ControlError for names that mean nothing here."""
    nodes = [node.name for node in status.nodes]
    node = getattr(args, "node", None)
    group: str | None = None
    resource: str | None = None
    verb = args.command
    if args.command == "group":
        verb = f"group-{args.act}"
        group = names.resolve("group", args.group, [g.name for g in status.groups])
    if args.command == "cleanup":
        group, resource = names.resource(args.resource, args.group, status)
    if node is not None:
        # for a deed of level 4 a beginning of a name is not enough
        node = names.resolve("node", node, nodes, prefix=args.command != "fence")
    elif args.command not in ("group", "cleanup"):
        node = status.node
    return Action(
        verb=verb,
        node=node,
        group=group,
        scope=getattr(args, "scope", "all"),
        reason=args.reason,
        confirm_off=getattr(args, "confirm_off", False),
        tool=args.tool,
        resource=resource,
    )


async def act(args: argparse.Namespace, target: Target, ask: Ask | None) -> int:
    async with connect(target, tool=args.tool, ask=ask) as client:
        action = build(args, await client.status())
        if args.dry_run:
            return _show_plan(args, await client.plan(action))
        if not args.yes and not args.json and sys.stdin.isatty() and sys.stderr.isatty():
            plan = await client.plan(action)
            if plan.refused is None and plan.level >= 2:
                put_lines(show.plan_lines(plan, show.Paint(sys.stdout)))
                if not _agreed(plan, action):
                    sys.stderr.write(say("act-nothing-done") + "\n")
                    return 1
                action = msgspec.structs.replace(action, generation=plan.generation)
        outcome = await client.act(action)
        settled = await _settle(args, client, outcome)
    return _report(args, outcome, settled)


async def _settle(args: argparse.Namespace, client: Client, outcome: Outcome) -> Settled | None:
    if not args.wait or not outcome.accepted:
        return None
    return await client.settled(outcome.ticket, args.timeout)


def _show_plan(args: argparse.Namespace, plan: Plan) -> int:
    if args.json:
        put_json(plan)
    else:
        put_lines(show.plan_lines(plan, show.Paint(sys.stdout)))
    return 0 if plan.refused is None else 1


def _agreed(plan: Plan, action: Action) -> bool:
    """Level 2: y. Level 3 and 4: the name of what is meant, typed."""
    name = action.group or action.node or ""
    question = say("act-ask", action=plan.action) if plan.level == 2 else say("act-type-name", name=name)
    sys.stderr.write(question + " ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    return answer.lower() in ("y", "yes") if plan.level == 2 else answer != "" and answer == name


def _report(args: argparse.Namespace, outcome: Outcome, settled: Settled | None) -> int:
    good = outcome.accepted and (settled is None or (settled.done and settled.ok))
    if args.json:
        put_json({**msgspec.to_builtins(outcome), "settled": settled})
        return 0 if good else 1
    if not outcome.accepted:
        refused = outcome.plan.refused
        sys.stderr.write(say("show-refused", text=refused.text if refused else "-") + "\n")
        return 1
    lines = show.plan_lines(outcome.plan, show.Paint(sys.stdout))
    if settled is not None:
        code = "act-settled" if settled.done and settled.ok else "act-failed" if settled.done else "act-waiting"
        lines.append(say(code, time=show.millis(settled.elapsed_ms)))
        lines += [f"  {said.text}" for said in settled.said]
    put_lines(lines)
    return 0 if good else 1
