"""A configuration directory that holds a cluster, for the commands that need one; or the first thing to mend in it.

Owns the refusal. Invariant: what is returned has no error. Must not know this machine.
"""

from __future__ import annotations

from pathlib import Path

from hbcore.control.errors import ControlError
from hbcore.engine.config import ClusterConfig, Problem, Severity
from hbcore.engine.keys import Keyring
from hbcore.formats.load import load
from hbcore.words import say


def readable(path: Path, command: str) -> tuple[ClusterConfig, Keyring, tuple[Problem, ...]]:
    """The cluster of a directory (or of one file of it), its keys, and what is said of it.

    Raises ControlError no-such-path, or COMMAND-wrong with the place of the first error.
    """
    if not path.exists():
        raise ControlError("no-such-path", path=path)
    path = path.parent if path.is_file() else path
    loaded = load(path.absolute())
    if loaded.config is None or loaded.keys is None:
        wrong = next(problem for problem in loaded.problems if problem.severity is Severity.ERROR)
        place = path.absolute() / wrong.where.file  # which is the directory itself where that is missing
        where = f"{place}:{wrong.where.line}" if wrong.where.line else place
        raise ControlError(f"{command}-wrong", where=where, what=say(wrong.code, **dict(wrong.args)), path=path)
    return loaded.config, loaded.keys, loaded.problems
