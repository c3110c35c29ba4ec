"""`hbctl stdio`: the daemon's socket on standard input and output, for SSH.

Owns lowering the role before anything of the caller's is passed on. Invariant: binary-clean, no terminal, bounded
buffers; the first line out is the daemon's hello with the role that remains, or one error message.
Must not know the messages beyond those two.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from pathlib import Path

import msgspec

from hbcore.control.errors import ControlError
from hbcore.control.sanitise import MAX_TEXT, MalformedError, clean, decode, decode_envelope
from hbcore.control.schema import Hello, HelloParams, Request, Response, Role, RpcError
from hbcore.control.wire import connect_error

_CHUNK = 65536
_HELLO_S = 8.0


def run(path: Path, role: Role | None) -> None:
    """Until one side ends. Raises ControlError after saying it on standard output too."""
    try:
        sock, hello = _greet(path, role)
    except ControlError as error:
        line = Response(id=None, error=RpcError(code=-32000, message=error.text, data=error.code))
        _write(msgspec.json.encode(line) + b"\n")
        raise
    with sock:
        _write(msgspec.json.encode(hello) + b"\n")
        threading.Thread(target=_upward, args=(sock,), daemon=True).start()
        try:
            while data := sock.recv(_CHUNK):
                _write(data)
        except OSError:
            pass  # one of the two sides is gone, which is how a bridge ends


def _greet(path: Path, role: Role | None) -> tuple[socket.socket, Hello]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_HELLO_S)
    try:
        sock.connect(os.fspath(path))
        _hello(_line(sock))
        params = HelloParams(role=role, tool="hbctl stdio", ssh=os.environ.get("SSH_CONNECTION", ""))
        request = Request(method="hello", id=0, params=msgspec.Raw(msgspec.json.encode(params)))
        sock.sendall(msgspec.json.encode(request) + b"\n")
        hello = _hello(_line(sock))
    except TimeoutError:
        raise ControlError("no-answer", where=path, seconds=_HELLO_S) from None
    except OSError as error:
        raise connect_error(path, error) from None
    sock.settimeout(None)
    return sock, hello


def _line(sock: socket.socket) -> bytes:
    """One short line, byte by byte: what follows it belongs to the caller."""
    line = bytearray()
    while not line.endswith(b"\n") and len(line) < MAX_TEXT:
        if not (byte := sock.recv(1)):
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        line += byte
    return bytes(line)


def _hello(line: bytes) -> Hello:
    try:
        if b'"product"' in line and b'"result"' not in line:
            return decode(line, Hello)
        answer = decode_envelope(line, Response)
        if answer.error is not None:
            raise ControlError(clean(answer.error.data, 64), clean(answer.error.message))
        return decode(bytes(answer.result), Hello)
    except MalformedError:
        raise ControlError("not-a-daemon", where="the socket") from None


def _upward(sock: socket.socket) -> None:
    """The caller's words to the daemon; at their end the daemon may still answer."""
    try:
        while data := os.read(sys.stdin.fileno(), _CHUNK):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]
