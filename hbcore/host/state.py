"""What a node remembers over a restart: STATE/state.json is the engine's, STATE/incarnation.json is pulse's.

Owns their names, their formats, and what a node does that lost them: it starts as one that knows nothing, which claims
nothing by a stored right. Invariant: what was lost is told to whoever asked, and through the environment to the daemons
of this life. Must not know what the engine makes of it.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

import msgspec

from hbcore.engine.effects import Stored
from hbcore.host import files
from hbcore.host.files import Kept

STATE, STATE_FORMAT = "state.json", 1
INCARNATION, INCARNATION_FORMAT = "incarnation.json", 1
LOST = "HBCORE_LOST"  # from hbcored, which reads the files first, to the daemons it starts


def load(folder: Path, unix_s: int) -> tuple[Stored, Kept | None]:
    """What the engine stored last. Raises FileTrouble where the file is newer or unreadable, OSError."""
    stored, kept = files.recover(folder / STATE, STATE_FORMAT, Stored, unix_s)
    return stored or Stored(), kept


def save(folder: Path, stored: Stored) -> None:
    """Blocks until the disk has it. Raises OSError."""
    files.write(folder / STATE, STATE_FORMAT, stored)


def next_incarnation(folder: Path, unix_s: int) -> tuple[int, Kept | None]:
    """max(stored + 1, unix time), durable before the first beat (safety.md 3)."""
    path = folder / INCARNATION
    stored, kept = files.recover(path, INCARNATION_FORMAT, int, unix_s)
    incarnation = max((stored or 0) + 1, unix_s)
    files.write(path, INCARNATION_FORMAT, incarnation)
    return incarnation, kept


def tell(lost: list[Kept], environment: MutableMapping[str, str] = os.environ) -> None:
    """Leave word of what was set aside to the daemons of this life."""
    environment[LOST] = msgspec.json.encode(lost).decode()


def told(environment: MutableMapping[str, str] = os.environ) -> list[Kept]:
    return msgspec.json.decode(environment.get(LOST, "[]"), type=list[Kept])
