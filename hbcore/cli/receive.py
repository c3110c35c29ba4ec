"""`hbctl receive`: the other end of ha_propagate, run by it on a node over SSH.

Owns what the two say to each other, and the replacing of files. Invariant: nothing is replaced before this machine has
examined what would result and the sender has said so; a file is the old one or the new one, whole; authkeys is 0600 at
every moment, and no part of it goes back. Must not know who sends or why.

One JSON message a line: Offer, then Seen; then Take, or the end; then Taken.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from hbcore.cli.preflight import examine, failed, render
from hbcore.control.sanitise import MalformedError, decode
from hbcore.formats.load import LATER, MAX_FILE, PARTS
from hbcore.host import files
from hbcore.words import say

SECRET = "authkeys"
KEPT = ".before"
MAX_LINE = 1 << 20  # four files of 64 KiB in base64 fit

T = TypeVar("T")


class File(msgspec.Struct, frozen=True):
    name: str
    data: bytes


class Offer(msgspec.Struct, frozen=True):
    files: list[File]


class Looked(msgspec.Struct, frozen=True):
    """`now`: what is there, None for what must not be shown and for what is not there."""

    name: str
    state: Literal["absent", "same", "differs"]
    now: bytes | None = None


class Seen(msgspec.Struct, frozen=True):
    """`wrong`: the lines of `hbctl check` for what would result, and `refused` where one of them is an error."""

    dir: str = ""
    files: list[Looked] = []
    wrong: list[str] = []
    refused: bool = False
    error: str = ""


class Take(msgspec.Struct, frozen=True):
    """Replace them."""

    really: bool


class Taken(msgspec.Struct, frozen=True):
    replaced: list[str] = []
    kept: list[str] = []
    error: str = ""


class Wrong(Exception):
    """A sentence for the sender."""


def run() -> int:
    """0: what was asked for is done."""
    folder = Path(os.environ.get("HBCORE_CONFIG") or "/etc/ha.d").absolute()
    try:
        offered = _offered(_read(Offer))
        before = {name: _now(folder / name) for name in offered}
        seen = _look(folder, offered, before)
    except (Wrong, OSError) as error:
        _write(Seen(error=_sentence(error)))
        return 1
    _write(seen)
    if seen.refused or not (line := sys.stdin.buffer.readline(MAX_LINE)) or not _parsed(line, Take).really:
        return 0
    taken = _take(folder, offered, before)
    _write(taken)
    return 1 if taken.error else 0


def _offered(offer: Offer) -> dict[str, bytes]:
    for file in offer.files:
        if file.name not in PARTS:
            raise Wrong(say("receive-name", name=file.name[:64]))
        if len(file.data) > MAX_FILE:
            raise Wrong(say("receive-large", name=file.name, most=MAX_FILE))
    return {file.name: file.data for file in offer.files}


def _now(path: Path) -> bytes | None:
    """What is there; raises Wrong where it is longer than any configuration: no copy of it could be kept."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    if len(data) > MAX_FILE:
        raise Wrong(say("receive-large", name=path, most=MAX_FILE))
    return data


def _look(folder: Path, offered: Mapping[str, bytes], before: Mapping[str, bytes | None]) -> Seen:
    looked = []
    for name, data in offered.items():
        now = before[name]
        state: Literal["absent", "same", "differs"] = "absent" if now is None else "same" if now == data else "differs"
        looked.append(Looked(name, state, None if name == SECRET else now))
    with _staged(folder, offered) as staged:
        problems = examine(staged, os.environ.get("HBCORE_NODE")).problems
    return Seen(str(folder), looked, render(problems, f"{folder}/"), failed(problems))


@contextmanager
def _staged(folder: Path, offered: Mapping[str, bytes]) -> Iterator[Path]:
    """A directory as `folder` would be, for us alone, on the same disk."""
    with tempfile.TemporaryDirectory(prefix=".hbcore-", dir=folder if folder.is_dir() else folder.parent) as made:
        staged = Path(made)
        for name in PARTS:
            data = offered.get(name, _now(folder / name))
            if data is not None:
                fd = os.open(staged / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
        for name in ("resource.d", LATER):
            if (folder / name).exists():
                (staged / name).symlink_to(folder / name)
        yield staged


def _take(folder: Path, offered: Mapping[str, bytes], before: Mapping[str, bytes | None]) -> Taken:
    """All that differs; where one fails, those before it have been replaced, and it is said."""
    replaced: list[str] = []
    kept: list[str] = []
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        for name in offered:
            if _now(folder / name) != before[name]:
                raise Wrong(say("receive-changed", name=name))
        for name, data in offered.items():
            path, was = folder / name, before[name]
            if was == data:
                continue
            mode = _mode(path)
            if was is not None:
                files.put(path.with_name(name + KEPT), was, mode)
                kept.append(name + KEPT)
            files.put(path, data, mode)
            replaced.append(name)
        if SECRET in offered:
            _close(folder / SECRET)
    except (Wrong, OSError) as error:
        return Taken(replaced, kept, _sentence(error))
    return Taken(replaced, kept)


def _mode(path: Path) -> int:
    """As it was, but never open to others where it holds keys."""
    if path.name == SECRET:
        return 0o600
    with contextlib.suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode) & 0o666
    return 0o644


def _close(path: Path) -> None:
    """Also where its content is the same: it may have been too open."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def _read(kind: type[T]) -> T:
    return _parsed(sys.stdin.buffer.readline(MAX_LINE), kind)


def _parsed(line: bytes, kind: type[T]) -> T:
    try:
        return decode(line, kind)
    except MalformedError as error:
        raise Wrong(say("receive-wrong", error=error)) from None


def _write(message: Seen | Taken) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return say("receive-failed", path=error.filename or "-", error=error.strerror or error)
    return str(error)
