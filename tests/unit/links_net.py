"""Real network namespaces for the tests of links: `@in_namespace` runs a test in a process with a network of its own.

Owns no state outside that process: its namespaces and devices end with it. Works as root, and for an ordinary user as
root of a user namespace. Must not know what is tested.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import inspect
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_ROOT = Path(__file__).parents[2]
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def in_namespace(body: Callable[[], None]) -> Callable[[], None]:
    @functools.wraps(body)
    def test() -> None:
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        module = ".".join(Path(inspect.getfile(body)).relative_to(_ROOT).with_suffix("").parts)
        inner = [sys.executable, "-m", "tests.unit.links_net", module, body.__name__]
        done = subprocess.run(
            ["unshare", *user, "--net", *inner],
            check=False,
            cwd=_ROOT,
            env={**os.environ, "PATH": _PATH},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"

    return test


def _called(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Net:
    """A network namespace: what happens within `with net:` happens there, in this thread and its child processes."""

    def __init__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _called(_libc.unshare(CLONE_NEWNET))
        self._fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        ip("link set lo up")
        _called(_libc.setns(self._home, CLONE_NEWNET))

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def __enter__(self) -> None:
        _called(_libc.setns(self._fd, CLONE_NEWNET))

    def __exit__(self, *_: object) -> None:
        _called(_libc.setns(self._home, CLONE_NEWNET))


def ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True)


def cable(a: Net, b: Net, device: str, subnet: str) -> None:
    """A veth pair, `device` on both sides, with addresses SUBNET.1 and SUBNET.2."""
    with a:
        ip(f"link add {device} type veth peer name {device} netns {b.path}")
    for net, host in ((a, 1), (b, 2)):
        with net:
            ip(f"address add {subnet}.{host}/24 dev {device}")
            ip(f"link set {device} up")
    for net, far, host in ((a, b, 2), (b, a, 1)):
        with far:
            ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            ear.bind((f"{subnet}.{host}", 9))
        with net:
            mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with ear, mouth:
            until(functools.partial(_through, mouth, ear))


def _through(mouth: socket.socket, ear: socket.socket) -> bool:
    """Whether a packet passes: after "up" a device loses them for a moment."""
    mouth.sendto(b"", ear.getsockname())
    return bool(select.select([ear], [], [], 0.01)[0])


def two_nodes(devices: int = 1) -> tuple[Net, Net]:
    """Two namespaces joined by eth0 (10.0.0.1, 10.0.0.2), eth1 (10.0.1.1, 10.0.1.2) ..."""
    a, b = Net(), Net()
    for n in range(devices):
        cable(a, b, f"eth{n}", f"10.0.{n}")
    return a, b


def drop_capabilities() -> None:
    """For good, of this thread: root without a right."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, myself
    _called(_libc.capset(header, (ctypes.c_uint32 * 6)()))


def until(condition: Callable[[], object], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


if __name__ == "__main__":
    getattr(importlib.import_module(sys.argv[1]), sys.argv[2]).__wrapped__()
