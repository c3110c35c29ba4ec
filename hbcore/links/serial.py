"""Serial lines: raw 8N1, no flow control, a frame only where half of the line's capacity is left over.

Owns the devices and their troubles. Invariant: nothing here waits, not for a line that takes nothing nor for one that
is gone; what does not fit is dropped and counted, and a device that comes back is opened again.
Must not know what is inside a frame, nor judge a peer by its silence.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import struct
import termios
from collections.abc import Callable, Iterable

from hbcore.engine.config import Link, Media
from hbcore.engine.serial import wire_ns
from hbcore.links import cobs
from hbcore.links.compact import MAX_FRAME
from hbcore.links.health import Datagram, Health
from hbcore.links.sockets import CHECK_NS, Clock, LinkError, reason

RICH = 8  # every so many frames say what need not be said all the time
CHUNK = 4096  # what a terminal's queue holds
MAX_STUFFED = MAX_FRAME + MAX_FRAME // 254 + 2

_SPEEDS = {
    9600: termios.B9600, 19200: termios.B19200, 38400: termios.B38400, 57600: termios.B57600, 115200: termios.B115200,
    230400: termios.B230400, 460800: termios.B460800,
}  # fmt: skip
_OPEN_CODES = {
    errno.ENOENT: "serial-missing",
    errno.ENXIO: "serial-missing",
    errno.ENODEV: "serial-missing",
    errno.EIO: "serial-missing",  # a port that the driver knows and the machine has not
    errno.EACCES: "serial-denied",
    errno.EPERM: "serial-denied",
    errno.EBUSY: "serial-busy",
    errno.ENOTTY: "serial-no-tty",
    errno.EISDIR: "serial-no-tty",
}


class SerialLines:
    """All serial lines of this node. `fileno()` is readable while any line has something to read."""

    def __init__(self, links: Iterable[Link], clock: Clock) -> None:
        self.dry = True
        self._clock = clock
        self._check_ns = 0
        self._poll = select.epoll()
        self._lines = [_Line(link, self._poll) for link in links if link.media is Media.SERIAL]
        self.health = {line.link.name: line.health for line in self._lines}

    def fileno(self) -> int:
        return self._poll.fileno()

    def open(self) -> None:
        """Open all lines. One that cannot be opened is no error: it is tried again, and its health says why."""
        for line in self._lines:
            line.open()
        self._check_ns = self._clock.now_ns() + CHECK_NS

    def close(self) -> None:
        for line in self._lines:
            line.close(LinkError("link-closed"))

    def send(self, frame: Callable[[bool], bytes]) -> None:
        """Send on every line that has the capacity for it now. `frame` is asked for the frame, rich or not."""
        now_ns = self._clock.now_ns()
        if now_ns >= self._check_ns:
            self._check_ns = now_ns + CHECK_NS
            for line in self._lines:
                line.check()
        for line in self._lines:
            line.send(frame, now_ns)

    def drain(self, most: int = 1000) -> list[Datagram]:
        """All frames that are whole. At most `most` reads a line; `dry` tells whether that was all there is.

        The kernel does not note when a byte came: it counts as just now, which only lengthens a silence. What a beat
        proves goes by the time of my own that it echoes.
        """
        out: list[Datagram] = []
        unread = [line for line in self._lines if not line.read(most, self._clock, out)]
        self.dry = not unread
        return out


class _Line:
    """One device. `_free_ns`: up to when its capacity is spent; a frame may be sent one ahead of that, since words that
    are urgent do not wait for the rhythm.
    """

    def __init__(self, link: Link, poll: select.epoll) -> None:
        self.link = link
        self.health = Health()
        self._poll = poll
        self._fd = -1
        self._free_ns = 0
        self._frames = 0
        self._rest = b""
        self._deframer = cobs.Deframer(MAX_STUFFED)

    # -- opening -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        fd = -1
        try:
            fd = os.open(self.link.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            _prepare(fd, self.link.baud)
        except (OSError, termios.error) as error:
            if fd >= 0:
                os.close(fd)
            number, text = error.args[0], reason(OSError(*error.args[:2]))
            code = _OPEN_CODES.get(number, "serial-failed")
            self.close(LinkError(code, device=self.link.device, error=text))
            return
        self._fd = fd
        self._poll.register(fd, select.EPOLLIN)
        self._rest, self._deframer = b"", cobs.Deframer(MAX_STUFFED)
        self.health.trouble, self.health.details = "", {}

    def check(self) -> None:
        """Open what is closed; leave a device whose name stands for another one now."""
        if self._fd >= 0:
            try:
                if os.fstat(self._fd).st_rdev == os.stat(self.link.device).st_rdev:
                    return
            except OSError:
                pass
            self.close(LinkError("serial-missing", device=self.link.device))
        self.open()

    def close(self, why: LinkError) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # one that hung up is no longer waited for
                self._poll.unregister(self._fd)
            os.close(self._fd)
            self._fd = -1
        self.health.trouble, self.health.details = why.code, why.details

    def _gone(self) -> None:
        self.close(LinkError("serial-missing", device=self.link.device))

    # -- traffic -------------------------------------------------------------------------------------------------------

    def send(self, frame: Callable[[bool], bytes], now_ns: int) -> None:
        if self._fd < 0:
            self.health.unsent += 1
            return
        data = cobs.frame(frame(self._frames % RICH == 0))
        cost_ns = 2 * wire_ns(len(data), self.link.baud)
        if self._free_ns - now_ns > cost_ns:
            return
        try:
            if self._full(data):
                self.health.unsent += 1
                self.health.trouble, self.health.details = "serial-full", {"device": self.link.device}
                return
            self._rest = data[os.write(self._fd, data) :]
        except BlockingIOError:
            self.health.unsent += 1
            self.health.trouble, self.health.details = "serial-full", {"device": self.link.device}
            return
        except OSError:
            self.health.unsent += 1
            self._gone()
            return
        self._free_ns = max(self._free_ns, now_ns) + cost_ns
        self._frames += 1
        self.health.sent += 1
        self.health.trouble, self.health.details = "", {}

    def _full(self, data: bytes) -> bool:
        """Whether what was written before still waits: then a new beat would only come late. Raises OSError."""
        if self._rest:
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0" * 4))
        return bool(self._rest) or waiting > len(data)

    def read(self, most: int, clock: Clock, out: list[Datagram]) -> bool:
        """Read what is there, append what became whole; whether that was all."""
        for _ in range(most if self._fd >= 0 else 0):
            try:
                data = os.read(self._fd, CHUNK)
            except BlockingIOError:
                return True
            except OSError:
                data = b""
            if not data:
                self._gone()
                return True
            at_ns = clock.now_ns()
            for stuffed in self._deframer.feed(data):
                self.health.heard += 1
                out.append(Datagram(self.link.name, cobs.unframe(stuffed) or b"", at_ns, self.link.device))
        return self._fd < 0


def _prepare(fd: int, baud: int) -> None:
    """Raw, 8 bits, no parity, one stop bit, no flow control, and the modem's lines are not asked. Raises OSError
    (ENOTTY for what is no terminal) and termios.error.
    """
    if not os.isatty(fd):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    _, _, _, _, _, _, control = termios.tcgetattr(fd)
    control[termios.VMIN], control[termios.VTIME] = 1, 0
    speed = _SPEEDS[baud]
    termios.tcsetattr(
        fd, termios.TCSANOW, [0, 0, termios.CS8 | termios.CREAD | termios.CLOCAL, 0, speed, speed, control]
    )
    termios.tcflush(fd, termios.TCIOFLUSH)
