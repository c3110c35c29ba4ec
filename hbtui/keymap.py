"""Every key of the window: one table of actions with stable ids.

Owns ids, default keys, labels, and which actions change the cluster. Invariant: whatever changes the cluster has
`mutates` set and goes through one gate (model.Model.request), so a viewer cannot reach it by any key.
Keys are remapped by id with a dict {id: "keys"}, Textual's keymap. Not used as defaults, since tmux, screen, vim or an
input method eat them: Ctrl+A B D J K H L S Z Space, Alt+letters, F10, F11.
Must not know widgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Key:
    """`action` is the method action_<action> of the app. `footer` 0: never in the footer, else its place there."""

    id: str
    keys: str
    label: str
    action: str
    help: str
    mutates: bool = False
    footer: int = 0
    demo: bool = False


KEYS = (
    Key("node.standby", "s,f5", "Standby", "standby", "Node to standby, or online again; plan first", True, 1),
    Key("group.takeover", "t,f6", "Takeover", "takeover", "Bring groups to the selected node; plan first", True, 2),
    Key("group.move", "m", "Move", "move", "Move the group to another node; plan first", True, 3),
    Key("group.failback", "H", "Home", "home", "Clear the pin, send the group home; plan first", True, 4),
    Key("group.start", "S", "Start", "start", "Start the group; plan first", True),
    Key("group.stop", "X", "Stop", "stop", "Stop the group; plan first, type its name", True),
    Key("node.fence", "F", "Fence", "fence", "Declare the node dead; type its name, then 3 s", True),
    Key("ui.filter", "slash", "Filter", "filter", "Filter: words !word state:failed node:n moved:yes", False, 5),
    Key("ui.command", "colon,ctrl+p", "Command", "command_palette", "All actions and objects, by typing", False, 6),
    Key("ui.events", "l", "Events", "events", "Events of the selection only; again or Esc: all", False, 7),
    Key("ui.zoom", "z,plus,underscore", "Zoom", "zoom", "Zoom the pane, and back", False, 8),
    Key("ui.help", "question_mark,f1", "Help", "help", "This list; Enter runs the line", False, 9),
    Key("ui.quit", "q,ctrl+q", "Quit", "quit", "Quit; a running plan goes on", False, 10),
    Key("ui.back", "escape", "Back", "go_back", "Clear filter, then zoom, then one level up"),
    Key("ui.fold", "o", "Fold", "fold", "Show or hide the resources of the group"),
    Key("ui.copy", "y", "Copy", "copy", "Copy the hbctl line for the selection (OSC 52)"),
    Key("ui.alarm", "exclamation_mark", "Alarms", "alarm", "The alarms, worst first"),
    Key("pane.next", "tab,right", "Next pane", "pane_next(1)", "Next pane"),
    Key("pane.previous", "shift+tab,left", "Previous pane", "pane_next(-1)", "Previous pane"),
    Key("pane.nodes", "1", "Nodes", "pane(1)", "Pane 1: nodes, links, ping nodes"),
    Key("pane.groups", "2", "Groups", "pane(2)", "Pane 2: groups and resources"),
    Key("pane.detail", "3", "Detail", "pane(3)", "Pane 3: detail of the selection"),
    Key("pane.events", "4", "Events", "pane(4)", "Pane 4: events"),
    Key("pane.protection", "5", "Protection", "pane(5)", "Pane 5: protection, holes, values chosen by us"),
    Key(
        "demo.power",
        "P,f2",
        "Power owner",
        "demo_power",
        "Power off the owner; again: power it on",
        demo=True,
        footer=1,
    ),
    Key("demo.cut", "C,f3", "Cut beats", "demo_cut", "Cut heartbeats both ways; again: mend", demo=True, footer=2),
    Key("demo.oneway", "O,f4", "One way", "demo_oneway", "Cut them one way, then the other way", demo=True, footer=3),
    Key("demo.freeze", "Z,f7", "Freeze owner", "demo_freeze", "Freeze all of ours on the owner", demo=True, footer=4),
    Key("demo.ping", "N,f9", "Ping node", "demo_ping", "Ping node off; again: on", demo=True, footer=5),
    Key("demo.heal", "A,f12", "Heal all", "demo_heal", "Undo all of it", demo=True, footer=6),
)
BY_ID = {key.id: key for key in KEYS}
BY_ACTION = {key.action.partition("(")[0]: key for key in KEYS}

_SHOWN = {
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "exclamation_mark": "!",
    "plus": "+",
    "underscore": "_",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "S-Tab",
    "left": "Left",
    "right": "Right",
}


def bindings() -> list[Binding]:
    return [Binding(key.keys, key.action, key.label, id=key.id, show=False) for key in KEYS]


def keys_of(key: Key, remapped: Mapping[str, str]) -> list[str]:
    """As printed, the first one first: ["s", "F5"]."""
    names = remapped.get(key.id, key.keys).split(",")
    return [
        _SHOWN.get(name, name.upper() if name[:1] == "f" and name[1:].isdigit() else _control(name)) for name in names
    ]


def _control(name: str) -> str:
    return "^" + name[5:].upper() if name.startswith("ctrl+") else name
