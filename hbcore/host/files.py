"""Durable files: what must survive a crash of the daemon or of the machine.

Owns the way of any bytes to the disk, the envelope `{"format": N, "checksum": sha256 of the payload's bytes,
"payload": ...}`, and the names under which damaged files are kept. Invariant: a reader sees the old content or the new
one, whole; a file that cannot be trusted is never read as absent: `read` refuses it, `recover` keeps it aside and says
so.
Must not know what the payloads mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

MAX_BYTES = 4 * 1024 * 1024  # the largest of ours is a few kilobytes; a bigger one is not ours
ASIDE = ".damaged-"
MAX_ASIDE = 5  # of each file, the newest
# what msgspec raises for bytes it cannot make sense of; the last two for bad UTF-8 and for brackets without end
SENSELESS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

T = TypeVar("T")
Migration = Callable[[bytes], bytes]

_writing = threading.Lock()  # writes may come from worker threads; they reach the disk in the order they came


class Envelope(msgspec.Struct, frozen=True):
    format: int
    checksum: str
    payload: msgspec.Raw


class FileTrouble(Exception):
    """`code` is for `words`, `args_` fill its sentence."""

    code = "state-unreadable"

    def __init__(self, path: Path, **args: str) -> None:
        super().__init__(f"{self.code}: {path}")
        self.path = path
        self.args_ = {"path": str(path), **args}


class NewerFormat(FileTrouble):
    """Written by a newer version of ours; reading it as if it were older would lose what that version knew."""

    code = "state-newer-format"


class Damaged(FileTrouble):
    """Not an envelope, a checksum that does not fit, or a payload of another shape."""

    code = "state-damaged"


class Unreadable(FileTrouble):
    """The file is there and the kernel does not give it to us."""

    code = "state-unreadable"


@dataclass(frozen=True, slots=True)
class Kept:
    """A damaged file that was set aside: where it was, where it is now, and what is wrong with it."""

    path: str
    kept: str
    trouble: str

    @property
    def code(self) -> str:
        """For `words`, by the file's own name: "state-damaged" for state.json."""
        return f"{Path(self.path).stem}-damaged"

    @property
    def args(self) -> tuple[tuple[str, str], ...]:
        return ("path", self.path), ("kept", self.kept), ("trouble", self.trouble)


def write(path: Path, format: int, payload: object) -> None:
    """Put `payload` (anything msgspec encodes) at `path`, mode 0600, and return when the disk has it.

    Blocks for two fsyncs: call it from a worker thread where waiting matters. Raises OSError; the old file then stands.
    """
    raw = msgspec.json.encode(payload)
    data = msgspec.json.encode(Envelope(format, _checksum(raw), msgspec.Raw(raw)))
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path.name}: {len(data)} bytes")
    put(path, data)


def read(path: Path, format: int, type: type[T], migrations: Mapping[int, Migration] | None = None) -> T | None:
    """The payload at `path`, None where there is no file.

    An older format N is brought up by `migrations[N]`, N+1, ... (bytes of the payload in, bytes out) after a copy was
    kept as `<name>.format<N>`; the file itself is rewritten at once. Raises NewerFormat, Damaged, Unreadable.
    """
    data = _get(path)
    if data is None:
        return None
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except SENSELESS as error:
        raise Damaged(path, why=_printable(error)) from None
    if envelope.format > format:  # said before the checksum: a newer one may well have another envelope
        raise NewerFormat(path, found=str(envelope.format), known=str(format))
    raw = bytes(envelope.payload)
    if envelope.checksum != _checksum(raw):
        raise Damaged(path, why="checksum")
    try:
        raw = _migrated(path, envelope.format, format, raw, migrations or {})
        return msgspec.json.decode(raw, type=type)
    except SENSELESS as error:
        raise Damaged(path, why=_printable(error)) from None


def recover(
    path: Path, format: int, type: type[T], unix_s: int, migrations: Mapping[int, Migration] | None = None
) -> tuple[T | None, Kept | None]:
    """As `read`, but a damaged file is set aside and counts as none. Raises NewerFormat, Unreadable, OSError."""
    try:
        return read(path, format, type, migrations), None
    except Damaged as trouble:
        return None, Kept(str(path), str(_set_aside(path, unix_s)), trouble.args_["why"])


def _set_aside(path: Path, unix_s: int) -> Path:
    """Rename it to `<name>.damaged-<time>`, or the next second that is free, and keep the newest few of those."""
    aside = path
    while os.path.lexists(aside):
        aside = path.with_name(path.name + ASIDE + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(unix_s)))
        unix_s += 1
    os.rename(path, aside)
    others = sorted(other for other in path.parent.glob(f"{path.name}{ASIDE}*") if other != aside)
    for old in others[: 1 - MAX_ASIDE]:
        with contextlib.suppress(OSError):
            old.unlink()
    _sync(path.parent)
    return aside


def _printable(error: Exception) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(error)[:160])


def _migrated(path: Path, found: int, known: int, raw: bytes, migrations: Mapping[int, Migration]) -> bytes:
    if found == known:
        return raw
    if lost := next((str(step) for step in range(found, known) if step not in migrations), ""):
        raise Damaged(path, why=f"no way from format {lost}")
    kept = path.with_name(f"{path.name}.format{found}")
    shutil.copyfile(path, kept)
    kept.chmod(0o600)
    for step in range(found, known):
        raw = migrations[step](raw)
    write(path, known, msgspec.Raw(raw))
    return raw


def _checksum(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _get(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(path, why=os.strerror(error.errno or 0)) from None
    if len(data) > MAX_BYTES:
        raise Damaged(path, why=f"more than {MAX_BYTES} bytes")
    return data


def put(path: Path, data: bytes, mode: int = 0o600) -> None:
    """These bytes at `path`, whole or not at all, never readable by more than `mode`; returns when the disk has them.

    Raises OSError; the old file then stands.
    """
    fresh = path.with_name(f".{path.name}.new")  # one fixed name: what a crash leaves is overwritten by the next write
    with _writing:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(fresh, path)
        _sync(path.parent)


def _sync(parent: Path) -> None:
    folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
