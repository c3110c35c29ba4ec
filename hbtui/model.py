"""The model: what the screens share. Store, selection, filter, connections, and the one gate to change anything.

Owns the view state and `plan`/`act`. Invariant: a request that changes the cluster leaves only through `act`, which
refuses the role viewer whatever key, command or dialog asked; the daemon refuses it again.
Must not know widgets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from hbcore.control.client import Client, ControlError
from hbcore.control.schema import Action, Group, Node, Outcome, Plan, Status
from hbtui import figures, filter
from hbtui.glyphs import UNICODE, Glyphs
from hbtui.rows import Kept, View
from hbtui.store import Source, Store

TOOL = "hbtui"
MANY = 60  # resources: with more, groups start folded


@dataclass(slots=True)
class Model:
    """`clock` is monotonic seconds; tests hand in their own."""

    store: Store = field(default_factory=Store)
    glyphs: Glyphs = UNICODE
    keymap: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    client_of: Callable[[str], Client | None] = lambda target: None
    selection: str = ""
    about: str | None = None
    filter_text: str = ""
    cache: dict[str, Kept] = field(default_factory=dict)
    folds: dict[str, bool] = field(default_factory=dict)

    # --- looking ---

    @property
    def source(self) -> Source:
        """The source on the screen. There is at least one target, always."""
        source = self.store.current(self.clock())
        assert source is not None, "the model is made with a target"
        return source

    @property
    def status(self) -> Status | None:
        return self.source.status

    @property
    def stale(self) -> bool:
        return not self.source.fresh(self.clock())

    def view(self, width: int = 76) -> View:
        now = self.clock()
        return View(
            glyphs=self.glyphs,
            now=now,
            lag=max(0.0, self.source.age(now)),
            width=width,
            history=self.store.history,
            folded=self.folded,
            keep=filter.parse(self.filter_text),
            cache=self.cache,
        )

    def folded(self, group: str) -> bool:
        status = self.status
        many = status is not None and sum(len(g.resources) for g in status.groups) > MANY
        return self.folds.get(group, many)

    def short(self, node: str) -> str:
        status = self.status
        return figures.short_names([n.name for n in status.nodes]).get(node, node) if status else node

    def shorten(self, text: str) -> str:
        """A sentence with the nodes' short names."""
        return figures.shorten(text, figures.short_names([n.name for n in self.status.nodes])) if self.status else text

    # --- the selection ---

    def selected_group(self) -> Group | None:
        """The group under the cursor or of the resource under it; the only one where there is but one."""
        kind, _, name = self.selection.partition(":")
        groups = self.status.groups if self.status else []
        if kind == "resource":
            name = name.partition("/")[0]
        if kind in ("group", "resource"):
            return next((group for group in groups if group.name == name), None)
        return groups[0] if len(groups) == 1 else None

    def selected_node(self) -> Node | None:
        """The node under the cursor, or whose link is; none on a ping node; else the one we look through."""
        kind, _, name = self.selection.partition(":")
        status = self.status
        if status is None or kind == "ping":
            return None
        if kind == "link":
            name = name.partition("/")[0]
        wanted = name if kind in ("node", "link") else status.node
        return next((node for node in status.nodes if node.name == wanted), None)

    def pinned(self, group: str) -> bool:
        return self.status is not None and any(rule.group == group for rule in self.status.rules)

    # --- acting ---

    def forbidden(self) -> str | None:
        """Code of the reason why nothing can be changed now, None where it can."""
        if self.source.phase == "live" and self.source.role == "viewer":
            return "tui-viewer"
        return None if self.client_of(self.source.target) is not None else "tui-not-connected"

    def client(self, target: str) -> Client:
        client = self.client_of(target)
        if client is None:
            raise ControlError("tui-not-connected")
        return client

    async def plan(self, target: str, action: Action) -> Plan:
        """What `action` would do, asked of `target`. Raises ControlError."""
        return await self.client(target).plan(action)

    async def act(self, target: str, action: Action) -> Outcome:
        """The gate: the only place that changes anything. Raises ControlError."""
        if self.store.sources[target].role == "viewer":
            raise ControlError("tui-viewer")
        return await self.client(target).act(msgspec.structs.replace(action, tool=TOOL))
