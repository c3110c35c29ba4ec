"""Which source a result is about.

Owns the digest that results are kept under. Invariant: the same files give the same digest. Must not know whose.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def digest(patterns: Iterable[str]) -> str:
    """12 hex digits of all files that these globs find below the checkout, in their order."""
    found = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def commit() -> str:
    """Short, "" where there is no repository."""
    argv = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
