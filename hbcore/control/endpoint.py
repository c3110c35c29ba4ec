"""The control socket in the file system: its name, its owner, its mode, and what was there before.

Owns creating and removing RUNTIME/hbcore.sock. Invariant: a socket somebody answers on is never replaced, and the file
is never open to more than its final readers, not even between bind() and chmod().
Must not know the protocol.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from hbcore.control.errors import ControlError

NAME = "hbcore.sock"
RUNTIME = "/run/hbcore"
MAX_PATH = 107  # sun_path has 108 bytes, one of them the final NUL: unix(7)
_BACKLOG = 64


def default_path() -> Path:
    """The local daemon's socket: HBCORE_RUNTIME or /run/hbcore."""
    return Path(os.environ.get("HBCORE_RUNTIME") or RUNTIME) / NAME


def check_path(path: Path) -> None:
    """Raises ControlError "control-path-long": the kernel would cut or refuse it without saying why."""
    if (length := len(os.fsencode(path))) > MAX_PATH:
        raise ControlError("control-path-long", path=path, length=length, most=MAX_PATH)


def listen(path: Path, operators: int | None) -> socket.socket:
    """A listening socket at `path`, 0660 for `operators` where they exist and we may give it to them, else 0600.

    Raises ControlError: control-path-long, control-path-taken, control-busy, control-no-socket.
    """
    check_path(path)
    _make_room(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        sock.bind(os.fspath(path))
        if operators is not None:
            try:
                os.chown(path, -1, operators)
                os.chmod(path, 0o660)
            except OSError as error:  # an ordinary user's daemon, or one to whom that group is unknown: its user only
                if error.errno not in (errno.EPERM, errno.EINVAL):
                    raise
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ControlError("control-no-socket", path=path, error=error.strerror) from None
    finally:
        os.umask(before)
    return sock


def _make_room(path: Path) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ControlError("control-no-socket", path=path, error=error.strerror) from None
    if not stat.S_ISSOCK(mode):
        raise ControlError("control-path-taken", path=path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        # EAGAIN: somebody listens and is slow. Only a refused connection proves that nobody does.
        if probe.connect_ex(os.fspath(path)) != errno.ECONNREFUSED:
            raise ControlError("control-busy", path=path)
    path.unlink(missing_ok=True)


def remove(path: Path, inode: int) -> None:
    """Remove the socket file if it is still the one we made."""
    try:
        if os.lstat(path).st_ino == inode:
            path.unlink()
    except OSError:
        pass
