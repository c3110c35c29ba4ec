"""hbctl doctor: what would keep this node, or the two together, from working, with a line that mends each.

Owns the asking of the other node and the telling. Invariant: exit 0 only where nothing but notes was found; with
--peer, what could not be looked at is a finding. Must not know how a fact is found out, nor what it means.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from hbcore.cli import judge
from hbcore.cli.facts import Ask, Clock, Facts
from hbcore.cli.judge import Finding
from hbcore.cli.look import put_json, put_lines
from hbcore.control.errors import ControlError
from hbcore.control.sanitise import MalformedError, decode
from hbcore.control.target import Target, parse_host
from hbcore.engine.config import Severity
from hbcore.words import say

MAX_LINE = 4096
QUESTIONS = 8  # of one conversation


def doctor(args: argparse.Namespace) -> int:
    """Raises ControlError where there is no such directory, or nobody to be the peer."""
    from hbcore.cli import gather

    folder = Path(args.config)
    if not folder.exists():
        raise ControlError("no-such-path", path=folder)
    here = gather.facts(folder.absolute())
    there: Facts | None = None
    found: list[Finding] = []
    if args.peer is not None:
        target = _peer(args.peer, here)
        try:
            there, offset_ns, unsure_ns = _ask(target)
            found += judge.together(here, there, offset_ns, unsure_ns)
            found += judge.alone(there, here)
        except ControlError as error:
            why = error.text.rstrip(".")
            found.append(Finding(str(target), Severity.WARNING, "dr-peer-unseen", "fix-peer-unseen", {"why": why}))
    found = judge.sorted_findings([*judge.alone(here, there), *found])
    if args.json:
        put_json([_as_json(one) for one in found])
    else:
        nodes = ", ".join(one.node for one in (here, there) if one is not None)
        put_lines([line for one in found for line in _lines(one)] or [say("doctor-good", nodes=nodes)])
    return 1 if judge.wrong(found) else 0


def serve() -> int:
    """`hbctl facts`: answers on standard output what is asked on standard input. At a terminal the facts at once."""
    from hbcore.cli import gather

    folder = Path(os.environ.get("HBCORE_CONFIG") or "/etc/ha.d").absolute()
    if sys.stdin.isatty():
        put_json(gather.facts(folder))
        return 0
    for _ in range(QUESTIONS):
        if not (line := sys.stdin.buffer.readline(MAX_LINE)):
            break
        try:
            what = decode(line, Ask).what
        except MalformedError:
            return 1
        answer = Clock(time.time_ns()) if what == "clock" else gather.facts(folder)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
    return 0


def _peer(named: str, here: Facts) -> Target:
    """Raises ControlError."""
    others = [name for name in here.nodes if name != here.node]
    if not named and (not others or here.node not in here.nodes):
        raise ControlError("doctor-no-peer")
    return parse_host(named or others[0])


def _ask(target: Target) -> tuple[Facts, int, int]:
    """Its facts, its clock minus ours, and how wrong that may be, nanoseconds. Raises ControlError."""
    import asyncio

    return asyncio.run(_talk(target))


async def _talk(target: Target) -> tuple[Facts, int, int]:
    from hbcore.cli.hbctl import trust
    from hbcore.cli.remote import Conversation
    from hbcore.control.ssh import remote, wire_for

    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    wire = wire_for(target, remote("facts"), trust if terminal else None)
    try:
        conversation = Conversation(wire, str(target), "doctor-unlike")
        await conversation.open()
        facts = await conversation.call(Ask("facts"), Facts)
        before, begun = time.time_ns(), time.monotonic_ns()
        clock = await conversation.call(Ask("clock"), Clock)
        half = (time.monotonic_ns() - begun) // 2
        return facts, clock.unix_ns - before - half, half
    finally:
        wire.close()
        await wire.closed()


def _lines(one: Finding) -> list[str]:
    first = say("doctor-line", node=one.node, severity=one.severity, text=_text(one))
    return [first, say("doctor-fix", text=say(one.fix, **one.args))]


def _text(one: Finding) -> str:
    return one.text or say(one.code, **one.args)


def _as_json(one: Finding) -> dict[str, Any]:
    return {
        "node": one.node,
        "severity": str(one.severity),
        "code": one.code.removeprefix("dr-"),
        "text": _text(one),
        "fix": say(one.fix, **one.args),
    }
