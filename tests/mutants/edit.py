"""A mutant is an edit of our source text, put in force while the module is imported.

Owns the import hook. Invariant: every binding of what was edited is the edited one, since nothing of the module was
loaded before; a text that is not found exactly once is an error, so a mutant that rotted cannot pass for caught.
Must not know what an edit is for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType


class Rotten(Exception):
    """The text to be edited is not there (once)."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In `module` of hbcore, `old` becomes `new`."""

    module: str
    old: str
    new: str


class _Loader(SourceFileLoader):
    edits: tuple[Edit, ...] = ()

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        text = self.get_data(path).decode()
        for edit in self.edits:
            if text.count(edit.old) != 1:
                raise Rotten(f"{fullname}: found {text.count(edit.old)} times: {edit.old!r}")
            text = text.replace(edit.old, edit.new)
        return compile(text, path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, edits: tuple[Edit, ...]) -> None:
        self._edits = edits

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = tuple(e for e in self._edits if f"hbcore.{e.module}" == fullname)
        spec = PathFinder.find_spec(fullname, path, target) if edits else None
        if spec is not None:
            assert isinstance(spec.loader, SourceFileLoader)
            spec.loader = _Loader(fullname, spec.loader.path)
            spec.loader.edits = edits
        return spec


def put_in_force(edits: tuple[Edit, ...]) -> None:
    """From now on, in this process. Raises Rotten at once where a text is not there."""
    loaded = [e.module for e in edits if f"hbcore.{e.module}" in sys.modules]
    assert not loaded, f"already imported: {loaded}"
    sys.meta_path.insert(0, _Finder(edits))
    for edit in edits:
        __import__(f"hbcore.{edit.module}")
