"""hbtui: the window's command line.

Owns the arguments and the choice between screen, text and demo. Invariant: Textual is imported only when a screen
will be shown, so that --help and --once answer at once; without a terminal nothing but text is written.
Must not know what a screen shows.

Exit status: 0 ok, 1 degraded, 2 down, no daemon or wrong use; of the demo without a screen, the lab's.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from hbcore import __version__
from hbcore.words import say

LAB = "hbcore.lab"
SCENARIOS = ("failover",)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="hbtui",
        description="The window onto a cluster. TARGET: nothing (this machine), a socket's path, or [USER@]HOST over "
        "SSH; several targets are nodes of one cluster, and the screen goes over to another where one falls silent.",
        epilog="Exit status with --once or without a terminal: 0 ok, 1 degraded, 2 down or no daemon. "
        "Keys: ? help, : command, / filter, q quit.",
    )
    made.add_argument("targets", nargs="*", metavar="TARGET")
    made.add_argument(
        "--demo", nargs="?", const=SCENARIOS[0], metavar="SCENARIO", help="two real nodes on this machine, to break"
    )
    how = made.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="print the status as text and leave")
    how.add_argument("--json", action="store_true", help="print the status as JSON and leave")
    made.add_argument("--ascii", action="store_true", help="plain characters instead of glyphs")
    made.add_argument("--viewer", action="store_true", help="look only: no key can change anything")
    made.add_argument("--version", action="version", version=f"hbtui {__version__}")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """The process's exit status."""
    arguments = parser().parse_args(argv)
    screen = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.once and not arguments.json
    if arguments.demo is not None:
        if arguments.demo not in SCENARIOS:
            print(say("tui-demo-scenarios", scenario=arguments.demo, known=", ".join(SCENARIOS)), file=sys.stderr)
            return 2
        if not screen:
            as_json = ["--json"] if arguments.json else []
            os.execv(sys.executable, [sys.executable, "-m", LAB, "--once", *as_json])
    from hbtui.glyphs import choose

    glyphs = choose("ascii" if arguments.ascii else "auto", sys.stdout.encoding)
    targets = arguments.targets or [""]
    if not screen:
        from hbtui import once

        return once.run(targets, arguments.json, glyphs)
    term = os.environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        print(say("tui-dumb", term=term or '""'), file=sys.stderr)
        return 2
    logging.getLogger().addHandler(logging.NullHandler())  # a library's complaint must not land on the screen
    from hbcore.control.client import ControlError
    from hbcore.control.schema import Role
    from hbtui import hangup
    from hbtui.app import run

    hangup.watch(sys.stdout.fileno())
    try:
        role: Role | None = "viewer" if arguments.viewer else None
        return run(targets, glyphs, demo=arguments.demo is not None, role=role, no_color="NO_COLOR" in os.environ)
    except ControlError as error:
        print(f"hbtui: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
