"""Pictures of the window, for the eye: `python -m tests.tui.shot OUT.svg WIDTHxHEIGHT [SCENE] [KEY or SECONDS ...]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from hbtui.app import HbApp
from tests.tui.fixtures import Cluster, many, serving, troubled, two_nodes

SCENES = {"healthy": two_nodes, "troubled": troubled, "many": lambda: many(64, 200, 10)}


async def shoot(size: tuple[int, int], scene: str, keys: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "hbcore.sock"
        async with serving(Cluster(SCENES[scene]()), socket):
            app = HbApp([str(socket)])
            async with app.run_test(size=size) as pilot:
                await asyncio.sleep(1.5)
                for key in keys:
                    if key.replace(".", "").isdigit() and "." in key:
                        await asyncio.sleep(float(key))
                    else:
                        await pilot.press(key)
                await pilot.pause(0.5)
                return app.export_screenshot()


if __name__ == "__main__":
    width, _, height = sys.argv[2].partition("x")
    picture = asyncio.run(shoot((int(width), int(height)), (sys.argv[3:] or ["healthy"])[0], sys.argv[4:]))
    Path(sys.argv[1]).write_text(picture)
