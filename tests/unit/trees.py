"""Configurations that people posted, and what is to be found in each.

Owns tests/data/trees: NAME/{ha.cf,authkeys,haresources}, its SOURCE, and FINDINGS: one line a problem,
`file[:line] severity code`. `python -m tests.unit.trees` writes FINDINGS anew: read the difference before a commit.
Must not know how anything is read.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hbcore.cli.preflight import examine
from hbcore.engine.config import Problem

TREES = Path(__file__).resolve().parents[1] / "data" / "trees"
NAMES = tuple(sorted(path.name for path in TREES.iterdir()))
PARTS = ("ha.cf", "authkeys", "haresources")


def plant(name: str, to: Path) -> Path:
    """A copy of a tree, with the mode that authkeys needs and git does not keep."""
    to.mkdir()
    for part in PARTS:
        if (TREES / name / part).exists():
            shutil.copyfile(TREES / name / part, to / part)
            (to / part).chmod(0o600 if part == "authkeys" else 0o644)
    return to


def findings(problems: tuple[Problem, ...]) -> list[str]:
    return [
        f"{p.where.file}{f':{p.where.line}' if p.where.line else ''} {p.severity} {p.code}"
        for p in sorted(problems, key=lambda p: (p.where.file, p.where.line, p.code))
    ]


def found(name: str, to: Path) -> list[str]:
    """What `check` finds where the scripts and devices of this machine do not count."""
    return findings(examine(plant(name, to), here=False).problems)


if __name__ == "__main__":
    for name in NAMES:
        with tempfile.TemporaryDirectory() as scratch:
            (TREES / name / "FINDINGS").write_text("\n".join(found(name, Path(scratch) / "ha.d")) + "\n")
