"""Themes, and the one table that gives every tone its style.

Owns our two colour themes and the choice of the terminal's own colours under NO_COLOR.
Invariant: tones use theme variables only, so that any Textual theme works; no state depends on colour alone.
Must not know screens or statuses.
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="hbtui-dark",
    dark=True,
    primary="#5fa8d3",
    secondary="#a48fd8",
    accent="#62b6cb",
    success="#74c69d",
    warning="#f4b860",
    error="#f07167",
    foreground="#d8dee6",
    background="#10151b",
    surface="#151b23",
    panel="#1d2631",
    variables={"border": "#5fa8d3", "border-blurred": "#33404f", "footer-key-foreground": "#f4b860"},
)
LIGHT = Theme(
    name="hbtui-light",
    dark=False,
    primary="#1b6ca8",
    secondary="#6a4fb3",
    accent="#127a8a",
    success="#23743f",
    warning="#8f5a00",
    error="#b3261e",
    foreground="#1c2430",
    background="#f6f7f9",
    surface="#ffffff",
    panel="#e6eaf0",
    variables={"border": "#1b6ca8", "border-blurred": "#b8c2cf"},
)
OURS = (DARK, LIGHT)

# tone -> Textual style; `$name` are theme variables. ANSI themes have no shades: muted is then "dim".
STYLES = {
    "text": "",
    "strong": "bold",
    "ok": "$success",
    "bad": "bold $error",
    "warn": "$warning",
    "busy": "bold $accent",
    "calm": "$secondary",
    "muted": "$foreground 55%",
    "title": "bold $primary",
    "key": "bold $warning",
    "alarm": "bold reverse $error",
    "badge": "bold reverse $primary",
}
ANSI_STYLES = {**STYLES, "muted": "dim", "title": "bold", "key": "bold"}
CURSOR = "on $primary 25%"
ANSI_CURSOR = "reverse"


def choose(no_color: bool) -> str:
    """The theme to start with: the terminal's own colours where the user asked for none of ours."""
    return "ansi-dark" if no_color else DARK.name


def style_of(tone: str, ansi: bool) -> str:
    return (ANSI_STYLES if ansi else STYLES).get(tone, "")
