"""Glyphs, tones and state words: how a state looks.

Owns the tables state -> (glyph, tone, word). Invariant: every glyph is one cell wide in every terminal (East-Asian
"neutral" or ASCII; only the sparkline's blocks are "ambiguous"), and a word always stands beside it, so that nothing
depends on colour. Must not know widgets: a tone is a name that the theme turns into a style.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

# Tones: ok, bad, warn, busy, calm, muted, text, strong, title, alarm. theme.py gives each a style.
Tone = str


@dataclass(frozen=True, slots=True)
class Glyphs:
    ok: str = "✔"
    bad: str = "✖"
    warn: str = "!"
    busy: str = "⟳"
    pause: str = "⏸"
    off: str = "⏻"
    unknown: str = "?"
    fence: str = "⚑"
    moved: str = "⇄"
    ping: str = "~"
    open: str = "▾"
    shut: str = "▸"
    start: str = "+"
    stop: str = "-"
    dot: str = "·"
    bar: str = "│"
    band: str = "██"
    lost: str = "×"
    ramp: str = "▁▂▃▄▅▆▇█"
    hatch: str = "╱"
    ascii: bool = False

    def __getitem__(self, name: str) -> str:
        value = getattr(self, name)
        assert isinstance(value, str)
        return value


UNICODE = Glyphs()
ASCII = Glyphs(
    ok="+",
    bad="x",
    warn="!",
    busy="*",
    pause="=",
    off="-",
    unknown="?",
    fence="F",
    moved=">",
    ping="~",
    open="v",
    shut=">",
    dot=".",
    bar="|",
    band="##",
    lost="x",
    ramp=".:-=+*#%",
    hatch="/",
    ascii=True,
)


def choose(setting: str = "auto", encoding: str | None = "utf-8", env: Mapping[str, str] = os.environ) -> Glyphs:
    """`setting` auto | unicode | ascii; auto takes ASCII where the output's encoding is not UTF-8."""
    if setting == "auto":
        setting = env.get("HBTUI_GLYPHS", "auto")
    if setting == "auto":
        utf8 = (encoding or "").lower().replace("-", "") == "utf8"
        setting = "unicode" if utf8 else "ascii"
    return ASCII if setting == "ascii" else UNICODE


@dataclass(frozen=True, slots=True)
class Look:
    """`glyph` names a field of Glyphs."""

    glyph: str
    tone: Tone
    word: str


_UNKNOWN = Look("unknown", "muted", "unknown")

NODE = {
    "online": Look("ok", "ok", "online"),
    "standby": Look("pause", "calm", "standby"),
    "maintenance": Look("pause", "calm", "maint"),
    "offline": Look("bad", "bad", "OFFLINE"),
    "joining": Look("busy", "busy", "joining"),
    "unclean": Look("bad", "bad", "UNCLEAN"),
    "fencing": Look("fence", "alarm", "fencing"),
}
HEARD = {
    "self": ("muted", "self"),
    "two-way": ("ok", "two-way"),
    "one-way": ("warn", "one-way"),
    "lost": ("bad", "LOST"),
    "left": ("calm", "left"),
    "never": ("muted", "never"),
}
LINK = {
    "up": Look("ok", "ok", "up"),
    "late": Look("warn", "warn", "late"),
    "one-way": Look("warn", "warn", "one-way"),
    "down": Look("bad", "bad", "DOWN"),
}
PING = {"up": Look("ping", "ok", "up"), "down": Look("bad", "bad", "DOWN")}
GROUP = {
    "started": Look("ok", "ok", "started"),
    "starting": Look("busy", "busy", "starting"),
    "stopped": Look("off", "muted", "stopped"),
    "stopping": Look("busy", "busy", "stopping"),
    "failed": Look("bad", "bad", "FAILED"),
    "blocked": Look("warn", "bad", "BLOCKED"),
    "unknown": _UNKNOWN,
}
EVENT = {
    "link": "warn",
    "failure": "bad",
    "fence": "fence",
    "move": "moved",
    "standby": "pause",
    "start": "start",
    "stop": "stop",
    "config": "dot",
    "node": "dot",
    "other": "dot",
}
SEVERITY = {"info": "text", "warning": "warn", "error": "bad"}
LEVEL = {"full": "ok", "address": "ok", "classic": "warn", "none": "bad"}
CONTROL = {"ok": ("ok", "ok"), "no": ("bad", "no"), "suspended": ("warn", "suspended"), "none": ("muted", "none")}


def look(table: Mapping[str, Look], state: str) -> Look:
    """A state this version does not know shows its own word, as unknown."""
    return table.get(state) or Look("unknown", "muted", state)
