"""Text from a node is only text: markup, escape sequences, wide and endless strings in every field, on every screen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hbcore.control.schema import Action, Plan, Status
from tests.tui.driving import NARROW, WIDE, window
from tests.tui.fixtures import troubled

HOSTILE = {
    "closing-tag": "[/x]",
    "tags-and-escapes": "[bold]b[/bold][@click=app.quit]q[/]\x1b]0;owned\x07\x1b[2J\x1b[31mred{name} %s $primary",
    "c1-and-bidi": "\x9b31m\x90q\x9c\u202eevil\u2066",
    "wide-and-combining": "节点一资源组名很长很长很长" + "e\u0301\u0301\u0301\u200b" * 9,
    "endless": "line\nline\ttab" + "x" * 9000,
}
# Words of the protocol: another word here is another state, tried on its own below.
KEPT = {"api", "code"}


def spoiled(value: Any, text: str) -> Any:
    """`value` with `text` put in front of every string of it."""
    if isinstance(value, str):
        return text + value
    if isinstance(value, list):
        return [spoiled(item, text) for item in value]
    if isinstance(value, dict):
        return {key: item if key in KEPT | CLOSED else spoiled(item, text) for key, item in value.items()}
    return value


# Closed sets of the schema: a server cannot send others, the decoder refuses them.
CLOSED = {"level", "kind", "severity", "weight", "wanted", "source"}


def hostile_status(text: str) -> Status:
    plain = msgspec.to_builtins(troubled())
    made = spoiled(plain, text)
    for kind in ("nodes", "links", "groups", "pings"):
        for new, old in zip(made[kind], plain[kind], strict=True):
            new["state"] = old["state"]
    return msgspec.convert(made, Status)


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_text_is_shown_as_text(name: str) -> None:
    text = HOSTILE[name]
    async with window(WIDE if len(name) % 2 else NARROW, hostile_status(text)) as it:
        it.cluster.say("node", text + "event", about=text)
        original = it.cluster.plan

        def plan(action: Action) -> Plan:
            made = msgspec.to_builtins(original(action))
            made["warnings"] = [{"code": "w", "text": text}]
            return msgspec.convert({**made, "command": text, "undo": text, "level": 2}, Plan)

        it.cluster.plan = plan  # type: ignore[method-assign]
        seen = ""
        for keys in (["1"], ["2", "enter"], ["escape", "3"], ["4", "enter"], ["escape", "5"], ["exclamation_mark"],
                     ["escape", "1", "l"], ["escape", "s"], ["escape", "colon"], ["escape", "slash", "["]):  # fmt: skip
            await it.press(*keys)
            await it.pilot.pause()
            seen += it.text
        assert it.app.is_running
        controls = {char for char in seen if char != "\n" and (ord(char) < 32 or 0x7F <= ord(char) < 0xA0)}
        assert not controls, controls
        assert not {"\u202e", "\u2066"} & set(seen)
        if text.startswith("["):
            assert text[:4] in seen, "markup is shown, not obeyed"


async def test_unknown_words_are_shown_as_unknown() -> None:
    status = troubled()
    group = msgspec.structs.replace(
        status.groups[0], resources=[msgspec.structs.replace(status.groups[0].resources[0], state="promoted")]
    )
    node = msgspec.structs.replace(status.nodes[0], heard="by-rumour", control="maybe")
    async with window(WIDE, msgspec.structs.replace(status, groups=[group], nodes=[node, status.nodes[1]])) as it:
        await it.shows("? 192.168.100.100", "promoted", "by-rumo")
