"""The footer: the keys that do something here and now.

Owns their order and what is greyed or dropped. Invariant: what a viewer may not do is not shown at all; Help and Quit
always are. Must not know which screen it is on: what is possible it asks the screen's bindings.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.screen import Screen

from hbtui.keymap import KEYS, keys_of
from hbtui.rows import Cell
from hbtui.spark import Run

_KEEP = ("ui.help", "ui.quit")


def possible(screen: Screen[None]) -> dict[str, bool]:
    """Binding ids that are shown here -> whether they would do something now (check_action's answer)."""
    return {active.binding.id: active.enabled for active in screen.active_bindings.values() if active.binding.id}


def footer(screen: Screen[None], remapped: Mapping[str, str], width: int) -> Cell:
    enabled = possible(screen)
    keys = sorted((k for k in KEYS if k.footer and not k.demo and k.id in enabled), key=lambda k: k.footer)
    kept = [key for key in keys if key.id in _KEEP]
    shown: list[tuple[str, str, bool]] = []
    room = width - sum(len(keys_of(k, remapped)[0]) + len(k.label) + 3 for k in kept)
    for key in keys:
        name = keys_of(key, remapped)[0]
        size = len(name) + len(key.label) + 3
        if key.id not in _KEEP:
            if size > room:
                continue
            room -= size
        shown.append((name, key.label, enabled[key.id]))
    runs: list[Run] = []
    for name, label, able in shown:
        runs += [(f" {name}", "key" if able else "muted"), (f" {label} ", "text" if able else "muted")]
    return tuple(runs)


def demo_keys(remapped: Mapping[str, str], labels: Mapping[str, str], width: int) -> Cell:
    """The demo's own keys; `labels` say what each would do now. Without gaps where the line is short."""
    keys = sorted((k for k in KEYS if k.demo), key=lambda k: k.footer)
    texts = [(keys_of(key, remapped)[0], labels.get(key.id, key.label)) for key in keys]
    gap = " " if sum(len(key) + len(label) + 3 for key, label in texts) <= width else ""
    runs: list[Run] = []
    for key, label in texts:
        runs += [(f" {key}", "key"), (f" {label}{gap}", "text")]
    return tuple(runs)
