"""From the socket that pulse gave to a daemon that runs.

Owns the daemon's first words with pulse, and its exit status. Must not know what a daemon does.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from hbcore.daemon.manager import Manager
from hbcore.host import files, pipe
from hbcore.words import say


async def _main(sock: socket.socket, argv: list[str]) -> int:
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, pipe.LIFE_SIGN)
    packet = await loop.sock_recv(sock, pipe.MAX_PACKET)
    if not packet:
        return 0  # of an heir that is not needed
    hello = pipe.decode(packet)
    assert isinstance(hello, pipe.Hello) and hello.version == pipe.VERSION, "pulse speaks another version"
    arguments = {name: argv[argv.index(f"--{name}") + 1] for name in ("state", "runtime")}
    restart = [
        "-m", "hbcore.cli.hbcored", "--config", hello.config_dir, "--state", arguments["state"], "--runtime",
        arguments["runtime"], "--node", hello.node,
    ]  # fmt: skip
    return await Manager(sock, hello, arguments, restart).run()


def run(sock: socket.socket, argv: list[str]) -> int:
    """The daemon until it ends; its exit status."""
    try:
        return asyncio.run(_main(sock, argv))
    except files.FileTrouble as trouble:
        print(say(trouble.code, **trouble.args_), file=sys.stderr, flush=True)
        return 1
