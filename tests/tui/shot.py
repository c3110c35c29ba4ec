"""Pictures of the window as SVG: `python -m tests.tui.shot OUT.svg WIDTHxHEIGHT [SCENE] [KEY or SECONDS ...]`.

SCENE `demo` is a real lab with real daemons; the others are the tests' clusters. Seconds are written with a point: 1.5.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from hbtui.app import HbApp
from hbtui.demo import Demo
from tests.tui.fixtures import Cluster, many, serving, troubled, two_nodes

SCENES = {"healthy": two_nodes, "troubled": troubled, "many": lambda: many(64, 200, 10)}


@contextlib.asynccontextmanager
async def scene_of(name: str) -> AsyncIterator[HbApp]:
    if name == "demo":
        yield HbApp(demo=Demo())
        return
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "hbcore.sock"
        async with serving(Cluster(SCENES[name]()), socket):
            yield HbApp([str(socket)])


async def shoot(size: tuple[int, int], scene: str, keys: list[str]) -> str:
    async with scene_of(scene) as app, app.run_test(size=size) as pilot:
        for _ in range(600):
            if app.model.status is not None and (app.demo is None or app.demo.seen.page is not None):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.5)
        for key in keys:
            if "." in key:
                await asyncio.sleep(float(key))
            else:
                await pilot.press(key)
        await pilot.pause(0.5)
        return app.export_screenshot(title="hbtui")


if __name__ == "__main__":
    width, _, height = sys.argv[2].partition("x")
    picture = asyncio.run(shoot((int(width), int(height)), (sys.argv[3:] or ["healthy"])[0], sys.argv[4:]))
    Path(sys.argv[1]).write_text(picture)
