"""Frames on a line of bytes: Consistent Overhead Byte Stuffing (Cheshire and Baker, 1997).

Owns the framing and nothing of what is framed. Invariant: a frame has no zero in it and zeros stand around it, so
whatever noise does to the line, the next whole frame is read. Must not know beats or devices.
"""

from __future__ import annotations

END = b"\0"


def frame(data: bytes) -> bytes:
    """`data` between two zeros, without one inside; the first zero ends what noise may have begun."""
    out = bytearray(END)
    for run in data.split(END):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out += bytes([len(run) + 1]) + run
    return bytes(out + END)


def unframe(stuffed: bytes) -> bytes | None:
    """What stood between two zeros; None where no frame could have made that."""
    out = bytearray()
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        run = stuffed[at + 1 : at + code]
        if len(run) != code - 1:
            return None
        out += run
        at += code
        if code < 255 and at < len(stuffed):
            out += END
    return bytes(out)


class Deframer:
    """Cuts what a line delivers into frames. Keeps at most `most` bytes of one that is not whole yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """All frames that are whole now, still stuffed; one that got longer than `most` is cut there."""
        out = []
        *ended, rest = data.split(END)
        for part in ended:
            self._take(part)
            if self._open:
                out.append(bytes(self._open))
            self._open.clear()
        self._take(rest)
        return out

    def _take(self, part: bytes) -> None:
        self._open += part[: self._most - len(self._open)]
