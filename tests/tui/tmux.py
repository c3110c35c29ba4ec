"""hbtui inside a tmux of its own: keys go in, the screen comes out as a person would read it.

Owns one private tmux server with one session. Invariant: the server ends with the `with`, and by itself soon after a
kill -9 of the tests, since its only command has a time limit. Must not know hbtui's insides.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.tui.driving import NARROW, WIDE

__all__ = ["NARROW", "WIDE", "Header", "Tmux", "header_of"]

LIFE_S = 240  # of the window's process, should nobody be left to end it
POLL_S = 0.03
DIALOG = "┏"
_HEADER = re.compile(r"(?:local|ssh) (?P<node>\S+) │ (?P<phase>live|stale) (?P<age>[\d.]+) s")


class Header:
    """What the top line says of the data: whose, whether live, how old in seconds."""

    def __init__(self, node: str, phase: str, age: float) -> None:
        self.node, self.phase, self.age = node, phase, age


def header_of(screen: str) -> Header | None:
    found = _HEADER.search(screen.partition("\n")[0])
    return Header(found["node"], found["phase"], float(found["age"])) if found else None


class Tmux:
    """`targets`: arguments of hbtui. `python`: which interpreter runs it."""

    def __init__(self, targets: Sequence[str], size: tuple[int, int] = WIDE, python: str = sys.executable) -> None:
        self.command = ["timeout", "--foreground", str(LIFE_S), python, "-m", "hbtui", *targets]
        self.size = size

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory()
        width, height = map(str, self.size)
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR", "HBTUI_GLYPHS")}
        env |= {"LC_ALL": "C.UTF-8", "COLORTERM": "truecolor", "PYTHONPATH": os.getcwd()}
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, *self.command, env=env)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        subprocess.run([*self._server, "kill-server"], check=False, capture_output=True, timeout=10)
        self.folder.cleanup()

    @property
    def _server(self) -> list[str]:
        return ["tmux", "-u", "-S", str(Path(self.folder.name) / "s")]

    def _tmux(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._server, *arguments], check=False, capture_output=True, text=True, timeout=20, env=env
        )
        assert done.returncode == 0, f"tmux {arguments[0]}: {done.stderr}"
        return done.stdout

    def screen(self, colours: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(["-e", "-N"] if colours else []))

    def press(self, *keys: str) -> None:
        """By tmux's names: s, Escape, Down."""
        self._tmux("send-keys", *keys)

    def until(self, found: Callable[[str], bool], seconds: float = 10.0) -> float:
        """Seconds it took; fails with the screen where it never came."""
        begun = time.monotonic()
        while True:
            screen = self.screen()
            if found(screen):
                return time.monotonic() - begun
            assert time.monotonic() - begun < seconds, f"not within {seconds} s:\n{screen}"
            time.sleep(POLL_S)

    def shows(self, *texts: str, seconds: float = 10.0) -> float:
        return self.until(lambda screen: all(text in screen for text in texts), seconds)

    def hides(self, text: str, seconds: float = 10.0) -> float:
        return self.until(lambda screen: text not in screen, seconds)

    # the window's dialogs

    def propose(self, pane: str, key: str, title: str, rows: int = 8) -> str:
        """Opens the plan called `title` with `key`, walking down `pane` as a person would; the dialog."""
        self.press(pane, "g")
        for _ in range(rows):
            self.press(key)
            self.until(lambda screen: DIALOG in screen, 5.0)
            if f"━ {title} " in self.screen():
                self.until(lambda screen: any(word in screen for word in ("command  ", "could not")))
                return self.screen()
            self.leave()
            self.press("Down")
        raise AssertionError(f"no row offers {title}:\n{self.screen()}")

    def confirm(self, seconds: float = 20.0) -> float:
        """Applies the plan on the screen and waits until it settled; the time `y` was pressed."""
        self.shows("y Apply")
        at = time.monotonic()
        self.press("y")
        self.shows("Settled after", seconds=seconds)
        self.leave()
        return at

    def leave(self) -> None:
        self.press("Escape")
        self.hides(DIALOG)
