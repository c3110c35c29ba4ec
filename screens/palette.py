"""The command palette's contents: every action that is possible now, and every object by name.

Owns the list behind `:`. Invariant: it offers only what a key would do, through the same actions and the same gate.
Must not know how an action works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from hbcore.control.schema import Action
from hbtui.keymap import KEYS, keys_of
from hbtui.model import Model


class Acting(Protocol):
    """What the palette needs of the app."""

    model: Model

    def propose(self, action: Action) -> None: ...

    def show_object(self, key: str) -> None: ...

    def possible(self, action: str) -> bool: ...

    async def run_action(self, action: Any) -> bool: ...


Command = tuple[str, str, Callable[[], Any]]


def commands(app: Acting) -> Iterator[Command]:
    """(what to type, what it does, how)."""
    model = app.model
    status = model.status
    for key in KEYS:
        if app.possible(key.action):
            name = f"{key.label.lower()}  ({', '.join(keys_of(key, model.keymap))})"
            yield name, key.help, partial(app.run_action, f"app.{key.action}")
    if status is None:
        return
    if model.forbidden() is None:
        for node in status.nodes:
            verb = "online" if node.state == "standby" else "standby"
            yield f"{verb} {node.name}", "shows the plan first", partial(app.propose, Action(verb=verb, node=node.name))
            yield (
                f"takeover {node.name}",
                "shows the plan first",
                partial(app.propose, Action(verb="takeover", node=node.name)),
            )
        for group in status.groups:
            for verb in ("start", "stop", "clear"):
                action = Action(verb=f"group-{verb}", group=group.name)
                yield f"{verb} {group.name}", "shows the plan first", partial(app.propose, action)
            for node in status.nodes:
                if node.name != group.node:
                    action = Action(verb="group-move", group=group.name, node=node.name)
                    yield f"move {group.name} {node.name}", "shows the plan first", partial(app.propose, action)
    for node in status.nodes:
        yield f"node {node.name}", "show it", partial(app.show_object, f"node:{node.name}")
    for group in status.groups:
        yield f"group {group.name}", "show it", partial(app.show_object, f"group:{group.name}")


class Commands(Provider):
    @property
    def _acting(self) -> Acting:
        return cast(Acting, self.app)

    async def discover(self) -> Hits:
        for name, text, run in list(commands(self._acting))[:30]:
            yield DiscoveryHit(Content(name), run, text=name, help=text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, text, run in commands(self._acting):
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, text=name, help=text)
