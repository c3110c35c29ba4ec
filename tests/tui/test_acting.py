"""Acting: every change goes through a plan, `y` applies exactly that plan, and a viewer can change nothing at all."""

from __future__ import annotations

import asyncio

import msgspec

from hbcore.control.client import ControlError
from hbcore.control.schema import Action, Plan, Said
from hbtui.keymap import KEYS
from screens.palette import commands
from screens.plan import PlanScreen
from tests.tui.driving import NARROW, WIDE, Window, window
from tests.tui.fixtures import ONE, TWO, two_nodes


def verbs(it: Window) -> list[str]:
    return [action.verb for action, _ in it.cluster.acted]


async def test_standby_shows_effects_first_and_y_applies_that_plan() -> None:
    for size in (WIDE, NARROW):
        async with window(size) as it:
            await it.press("s")
            await it.shows("Standby node1", "(web)", "node1 > node2", "38.0 ms", "hbctl standby", "undo", "(*) all")
            assert it.cluster.acted == []
            generation = it.cluster.now.generation
            await it.press("y")
            await it.shows("Settled after")
            (action, actor), *rest = it.cluster.acted
            assert not rest
            assert (action.verb, action.node, action.generation) == ("standby", ONE, generation)
            assert actor.tool == "hbtui" and actor.uid is not None
            assert it.cluster.now.groups[0].node == TWO
            assert "✔ move" in it.text
            await it.press("escape")
            await it.shows("standby", "DEGRADED")
            await it.press("f5")
            await it.shows("Online node1")
            await it.press("y")
            await it.shows("Settled after")
            assert verbs(it) == ["standby", "online"]


async def test_a_key_right_after_the_cursor_means_the_row_under_it() -> None:
    async with window(WIDE) as it:
        await it.shows("1 Nodes")
        nodes = it.app.dashboard.tables["nodes"]
        nodes.select(f"node:{TWO}")  # its message has not arrived when the key does
        assert it.app.check_action("fence", ()) is True, "node2 is not the node that is looked through"
        it.app.action_standby()
        await it.shows("Standby node2")


async def test_a_ping_node_is_no_node_to_steer() -> None:
    async with window(WIDE) as it:
        await it.shows("1 Nodes")
        it.app.dashboard.tables["nodes"].select("ping:192.168.100.254")
        await it.press("s")
        await it.pilot.pause(0.3)
        assert not isinstance(it.app.screen, PlanScreen)


async def test_enter_and_escape_are_harmless() -> None:
    async with window(WIDE) as it:
        for leave in ("enter", "escape"):
            await it.press("s")
            await it.shows("Apply")
            await it.press(leave)
            await it.hides("Apply")
        await it.press("s")
        await it.shows("Apply")
        await it.press("r", "x", "enter", "enter")
        await it.hides("Apply")
        await asyncio.sleep(0.2)
        assert it.cluster.acted == []


async def test_progress_can_be_left_running() -> None:
    async with window(WIDE, step_s=0.6) as it:
        await it.press("s")
        await it.shows("Apply")
        await it.press("y")
        await it.shows("Running for", "⟳ move")
        await it.press("escape")
        await it.shows("pending 1")
        await it.until(lambda: it.cluster.now.groups[0].node == TWO)
        await it.shows("pending 0")


async def test_a_stale_plan_is_shown_again_not_run() -> None:
    async with window(WIDE) as it:
        await it.press("s")
        await it.shows("Apply")
        it.cluster.set_node(TWO, failures=1)  # the state moves on under the dialog
        await it.press("y")
        await it.shows("The state changed meanwhile", "Apply")
        assert it.cluster.acted == []
        await it.press("y")
        await it.shows("Settled after")
        assert verbs(it) == ["standby"]


async def test_takeover_move_and_home() -> None:
    async with window(WIDE) as it:
        await it.press("j", "t")
        await it.shows("Takeover by node2", "node1 > node2")
        await it.press("o")
        await it.shows("(*) local")
        await it.press("y")
        await it.shows("Settled after")
        assert (it.cluster.acted[0][0].scope, it.cluster.acted[0][0].node) == ("local", TWO)
        await it.press("escape", "2", "H")
        await it.shows("home", "node2 > node1")
        await it.press("y")
        await it.shows("Settled after")
        await it.press("escape", "m")
        await it.shows("Move 192.168.100.100 to node2")
        await it.press("y")
        await it.shows("Settled after")
        assert verbs(it) == ["takeover", "group-clear", "group-move"]


async def test_stop_asks_for_the_name_and_start_brings_it_back() -> None:
    async with window(NARROW) as it:
        await it.press("2", "X")
        await it.shows("Stop 192.168.100.100", "Type 192.168.100.100 to allow it")
        await it.press("y")
        await asyncio.sleep(0.2)
        assert it.cluster.acted == []
        await it.press("tab")
        field = it.app.screen.focused
        assert field is not None and field.id == "typed"
        await it.press(*"192.168.100.10", "enter", "y")
        await asyncio.sleep(0.2)
        assert it.cluster.acted == [], "almost the name is not the name"
        await it.press("tab", "0", "enter", "y")
        await it.shows("Settled after")
        assert verbs(it) == ["group-stop"]
        await it.press("escape")
        await it.shows("stopped")
        await it.press("S")
        await it.shows("Start 192.168.100.100")
        await it.press("y")
        await it.until(lambda: verbs(it) == ["group-stop", "group-start"])


async def test_fence_needs_the_name_and_three_seconds() -> None:
    async with window(WIDE) as it:
        await it.press("F")
        await asyncio.sleep(0.1)
        assert not isinstance(it.app.screen, PlanScreen), "a node does not fence itself"
        await it.press("j", "F")
        await it.shows("Declare node2 dead", "seen that node2 is powered off")
        await it.press("shift+tab")
        field = it.app.screen.query_one("#typed")
        field.focus()
        await it.press(*"node2", "enter", "y")
        await it.shows("Armed in")
        await asyncio.sleep(0.3)
        assert it.cluster.acted == []
        await it.hides("Armed in", seconds=4.0)
        it.app.screen.query_one("#apply").focus()
        await it.press("y")
        await it.until(lambda: verbs(it) == ["fence"])
        assert it.cluster.acted[0][0].confirm_off


async def test_a_refusal_is_said() -> None:
    async with window(WIDE) as it:
        why = Said(code="peer-standby", text="node2 is in standby: nobody could take over")
        original = it.cluster.plan

        def refusing(action: Action) -> Plan:
            return msgspec.structs.replace(original(action), refused=why)

        it.cluster.plan = refusing  # type: ignore[method-assign]
        await it.press("s")
        await it.shows("Refused: node2 is in standby")
        await it.press("y", "enter")
        assert it.cluster.acted == []


async def test_keys_are_remapped_by_id() -> None:
    async with window(WIDE, keys={"node.standby": "f5,B", "ui.quit": "Q"}) as it:
        await it.press("s")
        await asyncio.sleep(0.1)
        assert not isinstance(it.app.screen, PlanScreen)
        assert "F5 Standby" in it.lines[-1] and "Q Quit" in it.lines[-1]
        await it.press("B")
        await it.shows("Standby node1")


async def test_viewer_presses_every_key_everywhere_and_changes_nothing() -> None:
    async with window(WIDE, role="viewer") as it:
        await it.shows("VIEWER")
        assert "Standby" not in it.lines[-1] and "? Help" in it.lines[-1]
        asked: list[str] = []
        original = it.cluster.plan

        def counting(action: Action) -> Plan:
            asked.append(action.verb)
            return original(action)

        it.cluster.plan = counting  # type: ignore[method-assign]
        keys = {key for each in KEYS if each.id != "ui.quit" for key in each.keys.split(",")}
        keys |= {*"abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ", "enter", "delete", "f8"}
        verbs_only = {key for each in KEYS if each.mutates for key in each.keys.split(",")}
        for place, pressed in ((["1", "j"], keys), (["2"], verbs_only), (["2", "enter"], verbs_only)):
            await it.press("escape", "escape", *place)
            for key in sorted(pressed):
                await it.press(key)
                if len(it.app.screen_stack) > 1:
                    await it.press("y", "escape")
        await asyncio.sleep(0.2)
        assert it.cluster.acted == []
        assert asked == [], "not even a plan is asked for"
        target = it.app.model.source.target
        try:
            await it.app.model.act(target, Action(verb="standby", node=ONE))
        except ControlError as error:
            assert error.code == "tui-viewer"
        else:
            raise AssertionError("the gate let a viewer act")
        for name, _, _ in commands(it.app):
            assert not name.startswith(("standby", "takeover", "stop ", "start ", "move ", "fence"))


async def test_copy_gives_a_harmless_command() -> None:
    async with window(WIDE) as it:
        await it.press("y")
        await it.pilot.pause()
        assert it.app.clipboard == f"hbctl --socket {it.socket} standby {ONE} --dry-run"
        await it.press("2", "y")
        await it.pilot.pause()
        assert it.app.clipboard.endswith(f"group move 192.168.100.100 {TWO} --dry-run")
        it.cluster.change(groups=[msgspec.structs.replace(it.cluster.now.groups[0], name="a; touch /tmp/x")])
        await it.shows("a; touch")
        await it.press("y")
        await it.pilot.pause()
        assert "'a; touch /tmp/x'" in it.app.clipboard, "a name is never a second command"


async def test_the_gravest_dialog_fits_the_smallest_screen() -> None:
    async with window(NARROW) as it:
        await it.press("j", "F")
        await it.shows("Declare node2 dead", "the name, to allow it", "reason", "Cancel", "y apply", "Type node2")


async def test_connection_lost_while_the_dialog_is_open() -> None:
    async with window(WIDE, two_nodes()) as it:
        await it.press("s")
        await it.shows("Apply")
        assert it.cluster.server is not None
        await it.cluster.server.close()
        await it.until(lambda: it.app.model.source.phase == "lost")
        await it.press("y")
        await it.shows("Not connected")
        assert it.cluster.acted == []
