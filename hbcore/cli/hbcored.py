"""hbcored: examines the configuration, then is pulse until it is told to leave.

Owns the command line, and what is read before anything is opened. Invariant: no link is opened before the configuration
was found right; SIGTERM releases and hands over, exit 0; SIGHUP reads authkeys again. Must not know beats.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hbcore import __version__
from hbcore.cli.preflight import examine, render
from hbcore.engine.config import Severity
from hbcore.engine.keys import Keyring
from hbcore.formats.load import load
from hbcore.host import clock, files, sole, state
from hbcore.host.notify import Notifier
from hbcore.host.pipe import Told, left_behind
from hbcore.links.sockets import LinkError
from hbcore.pulse.child import Child
from hbcore.pulse.loop import Pulse, Start, arguments
from hbcore.pulse.succession import HEIR, inherit
from hbcore.words import say

MAX_SOCKET_PATH = 107
RESUME = "HBCORE_RESUME"  # a descriptor: host.pipe.leave_behind, by a daemon that turns into the next pulse


class Running(Exception):
    """Another process is hbcored here: its number."""


def main(argv: list[str] | None = None) -> int:
    options = build().parse_args(argv)
    try:
        if HEIR in os.environ:
            return _heir(options)
        start = _resumed(options) if RESUME in os.environ else _fresh(options)
        if start is None:
            return 1
        return Pulse(start, _rereader(start)).run()
    except Running as running:
        return _elsewhere(running.args[0], options.runtime)
    except LinkError as error:
        print(say(error.code, **error.details), file=sys.stderr)
    except files.FileTrouble as error:
        print(say(error.code, **error.args_), file=sys.stderr)
    except OSError as error:
        print(say("hbcored-os-error", error=error.strerror or str(error), path=error.filename or "-"), file=sys.stderr)
    return 1


def _read(options: argparse.Namespace) -> Start | None:
    """From the files, without a life yet; None (and sentences on stderr) where they are wrong."""
    node = (options.node or os.uname().nodename).lower()
    found = examine(options.config, node)
    for line in render(found.problems, f"{options.config}/"):
        print(line, file=sys.stderr, flush=True)
    if found.config is None or found.keys is None:
        print(say("hbcored-refuses", path=str(options.config)), file=sys.stderr)
        return None
    return Start(
        node, found.config, found.keys, options.config.absolute(), options.state.absolute(),
        options.runtime.absolute(), 0, 0, told=bool(options.node),
    )  # fmt: skip


def _heir(options: argparse.Namespace) -> int:
    """In the place of a pulse that runs, and waits for us only."""
    start = _read(options)
    if start is None:
        return 1
    child = Child(arguments(start))
    child.start(clock.now_ns())
    inheritance = inherit(start.config, start.node, options.runtime) if child.awaken() else None
    if inheritance is None:
        child.kill()
        return 1
    return Pulse(start, _rereader(start), inheritance, child).run()


def _fresh(options: argparse.Namespace) -> Start | None:
    """From the files; None (and sentences on stderr) where they are wrong."""
    start = _read(options)
    if start is None:
        return None
    if len(str(options.runtime.absolute() / "hbcore.sock")) > MAX_SOCKET_PATH:
        print(say("socket-path-long", path=str(options.runtime), most=MAX_SOCKET_PATH), file=sys.stderr)
        return None
    for folder in (options.state, options.runtime):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    if holder := sole.take(options.runtime):
        raise Running(holder)
    return replace(start, incarnation=_remembered(options.state.absolute()))


def _elsewhere(pid: int, runtime: Path) -> int:
    """A service manager that lost sight of us (pulse died, and its daemon took its place) is shown whom to watch."""
    print(say("hbcored-runs", pid=pid, path=runtime), file=sys.stderr, flush=True)
    return 0 if pid > 0 and Notifier().adopt(pid) else 1


def _remembered(folder: Path) -> int:
    """The incarnation of this life. What is damaged is told here at once, and by the daemons as long as they live."""
    now = int(time.time())
    _, stored_lost = state.load(folder, now)
    incarnation, incarnation_lost = state.next_incarnation(folder, now)
    lost = [kept for kept in (stored_lost, incarnation_lost) if kept is not None]
    for kept in lost:
        print(say(kept.code, **dict(kept.args)), file=sys.stderr, flush=True)
    state.tell(lost)
    return incarnation


def _resumed(options: argparse.Namespace) -> Start:
    """From what the former pulse ran with: what lies on disk now is taken at a real start only."""
    hello = left_behind(int(os.environ.pop(RESUME)))
    sole.succeed(options.runtime)
    return Start(
        hello.node, hello.config, hello.keys, options.config, options.state, options.runtime,
        hello.incarnation, hello.generation + 1,
    )  # fmt: skip


def build() -> argparse.ArgumentParser:
    """The command line; also for the manual."""
    parser = argparse.ArgumentParser(prog="hbcored", description=say("hbcored-about"))
    places = (
        ("config", "HBCORE_CONFIG", "/etc/ha.d"),
        ("state", "HBCORE_STATE", "/var/lib/hbcore"),
        ("runtime", "HBCORE_RUNTIME", "/run/hbcore"),
    )
    for name, variable, default in places:
        value = Path(os.environ.get(variable, default))
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", default=value, help=say(f"hbcored-{name}"))
    parser.add_argument("--node", metavar="NAME", default=os.environ.get("HBCORE_NODE"), help=say("hbcored-node"))
    parser.add_argument("--version", action="version", version=f"hbcored {__version__}")
    return parser


def _rereader(start: Start) -> Callable[[], tuple[Keyring | None, list[Told]]]:
    def reread() -> tuple[Keyring | None, list[Told]]:
        """SIGHUP: new keys where authkeys is right; other files are compared, not taken."""
        loaded = load(start.config_dir, start.node)
        wrong = [p for p in loaded.problems if p.where.file == "authkeys" and p.severity is Severity.ERROR]
        notes = []
        if loaded.keys is None:
            line = render(wrong)[0] if wrong else "authkeys"
            notes.append(Told("keys-kept", (("problem", line),), "error", "config"))
        else:
            sign = loaded.keys.signer
            notes.append(Told("keys-taken", (("id", str(sign.id)), ("method", sign.method.value)), "info", "config"))
        was, now = start.config, loaded.config
        if now is None or (now.digest(), now.respawn) != (was.digest(), was.respawn):
            notes.append(Told("files-changed", (), "warning", "config"))
        return loaded.keys, notes

    return reread


if __name__ == "__main__":
    sys.exit(main())
