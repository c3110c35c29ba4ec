"""Machines with a clock of their own: User Mode Linux guests on a wire that this process is.

A namespace shares the clock of its machine, so whoever wants to set it needs a guest. Owns the guests and the wire,
with a ping node on it and an observer that asks for the service's address; who answers is what counts. Invariant: a
guest sees the host's files and changes none but those in `place`; leaving the `with` leaves nothing behind. Must not
know what runs in them.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import selectors
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hbcore.host import frames
from hbcore.lab.owners import Sighting, verdict
from tests.cluster.asking import until
from tests.cluster.stalls import ROOT

NET = "192.168.100"
PING, PING_MAC = f"{NET}.254", b"\x02\x68\x62\0\0\xfe"
OBSERVER, OBSERVER_MAC = f"{NET}.201", b"\x02\x68\x62\0\0\xc9"
IPV4, ECHO_PING = b"\x08\x00", socket.inet_aton(PING) + b"\x08"
ASK_S = 0.05
BOOT_S, RUN_S, END_S = 60.0, 60.0, 5.0
FIRST_FD = 40  # of the wires, out of everybody's way
MEMORY = "256M"  # two generations of hbcored, side by side, and a systemd; with 160M the kernel ended one of them

# Its first program: the host's files below, read only, a tmpfs on top; then what is put into the folder, one at a time.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
read -r _ _ version _ </proc/version
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/m/lib/modules /mnt/up /mnt/wk /mnt/root
ln -s /usr/lib/uml/modules/$version /mnt/m/lib/modules/
modprobe -d /mnt/m overlay
mount -n -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/wk /mnt/root || poweroff -f
cd /mnt/root
mount -n -t proc proc proc && mount -n -t sysfs sysfs sys && mount -n --move /dev dev
mount -n -t tmpfs -o mode=755 tmpfs run
mkdir -p run/host && mount -n -t hostfs none -o $HOST_FOLDER run/host
mount -n -t tmpfs tmpfs var && mkdir -p var/lib
pivot_root . mnt && cd /
hostname $HOST_NAME
ip link set lo up && ip link set vec0 up && ip addr add $HOST_ADDRESS/24 brd + dev vec0
cat >/run/loop.sh <<'END'
cd /run/host
echo >up
while :; do
    if [ -e go ]; then
        mv go now && sh now >out 2>&1 </dev/null
        mv out done
    fi
    sleep 0.05
done
END
"""
ALONE = "exec sh /run/loop.sh\n"  # the loop is the guest's first program

# Or systemd is, with a bus; the loop is one of its services.
SYSTEMD = """mkdir -p /dev/shm /dev/pts
rm -f /etc/hostname && echo $HOST_NAME >/etc/hostname
cat >/etc/systemd/system/hbtui.target <<END
[Unit]
Requires=dbus.socket loop.service
After=dbus.socket sysinit.target
END
cat >/etc/systemd/system/loop.service <<END
[Unit]
After=dbus.socket sysinit.target
[Service]
ExecStart=/bin/sh /run/loop.sh
END
exec /lib/systemd/systemd --unit=hbtui.target --log-target=console --show-status=no
"""


class Wire(threading.Thread):
    """A hub with a ping node and an observer on it. `sightings`: who answered the observer, by MAC and question."""

    def __init__(self, ports: Sequence[socket.socket], address: str) -> None:
        super().__init__(daemon=True)
        self.sightings: list[Sighting] = []
        self._address = address
        self._ports = list(ports)
        self._question = 0
        self._over = threading.Event()

    def run(self) -> None:
        with selectors.DefaultSelector() as ready:
            for number, port in enumerate(self._ports):
                port.setblocking(False)
                ready.register(port, selectors.EVENT_READ, number)
            due = time.monotonic()
            while not self._over.is_set():
                for key, _ in ready.select(max(0.0, due - time.monotonic())):
                    port = self._ports[key.data]
                    if not self._carry(port):
                        ready.unregister(port)
                if time.monotonic() >= due:
                    due = time.monotonic() + ASK_S
                    self._question += 1
                    self._send(frames.ask(OBSERVER_MAC, OBSERVER, self._address), self._ports)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _carry(self, port: socket.socket) -> bool:
        """One frame to all others; False where the machine is off."""
        try:
            frame = port.recv(65536)
        except OSError:
            frame = b""
        if frame:
            self._send(frame, [other for other in self._ports if other is not port])
            self._hear(frame, port)
        return bool(frame)

    @staticmethod
    def _send(frame: bytes, ports: Sequence[socket.socket]) -> None:
        for port in ports:
            with suppress(OSError):  # its queue is full, or it is off: lost, as on a wire
                port.send(frame)

    def _hear(self, frame: bytes, port: socket.socket) -> None:
        spoken = frames.read(frame)
        if spoken is not None and spoken.op == frames.REQUEST and spoken.target == PING:
            self._send(frames.build(frames.REPLY, PING_MAC, PING, spoken.sender, spoken.source), [port])
        elif spoken is not None and spoken.sender == self._address:
            asked = self._question if frame[:6] == OBSERVER_MAC else 0
            self.sightings.append(Sighting(time.monotonic(), spoken.source.hex(":"), asked))
        elif frame[12:14] == IPV4 and (frame[23], frame[30:35]) == (socket.IPPROTO_ICMP, ECHO_PING):
            self._send(pong(frame), [port])


def pong(frame: bytes) -> bytes:
    """The answer to an echo request."""
    icmp = bytearray(frame[34 : 14 + int.from_bytes(frame[16:18], "big")])
    icmp[0], icmp[2:4] = 0, bytes(2)
    words = struct.unpack(f"!{len(icmp) // 2}H", icmp[: len(icmp) // 2 * 2])
    total = sum(words) + (icmp[-1] << 8 if len(icmp) % 2 else 0)
    total = (total & 0xFFFF) + (total >> 16)
    icmp[2:4] = struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
    head = frame[6:12] + PING_MAC + frame[12:26] + frame[30:34] + frame[26:30]
    return head + bytes(icmp)


class Machines:
    """`names`: of the guests, the first is .1. `folder(name)` is /run/host there. `systemd`: the first program."""

    def __init__(
        self, names: Sequence[str], place: Path, address: str, environment: Mapping[str, str] = {},
        *, systemd: bool = False,
    ) -> None:  # fmt: skip
        self._names, self._place = list(names), place
        self._preloaded = place / "uml_registers.so"
        self._environment = dict(environment)
        self._init = INIT + (SYSTEMD if systemd else ALONE)
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in names]
        self._guests: dict[str, subprocess.Popen[bytes]] = {}
        for ends in self._pairs:
            for end in ends:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.wire = Wire([ours for ours, _ in self._pairs], address)
        self.macs = {f"02:68:62:00:00:{n:02x}": name for n, name in enumerate(names, 1)}

    def folder(self, name: str) -> Path:
        return self._place / name

    def __enter__(self) -> Self:
        self._place.mkdir(parents=True, exist_ok=True)
        source = Path(__file__).with_name("uml_registers.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self._preloaded, source], check=True)
        for number, name in enumerate(self._names):
            self._start(number, name)
        self.wire.start()
        for name in self._names:
            self._await(name, "up", BOOT_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for name in self._names:  # shown by pytest where the test failed; a fixture does not learn that it did
            for log in ("ha-log", "hbcored.err", "console"):
                if (path := self.folder(name) / log).exists():
                    print(f"--- {name} {log}", *path.read_text(errors="replace").splitlines()[-40:], sep="\n")
        for name in list(self._guests):
            self.power_off(name)
        if self.wire.is_alive():
            self.wire.stop()
        for ends in self._pairs:
            for end in ends:
                end.close()

    def _start(self, number: int, name: str) -> None:
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        init = folder / "init"
        init.write_text(self._init)
        init.chmod(0o755)
        fd = fcntl.fcntl(self._pairs[number][1], fcntl.F_DUPFD, FIRST_FD)  # dup2 would close what has that number
        mac = next(mac for mac, owner in self.macs.items() if owner == name)
        argv = ["linux.uml", f"mem={MEMORY}", f"umid=hbtui-{os.getpid()}-{name}", f"init={init}", "ro"]
        argv += ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "panic=-1", "noreboot"]
        argv += ["con=null", "con0=null,fd:1", "ssl=null"]
        argv += [f"vec0:transport=fd,fd={fd},mac={mac},vec=0,gro=0", f"uml_dir={folder}"]
        argv += [f"HOST_FOLDER={folder}", f"HOST_NAME={name}", f"HOST_ADDRESS={NET}.{number + 1}"]
        with (folder / "console").open("wb") as console:
            self._guests[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, pass_fds=(fd,),
                env={**os.environ, "TMPDIR": "/dev/shm", "LD_PRELOAD": str(self._preloaded)}, start_new_session=True,
            )  # fmt: skip
        os.close(fd)

    def _await(self, name: str, file: str, seconds: float) -> Path:
        path, end = self.folder(name) / file, time.monotonic() + seconds
        while not path.exists():
            status = self._guests[name].poll()
            assert status is None, f"{name} ended by itself: {status}"
            assert time.monotonic() < end, f"{name}: no {file} within {seconds} s"
            time.sleep(0.02)
        return path

    def run(self, name: str, script: str) -> str:
        """A shell script in the guest, what it said. It has to end."""
        folder = self.folder(name)
        (folder / "done").unlink(missing_ok=True)
        exports = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
        lines = [f"export {key}={shlex.quote(value)}" for key, value in {**exports, **self._environment}.items()]
        (folder / "new").write_text("\n".join([*lines, script, ""]))
        (folder / "new").rename(folder / "go")
        return self._await(name, "done", RUN_S).read_text()

    def power_off(self, name: str) -> None:
        """At once, with every process in it: they are all one group of the host's."""
        guest = self._guests.pop(name)
        end = time.monotonic() + END_S
        with suppress(ProcessLookupError):
            while time.monotonic() < end:
                os.killpg(guest.pid, signal.SIGKILL)
                guest.poll()  # the others are reaped by whoever reaps orphans
                time.sleep(0.02)

    def codes(self, name: str) -> list[str]:
        """Of all events that hbcored wrote to its log in /run/host."""
        log = self.folder(name) / "ha-log"
        return re.findall(r"hbcored\[\d+\]: \w+: ([\w-]+):", log.read_text()) if log.exists() else []

    def served(self, by: str, seconds: float) -> None:
        """Returns when this one alone has answered for half a second. AssertionError."""

        def now() -> bool:
            recent = [s for s in self.wire.sightings if s.t > time.monotonic() - 0.5 and s.round]
            return len(recent) >= 5 and {self.macs[s.mac] for s in recent} == {by}

        until(now, seconds)

    def owners(self, since: float) -> dict[str, object]:
        """As the lab's verdict: who answered the observer, and whether two did at once."""
        return verdict([s for s in self.wire.sightings if s.t >= since], lambda mac: self.macs.get(mac, mac))

    def longest_silence(self, since: float) -> float:
        """Seconds between two answers of anybody, until now."""
        times = [since, *(s.t for s in self.wire.sightings if s.t >= since and s.round), time.monotonic()]
        return max(b - a for a, b in itertools.pairwise(times))
