"""send_arp: tells the neighbours where an address is, by heartbeat's command line; scripts of resource.d call it so.

Owns that line and its pidfile. Invariant: the frames are those of host.frames; only another send_arp is ever ended for
the sake of a pidfile. Must not know groups or the daemon: whoever calls it knows that the address is here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hbcore.host import frames
from hbcore.words import say

MOST_TIMES, MOST_MS = 10_000, 3_600_000


class Wrong(Exception):
    """A sentence for standard error; nothing (more) is sent."""


def main(argv: Sequence[str] | None = None) -> int:
    """0: all was sent. 1: not, and standard error says why."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--help"], ["-h"]):
        sys.stdout.write(say("send-arp-usage") + "\n")
        return 0
    signal.signal(signal.SIGTERM, _ended)
    try:
        args = _parse(words)
        with _named(args.pidfile):
            _send(args)
    except Wrong as wrong:
        sys.stderr.write(f"send_arp: {wrong}\n")
        return 1
    return 0


def _ended(number: int, frame: object) -> NoReturn:
    """Told to end: no failure, as it never was."""
    raise SystemExit(0)


def _send(args: argparse.Namespace) -> None:
    device = args.device.partition(":")[0]  # eth0:0 was the name of an address on eth0
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
            sock.bind((device, frames.ETHERTYPE))
            own = bytes(sock.getsockname()[4])
            # the frame itself comes from this card, whatever it says: switches learn from that where the card is
            both = [frame[:6] + own + frame[12:] for frame in frames.tell(args.mac or own, args.ip)]
            for left in range(args.times * len(both) - 1, -1, -1):
                sock.send(both[-1 - left % len(both)])
                if left:
                    time.sleep(args.interval / 2000)
    except (OSError, OverflowError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise Wrong(say("send-arp-device", device=args.device[:64], error=why)) from None


@contextmanager
def _named(path: Path | None) -> Iterator[None]:
    """`path` holds our number inside, and whoever of our name it named before is ended."""
    if path is None:
        yield
        return
    try:
        if not path.is_absolute():
            raise OSError(0, "a whole path is needed")
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _end_former(path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        raise Wrong(say("send-arp-pidfile", path=path, error=error.strerror)) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            if int(path.read_text()) == os.getpid():
                path.unlink()


def _end_former(path: Path) -> None:
    """A pidfile outlives its process, whose number then is another's: only one that is called send_arp is ended."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(path.read_text()[:20])
        if pid > 1 and any(Path(word).name == "send_arp" for word in _words(pid)):
            os.kill(pid, signal.SIGTERM)
    path.unlink(missing_ok=True)


def _words(pid: int) -> list[str]:
    raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [word.decode("utf-8", "replace") for word in raw.split(b"\0")]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Wrong(f"{message}\n{say('send-arp-usage')}")


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="send_arp", add_help=False, allow_abbrev=False)
    parser.add_argument("-i", dest="interval", type=int, default=1000)
    parser.add_argument("-r", dest="times", type=int, default=1)
    parser.add_argument("-p", dest="pidfile", type=Path)
    for word in ("device", "ip", "mac", "broadcast", "netmask"):
        parser.add_argument(word)
    found = parser.parse_args(list(argv))
    for given, least, most in ((found.interval, 0, MOST_MS), (found.times, 1, MOST_TIMES)):
        if not least <= given <= most:
            raise Wrong(say("send-arp-number", given=given, least=least, most=most))
    try:
        socket.inet_pton(socket.AF_INET, found.ip)
    except OSError:
        raise Wrong(say("send-arp-address", given=found.ip[:64])) from None
    found.mac = _mac(found.mac)
    return found


def _mac(text: str) -> bytes:
    """b"" for auto."""
    if text.lower() == "auto":
        return b""
    if not re.fullmatch(r"([0-9A-Fa-f]{2}:?){5}[0-9A-Fa-f]{2}", text):
        raise Wrong(say("send-arp-mac", given=text[:64]))
    return bytes.fromhex(text.replace(":", ""))


if __name__ == "__main__":
    sys.exit(main())
