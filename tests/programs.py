"""Where the tests look for programs: in PATH, and where Debian keeps root's, which no user's PATH names.

Must not know pytest, nor any package: Debian's own Python loads this in the machine of tests/kernel61.
"""

from __future__ import annotations

import os
import shutil

_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def found(program: str) -> str | None:
    """Its path, or None."""
    return shutil.which(program, path=_PLACES)
