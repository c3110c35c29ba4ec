"""`hbctl install-compat` and `install-service`: our files in places that are not ours.

Owns putting them there and taking them away again. Invariant: nothing is overwritten or removed that we did not make,
and all is looked at before anything is written. Must not know what the files say.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hbcore.cli.look import put_json, put_lines
from hbcore.control.errors import ControlError
from hbcore.host import files
from hbcore.words import say

MARK = "made by hbctl install"  # stands in every file we put somewhere
MARK_WITHIN = 4096
ENTRY = "/usr/local/lib/hbtui/compat"
# Where Debian 12's heartbeat 1:3.0.6-13 has them; send_arp, which resource-agents keeps elsewhere today, where
# heartbeat had it before.
OLD_NAMES = (
    "/usr/share/heartbeat/hb_standby",
    "/usr/share/heartbeat/hb_takeover",
    "/usr/share/heartbeat/ha_propagate",
    "/usr/bin/cl_status",
    "/usr/lib/heartbeat/send_arp",
)
OUR_FOLDERS = ("/usr/local/lib/hbtui", "/usr/share/heartbeat", "/usr/lib/heartbeat")  # removed where empty


@dataclass(frozen=True, slots=True)
class Piece:
    """`path`: as an absolute one below any prefix. Either `text` with its `mode`, or a link `to` another piece."""

    path: str
    text: str = ""
    mode: int = 0o644
    to: str = ""

    def under(self, prefix: Path) -> Path:
        return prefix / self.path.lstrip("/")


def compat(args: argparse.Namespace) -> int:
    """The five old names, all links to one small program that knows which Python has us."""
    program = f"#!{sys.executable} -P\n# hbtui: the old names of heartbeat, {MARK}-compat\n{_PROGRAM}"
    pieces = [Piece(ENTRY, program, 0o755), *(Piece(name, to=ENTRY) for name in OLD_NAMES)]
    return carry_out(args, pieces)


_PROGRAM = "import sys\n\nfrom hbcore.cli.compat import main\n\nsys.exit(main())\n"


def carry_out(args: argparse.Namespace, pieces: Sequence[Piece]) -> int:
    """Install or (`args.remove`) remove them below `args.prefix`, and say which. Raises ControlError."""
    prefix = Path(args.prefix)
    try:
        done = _remove(pieces, prefix) if args.remove else _install(pieces, prefix)
    except OSError as error:
        raise ControlError("install-failed", path=error.filename or prefix, error=error.strerror or error) from None
    if args.json:
        put_json({"removed" if args.remove else "installed": [str(path) for path in done]})
    else:
        code = "install-removed" if args.remove else "install-made"
        put_lines([say(code, path=path) for path in done] or [say("install-nothing")])
    return 0


def _install(pieces: Sequence[Piece], prefix: Path) -> list[Path]:
    for piece in pieces:
        path = piece.under(prefix)
        if os.path.lexists(path) and not _ours(piece, prefix):
            raise ControlError("install-not-ours", path=path)
    made = []
    for piece in pieces:
        path = piece.under(prefix)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if piece.to:
            path.unlink(missing_ok=True)
            path.symlink_to(_target(piece, prefix))
        else:
            files.put(path, piece.text.encode(), piece.mode)
        made.append(path)
    return made


def _remove(pieces: Sequence[Piece], prefix: Path) -> list[Path]:
    """What is not ours any more stays, without a word: a package may have put its own there since."""
    gone = []
    for piece in reversed(pieces):
        path = piece.under(prefix)
        if os.path.lexists(path) and _ours(piece, prefix):
            path.unlink()
            gone.append(path)
    for folder in OUR_FOLDERS:
        with contextlib.suppress(OSError):  # not empty, or not there
            (prefix / folder.lstrip("/")).rmdir()
    return gone


def _ours(piece: Piece, prefix: Path) -> bool:
    path = piece.under(prefix)
    if path.is_symlink():
        return bool(piece.to) and os.readlink(path) == _target(piece, prefix)
    if piece.to or not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK.encode() in file.read(MARK_WITHIN)


def _target(piece: Piece, prefix: Path) -> str:
    """Relative, so that a tree that is packed elsewhere (`--prefix`) holds together."""
    return os.path.relpath(Piece(piece.to).under(prefix), piece.under(prefix).parent)
