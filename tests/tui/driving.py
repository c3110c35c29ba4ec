"""What the window's tests drive it with: an app on a real control server, its screen as text, and waiting."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from hbcore.control.schema import Role, Status
from hbtui.app import HbApp
from hbtui.glyphs import Glyphs
from tests.tui.fixtures import Cluster, serving, two_nodes

WIDE, NARROW = (120, 36), (80, 24)


@dataclass(slots=True)
class Window:
    app: HbApp
    pilot: Pilot[int]
    cluster: Cluster
    socket: Path

    @property
    def lines(self) -> list[str]:
        """The top screen as a grid of text, a line each."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, found: Callable[[], bool], seconds: float = 8.0) -> float:
        """Seconds it took; fails with the screen where it never came."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            await self.pilot.pause()
            if found():
                return time.monotonic() - start
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {seconds} s:\n{self.text}")

    async def shows(self, *texts: str, seconds: float = 8.0) -> float:
        return await self.until(lambda: all(text in self.text for text in texts), seconds)

    async def hides(self, *texts: str, seconds: float = 8.0) -> float:
        return await self.until(lambda: not any(text in self.text for text in texts), seconds)


@contextlib.asynccontextmanager
async def window(
    size: tuple[int, int] = WIDE,
    status: Status | None = None,
    *,
    role: Role | None = None,
    keys: Mapping[str, str] | None = None,
    glyphs: Glyphs | None = None,
    step_s: float = 0.1,
) -> AsyncIterator[Window]:
    """An app on a served cluster, after its first status."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "hbcore.sock"
        cluster = Cluster(status or two_nodes(), step_s)
        async with serving(cluster, socket):
            app = HbApp([str(socket)], role=role, keys=keys, glyphs=glyphs)
            async with app.run_test(size=size, notifications=True) as pilot:
                it = Window(app, pilot, cluster, socket)
                await it.until(lambda: app.model.status is not None)
                app.repaint()
                await pilot.pause()
                yield it
