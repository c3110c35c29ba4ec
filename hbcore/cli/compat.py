"""The old names: hb_standby, hb_takeover, cl_status, ha_propagate and send_arp, as `hbctl install-compat` links them.

Owns the way from the name we are called by to what does it today. Invariant: nothing is done here; each old command is
a line of hbctl or a module of its own, and heartbeat's exit codes are kept. `python -m hbcore.cli.compat NAME ...` too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hbcore.words import say

DONE, FAILED = 0, 1
SCOPES = ("all", "local", "foreign", "failback")


def main(argv: Sequence[str] | None = None) -> int:
    """`argv` with the name first, as in sys.argv; None takes that."""
    words = list(sys.argv if argv is None else argv)
    name = Path(words.pop(0)).name
    if name not in NAMES and words:
        name = words.pop(0)
    if name not in NAMES:
        sys.stderr.write(say("old-which", names=", ".join(NAMES)) + "\n")
        return FAILED
    return NAMES[name](words)


def _standby(words: Sequence[str]) -> int:
    return _moved("hb_standby", "standby", words)


def _takeover(words: Sequence[str]) -> int:
    """Also on a node in standby: heartbeat remembered none, and who calls this here wants it to serve."""
    return _moved("hb_takeover", "takeover", words, serve=True)


def _moved(name: str, command: str, words: Sequence[str], *, serve: bool = False) -> int:
    """As heartbeat's: 0 at once where it was accepted. Where heartbeat did nothing without a word, 1 and why."""
    usage = say(f"{command}-usage")
    if list(words) in (["--help"], ["-h"]):
        sys.stdout.write(usage + "\n")
        return DONE
    if len(words) > 1 or (words and words[0] not in SCOPES):
        code = "old-many" if len(words) > 1 else "old-scope"
        sys.stderr.write(f"{name}: {say(code, given=' '.join(words)[:64])}\n{usage}\n")
        return FAILED
    from hbcore.cli import hbctl

    if serve and _in_standby(name) and hbctl.main(["online", "--yes"], name) != DONE:
        return FAILED
    return DONE if hbctl.main([command, *words, "--yes"], name) == DONE else FAILED


def _in_standby(name: str) -> bool:
    """Whether the node that answers is; False where none does, which is told with the order itself."""
    import asyncio

    from hbcore.control.client import ControlError, connect, parse

    async def asked() -> bool:
        async with connect(parse(None), tool=name) as client:
            status = await client.status()
        return any(node.name == status.node and node.state == "standby" for node in status.nodes)

    try:
        return asyncio.run(asked())
    except ControlError:
        return False


def _status(words: Sequence[str]) -> int:
    from hbcore.cli import cl_status

    return cl_status.main(words)


def _propagate(words: Sequence[str]) -> int:
    from hbcore.cli import propagate

    return propagate.main(words)


def _send_arp(words: Sequence[str]) -> int:
    from hbcore.cli import send_arp

    return send_arp.main(words)


NAMES: dict[str, Callable[[Sequence[str]], int]] = {
    "hb_standby": _standby,
    "hb_takeover": _takeover,
    "ha_propagate": _propagate,
    "cl_status": _status,
    "send_arp": _send_arp,
}


if __name__ == "__main__":
    sys.exit(main())
