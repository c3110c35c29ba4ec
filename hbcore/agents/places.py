"""Folders of programs: what is wrong with one, and which there are.

Owns that look at the disk. Invariant: every listing is bounded. Must not know what the programs are for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

MAX_LISTING = 2000


def fault_of(path: Path) -> str | None:
    """None: a program that can be run; "": not there; else script-not-executable | script-is-directory |
    script-broken-link | script-not-regular.
    """
    try:
        if not path.exists():
            return "script-broken-link" if path.is_symlink() else ""
        if path.is_dir():
            return "script-is-directory"
        if not path.is_file():
            return "script-not-regular"
    except OSError:
        return ""
    return None if os.access(path, os.X_OK) else "script-not-executable"


def listing(place: Path) -> Iterator[str]:
    """Names of the programs there; nothing where it cannot be read."""
    try:
        with os.scandir(place) as entries:
            for entry, _ in zip(entries, range(MAX_LISTING), strict=False):
                if fault_of(Path(entry.path)) is None:
                    yield entry.name
    except OSError:
        return
