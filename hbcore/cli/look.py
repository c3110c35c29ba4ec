"""The commands that only look: status, events, watch, check.

Owns their output. Invariant: with --json one JSON value a line and nothing else on standard output.
Must not know how to act.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from hbcore.cli import show
from hbcore.control.client import Connected, ControlError, EventSeen, Lost, Session, Snapshot, Target, connect
from hbcore.control.schema import Status
from hbcore.control.wire import Ask
from hbcore.words import say

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)\Z")
_UNIT_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def put_json(value: Any) -> None:
    """On a terminal indented, else one line; always whole, and at once."""
    raw = msgspec.json.encode(value)
    sys.stdout.write((msgspec.json.format(raw, indent=2) if sys.stdout.isatty() else raw).decode() + "\n")
    sys.stdout.flush()


def put_lines(lines: list[str]) -> None:
    """On a terminal no wider than it is; anywhere else a line stays a line."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    sys.stdout.write("".join(f"{line}\n" for line in show.fit(lines, width)))
    sys.stdout.flush()


async def status(args: argparse.Namespace, target: Target, ask: Ask | None) -> int:
    async with connect(target, tool="hbctl", ask=ask) as client:
        found = await client.status()
    if args.json:
        put_json(found)
    else:
        age = max(0.0, time.time() - found.at) if target.local and found.at else None
        put_lines(show.status_lines(found, show.Paint(sys.stdout), age))
    return 0


async def events(args: argparse.Namespace, target: Target, ask: Ask | None) -> int:
    since = moment(args.since, time.time()) if args.since else None
    async with connect(target, tool="hbctl", ask=ask) as client:
        found = await client.events(since, args.limit)
    width = max((len(event.node) for event in found), default=0)
    for event in found:
        if args.json:
            put_json(event)
        else:
            put_lines([show.event_line(event, width)])
    return 0


def moment(text: str, now: float) -> float:
    """T of --since as unix seconds: 10m, 2h, 3d (ago), 14:05[:30] (the last one), an ISO date, or unix seconds.

    Raises ControlError bad-time.
    """
    text = text.strip()[:40]
    if ago := _AGO.match(text):
        return now - float(ago[1]) * _UNIT_S[ago[2]]
    try:
        if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
            return float(text)
        if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text):
            hour, minute, *rest = map(int, text.split(":"))
            today = datetime.fromtimestamp(now)
            at = today.replace(hour=hour, minute=minute, second=rest[0] if rest else 0, microsecond=0)
            return (at if at.timestamp() <= now else at - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ControlError("bad-time", given=text) from None


async def watch(args: argparse.Namespace, target: Target, ask: Ask | None) -> int:
    """Until interrupted. Ends at once where there was never a connection."""
    session = Session(target, tool="hbctl", ask=ask, history=10)
    before: Status | None = None
    async for item in session.news():
        match item:
            case Connected(hello):
                _line(args, "connected", time.time(), say("watch-connected", node=hello.node, cluster=hello.cluster))
            case Lost(code, text, retry, _):
                if before is None or retry is None:
                    await session.close()
                    raise ControlError(code, text)
                _line(args, "lost", time.time(), f"{text} {say('watch-retry', seconds=f'{retry:.1f}')}")
            case EventSeen(event):
                put_json({"event": event}) if args.json else put_lines([show.event_line(event)])
            case Snapshot(now, _):
                for what, name, old, new in changes(before, now) if before is not None else ():
                    if args.json:
                        put_json({"change": {"at": now.at, "what": what, "name": name, "old": old, "new": new}})
                    else:
                        text = say("watch-change", what=what, name=name, old=old or "-", new=new or "-")
                        put_lines([f"{show.stamp(now.at)}   {now.node}  {text}"])
                before = now
    return 0


def _line(args: argparse.Namespace, kind: str, at: float, text: str) -> None:
    put_json({kind: {"at": at, "text": text}}) if args.json else put_lines([f"{show.stamp(at)}   {text}"])


def changes(before: Status, after: Status) -> Iterator[tuple[str, str, str, str]]:
    """(what, name, old state, new state) of all that changed; "" where it was or is not there."""
    old, new = _states(before), _states(after)
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            yield (*key, old.get(key, ""), new.get(key, ""))


def _states(status: Status) -> dict[tuple[str, str], str]:
    states = {("protection", status.cluster): str(status.protection.level)}
    states |= {("node", n.name): str(n.state) for n in status.nodes}
    states |= {("link", f"{link.name} to {link.peer}"): str(link.state) for link in status.links}
    states |= {("ping", p.name): str(p.state) for p in status.pings}
    for group in status.groups:
        states["group", group.name] = f"{group.state} {group.node or ''}".strip()
        states |= {("resource", f"{group.name}/{r.name}"): f"{r.state} {r.node or ''}".strip() for r in group.resources}
    return states | {("alarm", f"{a.code} {a.about}".strip()): a.text for a in status.alarms}


def check(args: argparse.Namespace) -> int:
    """Exit 1 where there is an error; warnings and notes are only shown. PATH may be one file of the directory."""
    from hbcore.cli.preflight import as_json, examine, failed, render
    from hbcore.formats.load import PARTS

    path = Path(args.path)
    if not path.exists():
        raise ControlError("no-such-path", path=path)
    if path.is_file() and path.name not in PARTS:
        raise ControlError("not-a-part", path=path, names=", ".join(PARTS))
    here = args.node in (None, os.uname().nodename.lower())  # another node's devices are not to be looked for here
    found = examine(path.parent if path.is_file() else path, args.node, here=here).problems
    if path.is_file():
        found = tuple(problem for problem in found if problem.where.file == path.name)
    if args.json:
        for item in as_json(found):
            put_json(item)
    else:
        put_lines(render(found) or [say("check-good", path=path)])
    return 1 if failed(found) else 0
