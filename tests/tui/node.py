"""A node as a process of its own: `python -m tests.tui.node SOCKET [healthy|troubled|hostile]`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.tui.fixtures import Cluster, serving, troubled, two_nodes
from tests.tui.test_hostile import hostile_status

SCENES = {
    "healthy": two_nodes,
    "troubled": troubled,
    "hostile": lambda: hostile_status("\x1b]0;owned\x07\x1b[31m[/x]\x9b2J"),
}


async def main(path: Path, scene: str) -> None:
    async with serving(Cluster(SCENES[scene]()), path):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), (sys.argv[2:] or ["healthy"])[0]))
