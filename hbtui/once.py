"""`hbtui --once`, and what hbtui does without a terminal: one look at the cluster as text, or as JSON.

Owns the plain text and the exit status by health: 0 ok, 1 degraded, 2 down or no daemon.
Invariant: no escape sequence ever goes to the output; Textual is not imported.
Must not know widgets.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec
from rich.cells import cell_len

from hbcore.control.client import ControlError, connect
from hbcore.control.schema import Event, Status
from hbcore.words import say
from hbtui import detail, header, rows
from hbtui.glyphs import Glyphs
from hbtui.model import TOOL
from hbtui.rows import Cell, Column, Row, View
from hbtui.store import health

EXIT = {"ok": 0, "degraded": 1, "down": 2}
EVENTS = 8


def plain(runs: Cell) -> str:
    return "".join(text for text, _ in runs).rstrip()


def table(columns: Sequence[Column], found: Sequence[Row]) -> list[str]:
    """As wide as it is: a pipe has no edge."""
    cells = [[column.title for column in columns], *([plain(c) for c in row.cells] for row in found if not row.note)]
    widths = [max(cell_len(line[place]) for line in cells) for place in range(len(columns))]
    texts = iter(cells)
    lines = [_line(columns, widths, next(texts))]
    lines += [plain(row.cells[0]) if row.note else _line(columns, widths, next(texts)) for row in found]
    return lines


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    padded = []
    for column, width, text in zip(columns, widths, cells, strict=True):
        pad = " " * (width - cell_len(text))
        padded.append(pad + text if column.right else text + pad)
    return "  ".join(padded).rstrip()


def report(status: Status, events: Sequence[Event], glyphs: Glyphs) -> str:
    """The dashboard as text: state, holes, nodes and links, groups, values, alarms, the last events."""
    view = View(glyphs=glyphs, width=100)
    word = {"ok": "OK", "degraded": "DEGRADED", "down": "DOWN"}[health(status)]
    lines = [f"{status.cluster}  {word}   seen by {status.node}   hbcore {status.version}".rstrip()]
    lines += [plain(header.status_line(status, glyphs, 10_000)).strip()]
    lines += ["", *(plain(line) for line in header.alarm_lines(status, glyphs, 0.0, 100))] if status.alarms else []
    columns = rows.node_columns(view.width)
    without = [column for column in columns if not column.title.startswith("LATENCY")]
    keep = [columns.index(column) for column in without]
    nodes = [
        row if row.note else Row(row.key, tuple(row.cells[place] for place in keep))
        for row in rows.node_rows(status, view)
    ]
    lines += ["", *table(without, nodes)]
    lines += ["", *table(rows.group_columns(view.width, ()), rows.group_rows(status, view))]
    lines += ["", *(plain(line) for line in detail.protection(status, view))]
    names = [node.name for node in status.nodes]
    found = rows.event_rows(list(events)[::-1][:EVENTS], View(glyphs=glyphs, width=100), names)
    if found:
        lines += ["", *table(rows.event_columns(100), found)]
    return "\n".join(lines)


async def _look(targets: Sequence[str]) -> tuple[Status, list[Event]]:
    """Of the first target that answers. Raises the first one's ControlError where none does."""
    failure: ControlError | None = None
    for target in targets:
        try:
            async with connect(target or None, tool=TOOL) as client:
                return await client.status(), await client.events(limit=EVENTS)
        except ControlError as error:
            failure = failure or error
            print(say("tui-unreachable", target=target or "local", why=error), file=sys.stderr)
    assert failure is not None, "there is at least one target"
    raise failure


def run(targets: Sequence[str], as_json: bool, glyphs: Glyphs) -> int:
    try:
        status, events = asyncio.run(_look(targets))
    except ControlError:
        return EXIT["down"]
    text = (
        msgspec.json.format(msgspec.json.encode(status), indent=2).decode()
        if as_json
        else report(status, events, glyphs)
    )
    sys.stdout.write(text + "\n")
    return EXIT[health(status)]
