"""hbctl: the cluster from a command line and from scripts.

Owns the way from a line to an exit code. Invariant: 0 done, 1 refused or failed, 2 usage, 3 no daemon, 4 not permitted;
an error is one sentence on standard error (with --json an object on standard output), never a traceback.
Must not know the daemon; slow imports happen only where a command needs them.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hbcore.cli import grammar
from hbcore.words import say

if TYPE_CHECKING:
    from hbcore.control.errors import ControlError

DONE, FAILED, USAGE, NO_DAEMON, NOT_PERMITTED = range(5)
ONLY_HERE = (
    "restart", "check", "init", "explain", "doctor", "facts", "drill", "receive", "install-compat", "install-service",
    "firewall",
)  # fmt: skip
_INTERRUPTED = 130  # as shells say of SIGINT

EXITS = {
    "bad-target": USAGE,
    "bad-time": USAGE,
    "not-a-part": USAGE,
    "only-here": USAGE,
    "init-no-peer": USAGE,
    "init-peer-self": USAGE,
    "init-option": USAGE,
    "init-no-device": USAGE,
    "init-device": USAGE,
    "init-peer-far": USAGE,
    "init-far": USAGE,
    "no-such-path": USAGE,
    "control-path-long": USAGE,
    "no-daemon": NO_DAEMON,
    "no-daemon-there": NO_DAEMON,
    "no-answer": NO_DAEMON,
    "not-permitted": NOT_PERMITTED,
    "path-denied": NOT_PERMITTED,
    "not-permitted-there": NOT_PERMITTED,
    "role-too-low": NOT_PERMITTED,
    "socket-not-permitted": NOT_PERMITTED,
    "ssh-auth": NOT_PERMITTED,
}


def main(argv: Sequence[str] | None = None, tool: str = "hbctl") -> int:
    """`tool`: the name it was called by, for messages and the event's actor."""
    args = grammar.parse(argv)
    args.tool = tool
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 -- closed by the caller: nobody wants to read it
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # bars and foreign names in a locale that has no such letters
    try:
        return _run(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _hush()  # `hbctl watch | head`: nobody reads on
        return DONE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF):
            raise
        _hush()
        sys.stderr.write(f"{tool}: {say('output-failed', error=error.strerror)}\n")
        return FAILED


def _hush() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(args: argparse.Namespace) -> int:
    from hbcore.control.errors import ControlError

    try:
        if args.command in ONLY_HERE and (args.host or args.socket):
            raise ControlError("only-here", command=args.command)
        match args.command:
            case "check":
                from hbcore.cli import look

                return look.check(args)
            case "init":
                from hbcore.cli import init

                return init.init(args)
            case "explain":
                from hbcore.cli import explain

                return explain.explain(args)
            case "doctor":
                from hbcore.cli import doctor

                return doctor.doctor(args)
            case "facts":
                from hbcore.cli import doctor

                return doctor.serve()
            case "drill":
                from hbcore.cli import drill

                return drill.drill(args)
            case "stdio":
                return _bridge(args)
            case "install-compat":
                from hbcore.cli import install

                return install.compat(args)
            case "install-service":
                from hbcore.cli import service

                return service.service(args)
            case "firewall":
                from hbcore.cli import firewall

                return firewall.firewall(args)
            case "restart":
                from hbcore.cli import restart

                return restart.restart(args)
            case "receive":
                from hbcore.cli import receive

                return receive.run()
            case _:
                return _ask_daemon(args)
    except ControlError as error:
        return _refused(args, error)
    except OSError as error:
        if error.filename is None:
            raise
        code = "path-denied" if error.errno in (errno.EACCES, errno.EPERM) else "path-failed"
        return _refused(args, ControlError(code, path=error.filename, error=error.strerror))


def _refused(args: argparse.Namespace, error: ControlError) -> int:
    if args.json:
        from hbcore.cli.look import put_json

        put_json({"error": error.said})
    else:
        sys.stderr.write(f"{args.tool}: {error}\n")
    return EXITS.get(error.code, FAILED)


def _bridge(args: argparse.Namespace) -> int:
    from hbcore.cli import bridge
    from hbcore.control.errors import ControlError
    from hbcore.control.target import parse

    path = parse(args.socket).socket
    if path is None or args.host:
        raise ControlError("bad-target", target=args.socket or args.host)
    args.json = False  # the bridge itself put the error on standard output
    bridge.run(path, args.role)
    return DONE


def _ask_daemon(args: argparse.Namespace) -> int:
    import asyncio

    from hbcore.cli import acts, look, scripts
    from hbcore.control.target import Target, parse, parse_host
    from hbcore.control.wire import Ask

    target: Target = parse_host(args.host) if args.host else parse(args.socket)
    ask: Ask | None = trust if sys.stdin.isatty() and sys.stderr.isatty() else None
    looking = {
        "status": look.status, "events": look.events, "watch": look.watch, "output": scripts.output,
        "agents": scripts.agents,
    }  # fmt: skip
    return asyncio.run(looking.get(args.command, acts.act)(args, target, ask))


async def trust(question: object) -> str:
    """Ask the person at the terminal about an unknown SSH host key."""
    from hbcore.control.wire import Question

    assert isinstance(question, Question), "the transport asks with a Question"
    code = say(
        "ask-host-key",
        host=question.host,
        port=question.port,
        kind=question.kind,
        fingerprint=question.fingerprint,
    )
    sys.stderr.write(code + " ")
    sys.stderr.flush()
    return {"o": "once", "s": "save"}.get(sys.stdin.readline().strip().lower()[:1], "abort")


if __name__ == "__main__":
    sys.exit(main())
