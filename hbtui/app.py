"""The app: keys to actions, actions to plans, and the feed to the screens.

Owns the key bindings, what is possible now, and the start and end of a session at the terminal.
Invariant: an action that changes the cluster only opens a plan; nothing is sent before a person confirmed it there.
SIGTERM and SIGHUP leave the terminal as it was found.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from hbcore.control.client import Question
from hbcore.control.schema import Action, Role
from hbcore.words import say
from hbtui import keymap, theme
from hbtui.clipboard import copy
from hbtui.demo import Demo
from hbtui.feed import Feed
from hbtui.glyphs import Glyphs
from hbtui.glyphs import choose as choose_glyphs
from hbtui.model import Model
from hbtui.rows import Column, Row, cell, moved
from screens.choose import Choose
from screens.dashboard import Dashboard
from screens.host_key import HostKey
from screens.page import Page
from screens.palette import Commands
from screens.plan import PlanScreen

FRAME_S = 0.1  # a burst of news is one paint
SECOND_S = 1.0


class HbApp(App[int]):
    """`role` lowers ours; `keys` remaps by id. Raises ControlError for a target that cannot be one."""

    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {Commands}
    BINDINGS = list[BindingType](keymap.bindings())
    TITLE = "hbtui"

    def __init__(
        self,
        targets: Sequence[str] = ("",),
        *,
        keys: Mapping[str, str] | None = None,
        glyphs: Glyphs | None = None,
        role: Role | None = None,
        demo: Demo | None = None,
        no_color: bool = False,
    ) -> None:
        super().__init__(ansi_color=True if no_color else None)  # True: Textual's filter for NO_COLOR drops colours
        self.model = Model(glyphs=glyphs or choose_glyphs(), keymap=dict(keys or {}))
        self.demo = demo
        self.feed = Feed(self.model, self.changed, self.ask_host_key, role)
        if demo is None:
            self.feed.add(targets)
        else:
            self.model.store.add("").transport = "demo"
            demo.changed, demo.ready = self.changed, self.demo_ready
        self._painting = False
        self._painted = 0.0
        for ours in theme.OURS:
            self.register_theme(ours)
        self.theme = theme.choose(no_color)
        self.animation_level = "none"
        self.dashboard = Dashboard(self.model, demo.lines if demo is not None else None)

    def get_default_screen(self) -> Screen[Any]:
        return self.dashboard

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Textual's own, as far as they make sense here."""
        yield SystemCommand("theme", "choose the colours", self.action_change_theme)
        yield SystemCommand("screenshot", "save the screen as a picture (SVG)", self.deliver_screenshot)

    # --- start and end ---

    def on_mount(self) -> None:
        self.set_keymap(dict(self.model.keymap))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: somebody else's signals
                loop.add_signal_handler(number, self.end, number)
        self.feed.start()
        if self.demo is not None:
            self.run_worker(self.demo.start(), exit_on_error=False)
        self.set_interval(SECOND_S / 2, self.repaint_if_idle)

    def end(self, number: int) -> None:
        self.exit(return_code=128 + number)

    async def on_unmount(self) -> None:
        await self.feed.close()
        if self.demo is not None:
            await self.demo.close()

    # --- painting ---

    def changed(self) -> None:
        """News arrived: paint within one frame."""
        if not self._painting:
            self._painting = True
            self.set_timer(FRAME_S, self.repaint)

    def repaint_if_idle(self) -> None:
        """SINCE and the curves go on even where no news comes."""
        if self.model.clock() - self._painted > SECOND_S:
            self.repaint()

    def repaint(self) -> None:
        self._painting = False
        self._painted = self.model.clock()
        for screen in self.screen_stack:
            if isinstance(screen, Dashboard | Page | PlanScreen):
                screen.paint()

    # --- what is possible ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """False hides the key, None greys it (Textual's convention)."""
        key = keymap.BY_ACTION.get(action)
        if key is None:
            return True
        if key.demo:
            return self.demo is not None
        if not key.mutates:
            return True
        self.dashboard.take_cursor()
        why = self.model.forbidden()
        if why == "tui-viewer":
            return False
        return None if why is not None or not self._applies(key.id) else True

    def _applies(self, key_id: str) -> bool:
        """Whether the verb makes sense for the selection (the plan has the last word)."""
        group, node = self.model.selected_group(), self.model.selected_node()
        match key_id:
            case "group.move":
                return group is not None and bool(self._targets_for_move())
            case "group.start":
                return group is not None and (group.wanted == "stopped" or group.state != "started")
            case "group.stop":
                return group is not None and group.wanted == "started"
            case "group.failback":
                return group is not None and (moved(group) or self.model.pinned(group.name))
            case "node.fence":
                return node is not None and self.model.status is not None and node.name != self.model.status.node
        return node is not None

    def possible(self, action: str) -> bool:
        return bool(self.check_action(action.partition("(")[0], ()))

    def _targets_for_move(self) -> list[str]:
        status, group = self.model.status, self.model.selected_group()
        if status is None or group is None:
            return []
        return [node.name for node in status.nodes if node.name != group.node]

    # --- verbs: each only opens a plan ---

    def propose(self, action: Action) -> None:
        why = self.model.forbidden()
        if why is not None:
            self.notify(say(why), severity="warning", markup=False)
            return
        self.push_screen(PlanScreen(self.model, action))

    def _propose_node(self, verb: str) -> None:
        node = self.model.selected_node()
        if node is None:
            self.notify(say("tui-select-node"), markup=False)
            return
        if verb == "standby" and node.state == "standby":
            verb = "online"
        self.propose(Action(verb=verb, node=node.name, confirm_off=verb == "fence"))

    def _propose_group(self, verb: str) -> None:
        group = self.model.selected_group()
        if group is None:
            self.notify(say("tui-select-group"), markup=False)
            return
        self.propose(Action(verb=verb, group=group.name))

    def action_standby(self) -> None:
        self._propose_node("standby")

    def action_takeover(self) -> None:
        self._propose_node("takeover")

    def action_fence(self) -> None:
        self._propose_node("fence")

    def action_start(self) -> None:
        self._propose_group("group-start")

    def action_stop(self) -> None:
        self._propose_group("group-stop")

    def action_home(self) -> None:
        self._propose_group("group-clear")

    def action_move(self) -> None:
        group, names = self.model.selected_group(), self._targets_for_move()
        if group is None or not names:
            self.notify(say("tui-select-group" if group is None else "tui-no-other-node", group=""), markup=False)
            return
        if len(names) == 1:
            self.propose(Action(verb="group-move", group=group.name, node=names[0]))
            return
        rows = [Row(name, (cell(name),)) for name in names]
        hint = ((" Enter", "key"), (" shows the plan", "muted"), ("   Esc", "key"), (" back", "muted"))
        chooser = Choose(f"Move {group.name} to", (Column("NODE", 0),), rows, self.model.glyphs, hint)

        def chosen(name: str | None) -> None:
            if name:
                self.propose(Action(verb="group-move", group=group.name, node=name))

        self.push_screen(chooser, chosen)

    # --- looking around ---

    def action_pane(self, number: int) -> None:
        self.to_dashboard()
        self.dashboard.focus_pane(number)

    def action_pane_next(self, way: int) -> None:
        if self.screen is self.dashboard:
            self.dashboard.next_pane(way)

    def action_zoom(self) -> None:
        self.to_dashboard()
        self.dashboard.toggle_zoom()

    def action_filter(self) -> None:
        self.to_dashboard()
        self.dashboard.open_filter()

    def to_dashboard(self) -> None:
        while self.screen is not self.dashboard:
            self.pop_screen()

    def action_go_back(self) -> None:
        self.feed.wake()
        if isinstance(self.screen, Dashboard | Page):
            self.screen.back()

    def action_events(self) -> None:
        name = self.model.selection.partition(":")[2]
        kind = self.model.selection.partition(":")[0]
        about = name.partition("/")[0] if kind == "link" else name.rpartition("/")[2] if kind == "resource" else name
        self.model.about = None if self.model.about is not None or kind == "event" else about or None
        self.action_pane(4)

    def action_fold(self) -> None:
        group = self.model.selected_group()
        if group is not None:
            self.model.folds[group.name] = not self.model.folded(group.name)
            self.repaint()

    def action_alarm(self) -> None:
        self.push_screen(Page(self.model, "alarms:"))

    def show_object(self, key: str) -> None:
        self.to_dashboard()
        kind = key.partition(":")[0]
        pane = 1 if kind in ("node", "link", "ping") else 2
        self.dashboard.focus_pane(pane)
        self.dashboard.tables["nodes" if pane == 1 else "groups"].select(key)

    def on_live_table_opened(self, message: Any) -> None:
        if not isinstance(self.screen, Dashboard) or not message.key:
            return
        self.model.selection = message.key
        if self.dashboard.roomy and not self.dashboard.zoomed:
            self.dashboard.focus_pane(3)
        else:
            self.push_screen(Page(self.model, message.key))

    def action_help(self) -> None:
        columns = (Column("KEY", 5), Column("ALSO", 5), Column("DOES", 0))
        rows = []
        for key in keymap.KEYS:
            able = self.check_action(key.action.partition("(")[0], ())
            if able is not False:
                names = keymap.keys_of(key, self.model.keymap)
                tone = "text" if able else "muted"
                cells = (cell(names[0], "key"), cell(" ".join(names[1:]), "muted"), cell(key.help, tone))
                rows.append(Row(key.id, cells))
        hint = ((" Enter", "key"), (" runs the line", "muted"), ("   Esc", "key"), (" closes", "muted"))

        async def chosen(key_id: str | None) -> None:
            if key_id:
                await self.run_action(f"app.{keymap.BY_ID[key_id].action}")

        self.push_screen(Choose("Keys", columns, rows, self.model.glyphs, hint), chosen)

    def action_copy(self) -> None:
        copy(self, self.command_line())

    def command_line(self) -> str:
        """The hbctl line for what the selection's first key would do, as --dry-run; a row's text for the rest."""
        kind, _, name = self.model.selection.partition(":")
        source = self.model.source
        hbctl = ["hbctl", "--host" if source.transport == "ssh" else "--socket", source.target]
        hbctl = hbctl if source.target else ["hbctl"]
        node, group = self.model.selected_node(), self.model.selected_group()
        if kind == "node" and node is not None:
            return shlex.join([*hbctl, "online" if node.state == "standby" else "standby", name, "--dry-run"])
        if kind in ("group", "resource") and group is not None:
            to = self._targets_for_move()
            what = ["move", group.name, to[0]] if to else ["stop", group.name]
            return shlex.join([*hbctl, "group", *what, "--dry-run"])
        screen = self.screen
        return screen.reading() if isinstance(screen, Dashboard | Page) else shlex.join([*hbctl, "status"])

    # --- the demo's keys ---

    def demo_ready(self, sockets: list[str]) -> None:
        self.feed.add(sockets)
        self.feed.start()

    def _demo(self, what: str) -> None:
        if self.demo is not None:
            self.run_worker(self.demo.do(what), group="demo", exit_on_error=False)

    def action_demo_power(self) -> None:
        self._demo("power")

    def action_demo_cut(self) -> None:
        self._demo("cut")

    def action_demo_oneway(self) -> None:
        self._demo("oneway")

    def action_demo_freeze(self) -> None:
        self._demo("freeze")

    def action_demo_ping(self) -> None:
        self._demo("ping")

    def action_demo_heal(self) -> None:
        self._demo("heal")

    # --- questions ---

    async def ask_host_key(self, question: Question) -> str:
        """Asked from a connection's own task, which is in no screen's context: the app's loop opens the question."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def answered(chosen: str | None) -> None:
            if not answer.done():
                answer.set_result(chosen or "abort")

        self.call_later(lambda: self.push_screen(HostKey(question), answered))
        return await answer


def run(targets: Sequence[str], glyphs: Glyphs, *, demo: bool, role: Role | None, no_color: bool) -> int:
    """Until the user quits; the process's exit status."""
    app = HbApp(targets, glyphs=glyphs, demo=Demo() if demo else None, role=role, no_color=no_color)
    app.run()
    return app.return_code or 0
