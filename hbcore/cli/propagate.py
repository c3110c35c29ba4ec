"""ha_propagate: this node's configuration on the other nodes, over SSH, after showing what would change there.

Owns the way from the files here to an answer from each node. Invariant: files that are wrong here go nowhere; nothing
is replaced anywhere before its difference was shown and agreed to (a yes, or --yes); of keys nothing is ever printed.
Must not know SSH, nor how a node replaces files (receive.py).
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from hbcore.cli.preflight import examine, failed, render
from hbcore.cli.receive import SECRET, File, Looked, Offer, Seen, Take, Taken
from hbcore.cli.remote import Conversation
from hbcore.control.client import ControlError, Target, parse_host
from hbcore.control.sanitise import clean
from hbcore.control.wire import Ask
from hbcore.formats.load import OPTIONAL, PARTS
from hbcore.words import say

ALWAYS = ("ha.cf", SECRET)  # as heartbeat's did; haresources stayed out
MOST_LINES = 400  # of a difference; the files have 64 KiB
DONE, FAILED = 0, 1


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse(sys.argv[1:] if argv is None else argv)
    node = (os.environ.get("HBCORE_NODE") or os.uname().nodename).lower()
    found = examine(args.config, node if os.environ.get("HBCORE_NODE") else None)
    if failed(found.problems) or found.config is None:
        _tell(render(found.problems, f"{args.config}/"))
        return _complain(say("propagate-wrong-here"))
    try:
        targets = [parse_host(name) for name in args.nodes or [n for n in found.config.nodes if n != node]]
    except ControlError as error:
        return _complain(error.text)
    if not targets:
        return _complain(say("propagate-nobody", node=node))
    names = PARTS if args.all else ALWAYS
    paths = [args.config / name for name in names]
    files = [File(path.name, path.read_bytes()) for path in paths if path.name != OPTIONAL or path.exists()]

    import asyncio

    replaced: set[str] = set()
    good = True
    for target in targets:
        try:
            taken = asyncio.run(_propagate(target, files, args))
        except ControlError as error:
            taken = Taken(error=error.text)
        replaced |= set(taken.replaced)
        if taken.error:
            good = False
            _complain(taken.error)
    if SECRET in replaced:
        print(say("propagate-keys-next"))
    if replaced - {SECRET}:
        print(say("propagate-files-next"))
    return DONE if good else FAILED


async def _propagate(target: Target, files: Sequence[File], args: argparse.Namespace) -> Taken:
    """One node: offer, show, ask, replace. `error` of the result: a sentence, where it has not got them all."""
    from hbcore.cli.hbctl import trust
    from hbcore.control.ssh import remote, wire_for

    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    ask: Ask | None = trust if terminal else None
    wire = wire_for(target, remote("receive"), ask)
    try:
        link = Conversation(wire, str(target), "propagate-unlike")
        await link.open()
        seen = await link.call(Offer(list(files)), Seen)
        if seen.error:
            return Taken(error=f"{target}: {clean(seen.error, 500)}")
        changed = show(str(target), files, seen)
        if seen.refused:
            print(say("propagate-wrong", node=target))
            _tell(clean(line, 500) for line in seen.wrong)
            return Taken(error=say("propagate-kept", node=target))
        if not changed:
            print(say("propagate-nothing", node=target))
            # authkeys may still be open to others there: the node closes it
        elif not args.yes and not terminal:
            return Taken(error=say("propagate-no-terminal", node=target))
        elif not args.yes and not _agreed(target, changed, seen):
            return Taken(error=say("propagate-kept", node=target))
        taken = await link.call(Take(True), Taken)
        names, where = ", ".join(taken.replaced), clean(seen.dir, 300)
        if taken.replaced:
            print(say("propagate-done", node=target, names=names, dir=where))
        if taken.kept:
            print(say("propagate-copies", node=target, names=", ".join(taken.kept)))
        return Taken(taken.replaced, taken.kept, f"{target}: {clean(taken.error, 500)}" if taken.error else "")
    finally:
        wire.close()
        await wire.closed()


def show(node: str, files: Sequence[File], seen: Seen) -> list[str]:
    """Print how what is there differs; the names that do."""
    looked = {one.name: one for one in seen.files}
    changed = []
    for file in files:
        there = looked.get(file.name, Looked(file.name, "absent"))
        if there.state == "same":
            print(say("propagate-same", node=node, name=file.name))
            continue
        changed.append(file.name)
        if there.state == "absent":
            print(say("propagate-absent", node=node, name=file.name))
        elif file.name == SECRET:
            print(say("propagate-differs", node=node, name=file.name))
        else:
            _tell(_difference(node, file, there.now or b""))
    return changed


def _difference(node: str, file: File, there: bytes) -> list[str]:
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (there, file.data))
    lines = list(difflib.unified_diff(old, new, f"{node}:{file.name}", file.name, lineterm=""))
    cut = [f"... {len(lines) - MOST_LINES}"] if len(lines) > MOST_LINES else []
    return [line[:1] + clean(line[1:].replace("\t", " " * 4), 500) for line in lines[:MOST_LINES]] + cut


def _agreed(target: Target, names: Sequence[str], seen: Seen) -> bool:
    where = clean(seen.dir, 300)
    sys.stdout.flush()
    sys.stderr.write(say("propagate-ask", node=target, names=", ".join(names), dir=where) + " ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _complain(sentence: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"ha_propagate: {sentence}\n")
    return FAILED


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ha_propagate",
        description=say("propagate-about"),
        epilog=say("propagate-epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--all", action="store_true", help=say("propagate-all"))
    parser.add_argument("--yes", "-y", action="store_true", help=say("propagate-yes"))
    default = Path(os.environ.get("HBCORE_CONFIG") or "/etc/ha.d")
    parser.add_argument("--config", metavar="DIR", type=Path, default=default, help=say("propagate-config"))
    parser.add_argument("nodes", metavar="NODE", nargs="*", help=say("propagate-nodes"))
    return parser.parse_args(list(argv))


if __name__ == "__main__":
    sys.exit(main())
