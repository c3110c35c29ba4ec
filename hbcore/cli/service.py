"""`hbctl install-service`: hbcored as a service of systemd, its log rotated, its manual where man looks.

Owns which files that takes, and where they go on Debian and its like. Invariant: what --print shows is what would be
installed. Must not know systemd: nothing is started or enabled here.
"""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from pathlib import Path

from hbcore.cli import install, manual
from hbcore.cli.install import MARK, Piece
from hbcore.cli.look import put_json, put_lines
from hbcore.words import say

UNIT, ROTATION = "/etc/systemd/system/hbcored.service", "/etc/logrotate.d/hbcored"
MANUAL = "/usr/local/share/man"


def service(args: argparse.Namespace) -> int:
    pieces = [Piece(UNIT, _file("hbcored.service")), Piece(ROTATION, _file("hbcored.logrotate"))]
    if args.print:
        if args.json:
            put_json({piece.path: piece.text for piece in pieces})
        else:
            put_lines([line for piece in pieces for line in (f"# {piece.path}", *piece.text.splitlines(), "")])
        return 0
    pieces += [Piece(f"{MANUAL}/man{name[-1]}/{name}", text) for name, text in manual.pages().items()]
    done = install.carry_out(args, pieces)
    if not args.remove and not args.json:
        put_lines([say("service-next")])
    return done


def _file(name: str) -> str:
    text = resources.files("hbcore.cli").joinpath("files", name).read_text("utf-8")
    return (
        text.replace("@MARK@", f"{MARK}-service")
        .replace("@HBCORED@", _program("hbcored"))
        .replace("@HBCTL@", _program("hbctl"))
    )


def _program(name: str) -> str:
    """The one beside the Python that has us, else that Python with our module."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else f"{sys.executable} -P -m hbcore.cli.{name}"
