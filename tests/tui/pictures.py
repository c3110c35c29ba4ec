"""The README's pictures, from a real run: `python -m tests.tui.pictures [FOLDER]` rewrites docs/pictures.

Owns which moments are shown. Invariant: each picture is what tmux had on its screen while real daemons ran in the lab;
nothing is drawn or retouched. Must not know hbtui's insides.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from hbtui.theme import DARK
from tests.cluster.harness import Cluster
from tests.cluster.stalls import ROOT
from tests.tui.tmux import NARROW, WIDE, Tmux

CURVE_S = 40.0  # so that the curves of latency have something to show


def _rgb(colour: str | None) -> tuple[int, int, int]:
    assert colour is not None
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def svg_of(screen: str, size: tuple[int, int]) -> str:
    """`screen`: text with colours as ANSI sequences."""
    console = Console(width=size[0], height=size[1], record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip("\n")), crop=True, no_wrap=True, overflow="crop")
    theme = TerminalTheme(_rgb(DARK.background), _rgb(DARK.foreground), [_rgb(DARK.foreground)] * 8)
    svg = console.export_svg(title="hbtui", theme=theme)
    return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)  # else some viewers drop blanks that begin a text


def take(folder: Path) -> None:
    def shoot(tmux: Tmux, name: str) -> None:
        time.sleep(1.2)  # all that moved has been painted
        (folder / f"{name}.svg").write_text(svg_of(tmux.screen(colours=True), tmux.size))
        print(f"{name}: {tmux.size[0]}x{tmux.size[1]}")

    with Cluster() as c:
        sockets = [c.socket("node2"), c.socket("node1")]  # node2 is looked at: it lives on
        with Tmux(sockets, WIDE) as wide, Tmux(sockets, NARROW) as narrow:
            c.start()
            c.wait_served(by="node1", timeout=40)
            wide.shows("OK", "httpd", seconds=20.0)
            wide.propose("1", "t", "Takeover by node2")
            wide.confirm()
            c.wait_served(by="node2")
            wide.propose("2", "H", "Send 192.168.100.100 home")
            wide.confirm()
            c.wait_served(by="node1")
            time.sleep(CURVE_S)
            shoot(wide, "dashboard")
            wide.propose("1", "t", "Takeover by node2")
            shoot(wide, "plan")
            wide.leave()
            c.power_off("node1")
            c.wait_served(by="node2")
            wide.shows("LOST", seconds=10.0)
            wide.press("2", "g")
            narrow.press("2", "g")
            narrow.shows("LOST", seconds=10.0)
            time.sleep(3.0)
            shoot(wide, "failover")
            shoot(narrow, "small")


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures")
