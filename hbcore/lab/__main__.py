"""`python -m hbcore.lab [--once [--json]]`: a lab of real daemons on this machine, and nothing of it left afterwards.

Owns the command line and the order: enter the room, build, steer, leave. Invariant: single-threaded until the room is
entered; whatever ends this process ends the lab. Must not know protocol or play.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

from hbcore.lab.lab import TEMPLATE, Lab, Plan, hbcored
from hbcore.lab.once import PATIENCE_S, Play
from hbcore.lab.room import Room, enter
from hbcore.lab.serve import Server, write
from hbcore.lab.trouble import LabError


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hbcore.lab", description="Real daemons in network namespaces.")
    parser.add_argument(
        "--once", action="store_true", help="play the failover script, print it, exit 0 if it went well"
    )
    parser.add_argument("--json", action="store_true", help="with --once: one JSON object instead of sentences")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="with --once: seconds for each step")
    parser.add_argument("--nodes", default=",".join(Plan().nodes), help="host names, by commas")
    parser.add_argument("--config", type=Path, default=TEMPLATE, help="what each node gets as /etc/ha.d")
    parser.add_argument(
        "--command", default=shlex.join(hbcored()), help="what each node starts at boot; empty: nothing"
    )
    parser.add_argument("--disk", type=Path, help="a folder to keep the nodes' configuration, state and logs in")
    parser.add_argument(
        "--address", default=Plan().address, help="the address that serves, as the configuration has it"
    )
    parser.add_argument("--beat-port", type=int, default=694, help="the UDP port that `cut` cuts")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    plan = Plan(
        nodes=tuple(options.nodes.split(",")),
        config=options.config.resolve(),
        command=tuple(shlex.split(options.command)),
        disk=options.disk.resolve() if options.disk else None,
        address=options.address,
        beat_port=options.beat_port,
    )
    if sys.version_info < (3, 12):  # the child watcher of 3.11 would use a thread for each child
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    try:
        room = enter()
        try:
            return asyncio.run(stage(plan, options, room))
        finally:
            room.close()
    except LabError as error:
        if options.once:
            print(error, file=sys.stderr)
        else:
            write({"event": "failed", "code": error.code, "text": str(error)})
        return 1
    except BrokenPipeError:
        return 1


async def stage(plan: Plan, options: argparse.Namespace, room: Room) -> int:
    lab = Lab(plan, room)
    if not options.once:
        await Server(lab).serve()
        return 0
    play = asyncio.create_task(Play(lab, options.json, options.patience).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, play.cancel)
    parent = os.pidfd_open(os.getppid())  # readable when whoever started the play is gone, by kill -9 too
    loop.add_reader(parent, play.cancel)
    try:
        return await play
    except asyncio.CancelledError:
        return 130
    finally:
        loop.remove_reader(parent)
        await lab.close()


if __name__ == "__main__":
    sys.exit(main())
