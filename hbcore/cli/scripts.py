"""The commands about what runs resources: output, agents.

Owns what they print, and that agents answers without hbcored too: haresources is written before it runs. Invariant:
with --json one JSON value and nothing else on standard output; a script's own words stand as it printed them. Must not
know where scripts are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from hbcore.cli import names, show
from hbcore.cli.look import put_json, put_lines
from hbcore.control.client import ControlError, Target, connect
from hbcore.control.schema import Agent, Output, Parameter
from hbcore.control.wire import Ask
from hbcore.words import say


async def output(args: argparse.Namespace, target: Target, ask: Ask | None) -> int:
    """Exit 1 where nothing is kept."""
    async with connect(target, tool=args.tool, ask=ask) as client:
        status = await client.status()
        group, resource = names.resource(args.resource, args.group, status)
        found = await client.output(group, resource, args.operation)
    if args.json:
        put_json(found)
    elif not found:
        raise ControlError("output-none", resource=resource, node=status.node)
    else:
        put_lines([line for one in found for line in output_lines(one, status.node)])
    return 0 if found else 1


def output_lines(one: Output, node: str) -> Iterator[str]:
    code = "output-head" if one.exit is None else "output-head-exit"
    yield say(
        code, at=show.stamp(one.at), operation=one.operation, resource=one.resource, node=node, outcome=one.outcome,
        exit=one.exit, took=show.millis(one.took_ms),
    )  # fmt: skip
    yield from (f"  {line}" for line in one.lines or [one.said])


async def agents(args: argparse.Namespace, target: Target, ask: Ask | None) -> int:
    try:
        async with connect(target, tool=args.tool, ask=ask) as client:
            if args.act is None:
                return _listed(args, await client.agents(args.kind))
            return _described(args, await client.agent(args.agent))
    except ControlError as error:
        if error.code != "no-daemon" or args.socket:
            raise
    from hbcore.cli import unaided  # slow, and seldom needed

    sys.stderr.write(f"{args.tool}: {say('agents-here')}\n")
    if args.act is None:
        return _listed(args, await unaided.names(args.kind))
    return _described(args, await unaided.show(args.agent))


def _listed(args: argparse.Namespace, found: list[str]) -> int:
    put_json(found) if args.json else put_lines(found)
    return 0


def _described(args: argparse.Namespace, found: Agent) -> int:
    if args.json:
        put_json(found)
    else:
        put_lines(list(agent_lines(found)))
        if found.problem is not None:
            sys.stderr.write(f"{args.tool}: {found.problem.text}\n")
    return 0 if found.problem is None else 1


def agent_lines(found: Agent) -> Iterator[str]:
    if found.path:
        yield say("agent-at", name=found.name, kind=found.kind or "-", path=found.path)
    if found.short:
        yield f"  {found.short}"
    yield from ["", *(f"  {line}".rstrip() for line in found.about)] if found.about else ()
    for required in (True, False):
        chosen = [p for p in found.parameters if p.required is required]
        yield from ["", say("agent-required" if required else "agent-optional")] if chosen else ()
        for parameter in chosen:
            yield from _parameter(parameter)


def _parameter(one: Parameter) -> Iterator[str]:
    code = "agent-parameter" if one.default is None else "agent-parameter-default"
    yield say(code, name=one.name, type=one.type, default=one.default)
    if text := one.about or one.short:
        yield f"      {text}"
